"""A container's command inside a shell's script: where the server's words stand, which variables it reads and sets.

What a container starts is told by `servers.launch`; here a flag's value can be changed where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tuner.manifests.commands import ASSIGNMENT, VARIABLE, Command, Word, commands
from tuner.manifests.kinds.model import Place, at
from tuner.manifests.servers.flags import alike, joined
from tuner.manifests.servers.known import SERVERS as KNOWN
from tuner.yaml.tree import Path

SHELLS = frozenset({"sh", "bash", "ash", "dash", "zsh", "ksh"})
_ALSO = frozenset({"daphne", "waitress-serve", "lmdeploy", "mii", "ray"})
"""Programs that serve, of whose knobs nothing is known."""
_MODULE = re.compile(r"mii\b|\w*server\b")
"""The like after ``python -m``."""
_KNOWN = tuple(program.split()[0] for server in KNOWN for program in server.programs)
_PREPARING = frozenset(
    {
        "echo",
        "printf",
        "export",
        "cd",
        "sleep",
        "mkdir",
        "cp",
        "mv",
        "rm",
        "ln",
        "pip",
        "pip3",
        "uv",
        "apt-get",
        "apt",
        "apk",
    }
    | {
        "curl",
        "wget",
        "git",
        "set",
        "source",
        ".",
        "ulimit",
        "chmod",
        "chown",
        "ls",
        "cat",
        "tail",
        "wait",
        "trap",
        "test",
    }
    | {
        "[",
        "[[",
        "true",
        "false",
        ":",
        "unset",
        "kill",
        "nvidia-smi",
        "huggingface-cli",
        "hf",
        "aws",
        "gsutil",
        "gcloud",
    }
    | {
        "tar",
        "unzip",
        "sed",
        "awk",
        "grep",
        "touch",
        "date",
        "hostname",
        "env",
        "which",
        "readonly",
        "declare",
        "local",
    }
    | {
        "shift",
        "umask",
        "conda",
        "read",
        "exit",
        "return",
        "break",
        "continue",
        "ldconfig",
        "python-config",
        "id",
        "whoami",
    }
)
_ENDS = frozenset({"fi", "done", "}", "esac"})
_SETTERS = frozenset({"export", "readonly", "declare", "local", "typeset"})
_NEEDS_QUOTES = re.compile(r"[^A-Za-z0-9_@%+=:,./-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """`path` and `index`: the list of the container that holds it, and its place there."""

    path: Path
    index: int
    text: str
    commands: tuple[Command, ...]

    def server(self) -> Command | None:
        """The command that serves: what the shell is replaced by, a known server, else the last that prepares nothing.

        None where several may be meant, or none.
        """
        serving = [c for c in self.commands if c.words and not c.piped and c.program not in _PREPARING | _ENDS]
        known = [command for command in serving if _serves(command)]
        for found in (known, [c for c in serving if c.replaces]):
            if len(found) > 1:
                return None
            if found:
                return found[0]
        return serving[-1] if serving else None

    def sets(self, name: str) -> bool:
        """Whether the script gives a variable a value of its own, so that the container's is never seen."""
        for command in self.commands:
            own = tuple(name for name, _ in command.assigned)
            if command.program in _SETTERS:
                own += tuple(found[1] for word in command.words[1:] if (found := ASSIGNMENT.match(word.text)))
            if name in own and not self._is_default(name):
                return True
        return False

    def _is_default(self, name: str) -> bool:
        """``NAME=${NAME:-2}`` keeps what the container gives."""
        return re.search(rf"\b{name}=[\"']?\$\{{{name}:?-", self.text) is not None

    def reads(self, name: str) -> bool:
        return any(name in (found["plain"], found["braced"]) for found in VARIABLE.finditer(self.text))

    def default(self, name: str) -> str | None:
        """What the script takes where the container gives the variable no value."""
        found = (f for f in VARIABLE.finditer(self.text) if f["braced"] == name and f["default"])
        return next((match["default"] for match in found), None)


def script_of(obj: Mapping[str, Any], place: Place) -> Script | None:
    """The script that the container's shell runs; None where it runs no shell."""
    words = [
        (section, index, word)
        for section in ("command", "args")
        for listed in [at(obj, (*place.path, section))]
        for index, word in enumerate(listed if isinstance(listed, list) else ())
    ]
    while words and str(words[0][2]).rpartition("/")[2] in ("env", "tini", "dumb-init", "--", "-s", "-g"):
        words = words[1:]
    options = len(words)
    is_shell = bool(words) and str(words[0][2]).rpartition("/")[2] in SHELLS
    for number, (_, _, word) in enumerate(words[:options]):
        if (is_shell or words[0][0] == "args") and re.fullmatch(r"-[a-z]*c", str(word)) and number <= 4:
            if number + 1 < len(words) and (is_shell or number == 0) and isinstance(words[number + 1][2], str):
                section, index, text = words[number + 1]
                return Script(path=(*place.path, section), index=index, text=text, commands=tuple(commands(text)))
            return None
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptFlag:
    """A flag among the server's words: `word` is its own, `value_word` that of its value where it stands apart."""

    word: Word
    value_word: Word | None
    value: str | bool
    """True: it stands alone."""
    variable: tuple[str, str | None] | None
    plain: bool


def flag_of(command: Command, name: str) -> ScriptFlag | None:
    """Of several the last, as most parsers have it."""
    words = command.words
    for index in range(len(words) - 1, 0, -1):
        word = words[index]
        given, equals, value = word.text.partition("=")
        if equals and alike(given, name):
            found = VARIABLE.fullmatch(value.strip('"'))
            variable = (found["plain"] or found["braced"], found["default"]) if found and not word.plain else None
            return ScriptFlag(word=word, value_word=None, value=value, variable=variable, plain=word.plain)
        if (after_letter := joined(word.text, name)) is not None:
            return ScriptFlag(word=word, value_word=None, value=after_letter, variable=None, plain=word.plain)
        if alike(word.text, name):
            following = words[index + 1] if index + 1 < len(words) else None
            if following is None or (following.text.startswith("-") and not _is_number(following.text)):
                return ScriptFlag(word=word, value_word=None, value=True, variable=None, plain=True)
            return ScriptFlag(
                word=word,
                value_word=following,
                value=following.text,
                variable=following.variable,
                plain=following.plain,
            )
    return None


def with_flag(script: Script, command: Command, name: str, value: str) -> str:
    """The script with the flag set where it stands, or added after the command's last word."""
    found = flag_of(command, name)
    if found is None:
        last, added = command.words[-1], f"{name}={value}" if name.startswith("--") else f"{name} {quoted(value)}"
        added = quoted(added) if name.startswith("--") else added
        return f"{script.text[: last.end]} {added}{script.text[last.end :]}"
    if found.value_word is not None:
        start, end, new = found.value_word.start, found.value_word.end, quoted(value)
    else:
        is_joined = joined(found.word.text, name) is not None
        spelled = f"{name}{value}" if is_joined else f"{found.word.text.partition('=')[0]}={value}"
        start, end, new = found.word.start, found.word.end, quoted(spelled)
    return script.text[:start] + new + script.text[end:]


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", text) is not None


def quoted(text: str) -> str:
    """A word as a script holds it."""
    return "'" + text.replace("'", "'\\''") + "'" if not text or _NEEDS_QUOTES.search(text) else text


def _serves(command: Command) -> bool:
    """Of several commands, one of a program that serves is meant."""
    words = [word.text for word in command.words]
    program, also = command.program, command.program in _ALSO
    if re.fullmatch(r"python[0-9.]*", program) and "-m" in words[:-1]:
        program = words[words.index("-m") + 1]
        also = _MODULE.match(program) is not None
    return also or any(fnmatchcase(program, known) for known in _KNOWN)
