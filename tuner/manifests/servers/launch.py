"""What a container starts: its command lines, as the programs will see them, and the variables they run with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tuner.manifests.commands import VARIABLE, commands
from tuner.manifests.expansion import expand, expand_env
from tuner.manifests.kinds.model import at, mappings

Line = tuple[str, ...]
"""A program, its folder left out, and its arguments; the program is empty where the image decides it."""

_SHELLS = frozenset({"sh", "bash", "ash", "dash", "zsh"})
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*")
_WRAPPERS = frozenset(
    (
        *("env", "nohup", "time", "timeout", "nice", "numactl", "taskset", "stdbuf", "tini", "dumb-init"),
        *("poetry", "pipenv", "pdm", "uv", "pixi", "conda", "micromamba", "mpirun", "gosu", "su-exec"),
        *("opentelemetry-instrument", "ddtrace-run", "newrelic-admin", "nsys", "torchrun", "accelerate"),
    )
)
"""Programs that start what stands further on in their own command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    image: str
    """As the manifest names it; empty where an operator fills it in."""
    lines: tuple[Line, ...]
    """Every command line that it is likely to start: those of a shell's script one by one. Never empty."""
    env: Mapping[str, str]
    """Literal values, their references expanded."""
    variables: frozenset[str]
    """Names of all that it is given, those with a value from elsewhere too."""


def launch(spec: Mapping[str, Any]) -> Launch:
    """Of a container, as plain dicts and lists. What is not as Kubernetes wants it is passed over."""
    entries = [entry for _, entry in mappings(spec, ("env",))]
    env = expand_env({str(e.get("name")): _text(e.get("value")) for e in entries if not e.get("valueFrom")})
    command, args = ([expand(word, env) for word in _words(spec, part)] for part in ("command", "args"))
    return Launch(
        image=str(spec.get("image") or ""),
        lines=tuple(_lines(command, args, env)),
        env=MappingProxyType(env),
        variables=frozenset(str(entry.get("name")) for entry in entries),
    )


def repository(image: str) -> tuple[str, ...]:
    """The parts of an image's repository, registry first; tag and digest are left out."""
    path = image.partition("@")[0]
    folder, slash, name = path.rpartition("/")
    return tuple(f"{folder}{slash}{name.partition(':')[0]}".split("/"))


def started(line: Line) -> Iterator[Line]:
    """The line, and what it starts where its program only starts another; a Python module goes by its own name."""
    for place in range(len(line)):
        words = line[place:]
        name = words[0].rpartition("/")[2]
        if _PYTHON.fullmatch(name):
            yield _of_python(words[1:])
        elif name:
            yield (name, *words[1:])
        else:
            yield words
        if place == 0 and name not in _WRAPPERS and "entrypoint" not in name:
            return


def _of_python(words: Line) -> Line:
    """``python -u -m package.module ARGS`` is ``package.module ARGS``, ``python serve.py`` is ``serve.py``."""
    for place, word in enumerate(words):
        if word == "-m" and place + 1 < len(words):
            return words[place + 1 :]
        if not word.startswith("-"):
            return (word.rpartition("/")[2], *words[place + 1 :])
    return ("python", *words)


def _lines(command: Sequence[str], args: Sequence[str], env: Mapping[str, str]) -> Iterator[Line]:
    words = (*command, *args)
    script = script_of(words)
    if script is not None:
        yield from _of_script(script, env)
    elif command:
        yield words
    else:
        if args and not args[0].startswith("-"):
            yield words  # an entry point that starts what it is given
        yield ("", *words)


def script_of(words: Sequence[str]) -> str | None:
    """What ``sh -c`` is given; None where no shell is started so."""
    if not words or words[0].rpartition("/")[2] not in _SHELLS:
        return None
    for place, word in enumerate(words[1:], start=1):
        if re.fullmatch(r"-[a-z]*c[a-z]*", word):
            return next((one for one in words[place + 1 :] if one != "--"), "")
        if not word.startswith("-"):
            return None
    return None


def _of_script(script: str, env: Mapping[str, str]) -> Iterator[Line]:
    """Its simple commands, with variables whose values are known replaced; at least one line."""
    known = dict(env)
    none = True
    for command in commands(script):
        words = [_expanded(word.text, known) for word in command.words]
        known.update((name, _expanded(value, known)) for name, value in command.assigned)
        if words[:1] == ["export"]:
            known.update((name, value) for name, equals, value in (word.partition("=") for word in words[1:]) if equals)
        elif words[:1] == ["eval"]:
            words = " ".join(words[1:]).split()
        if words:
            none = False
            yield tuple(words)
    if none:
        yield ("",)


def _expanded(word: str, known: Mapping[str, str]) -> str:
    """As a shell expands ``$NAME``, ``${NAME}`` and ``${NAME:-default}``; what is not known stays as it is."""

    def value(match: re.Match[str]) -> str:
        name, default = match["plain"] or match["braced"], match["default"]
        return known.get(name) or (match[0] if default is None else default)

    return VARIABLE.sub(value, word)


def _words(spec: Mapping[str, Any], section: str) -> list[str]:
    words = at(spec, (section,))
    return [_text(word) for word in words] if isinstance(words, list) else []


def _text(value: Any) -> str:
    if value is None:
        return ""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
