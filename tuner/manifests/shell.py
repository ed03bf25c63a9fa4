"""A container's command inside a shell's script: where the server's words stand, which variables it reads and sets.

Only what is plain is understood: simple commands with their words, in order. Nothing is run or expanded. What a
container starts is told by `servers.launch`; here each word knows its place, so that it can be changed there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuner.manifests.kinds.model import Place, at
from tuner.yaml.tree import Path

SHELLS = frozenset({"sh", "bash", "ash", "dash", "zsh", "ksh"})
SERVERS = frozenset(
    {
        "gunicorn",
        "uvicorn",
        "hypercorn",
        "daphne",
        "waitress-serve",
        "vllm",
        "sglang",
        "mlserver",
        "tritonserver",
        "torchserve",
    }
    | {"tensorflow_model_server", "bentoml", "litserve", "ray", "serve", "seldon-core-microservice", "llama-server"}
    | {"text-generation-launcher", "text-embeddings-router", "trtllm-serve", "onnxruntime_server", "lmdeploy", "mii"}
)
"""Programs that serve: of several commands theirs is meant."""
MODULES = re.compile(r"(vllm|sglang|uvicorn|gunicorn|hypercorn|mlserver|llama_cpp|tritonserver|kserve|\w*server)\b")
"""What serves after ``python -m``."""
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
_WORDS_BEFORE = frozenset(
    {"then", "do", "else", "elif", "if", "while", "until", "!", "{", "exec", "nohup", "time", "command"}
)
_ENDS = frozenset({"fi", "done", "}", "esac"})
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\+?=")
_SETTERS = frozenset({"export", "readonly", "declare", "local", "typeset"})
_VARIABLE = re.compile(r"\$(?:(?P<plain>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)(?::?-(?P<default>[^${}]*))?\})")
_OPERATORS = re.compile(r"&&|\|\||;;|[;&|\n()]")
_REDIRECTION = re.compile(r"\d*(?:>>|>&|<<<|<&|>\||[<>])")
_NEEDS_QUOTES = re.compile(r"[^A-Za-z0-9_@%+=:,./-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """`start` and `end` are offsets into the script."""

    start: int
    end: int
    text: str
    """Without quotes and with nothing expanded."""
    plain: bool
    """Nothing in it is expanded by the shell: no variable, command or pattern."""
    variable: tuple[str, str | None] | None = None
    """Where it is one variable and nothing else: its name, and the default in ``${NAME:-default}``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A simple command: its words without assignments, ``exec`` and redirections."""

    words: tuple[Word, ...]
    assigned: tuple[str, ...] = ()
    """Variables that stand before it, and are set for it alone or, without words, from then on."""
    replaces: bool = False
    """``exec``: it takes the shell's place."""
    piped: bool = False
    """It reads what the one before it writes."""

    @property
    def program(self) -> str:
        return self.words[0].text.rpartition("/")[2] if self.words else ""


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
            own = command.assigned
            if command.program in _SETTERS:
                own += tuple(found[1] for word in command.words[1:] if (found := _ASSIGNMENT.match(word.text)))
            if name in own and not self._is_default(name):
                return True
        return False

    def _is_default(self, name: str) -> bool:
        """``NAME=${NAME:-2}`` keeps what the container gives."""
        return re.search(rf"\b{name}=[\"']?\$\{{{name}:?-", self.text) is not None

    def reads(self, name: str) -> bool:
        return any(name in (found["plain"], found["braced"]) for found in _VARIABLE.finditer(self.text))

    def default(self, name: str) -> str | None:
        """What the script takes where the container gives the variable no value."""
        found = (f for f in _VARIABLE.finditer(self.text) if f["braced"] == name and f["default"])
        return next((match["default"] for match in found), None)


def script_of(obj: Mapping[str, Any], place: Place) -> Script | None:
    """The script that the container's shell runs; None where it runs no shell."""
    words = [
        (section, index, word)
        for section in ("command", "args")
        for index, word in enumerate(at(obj, (*place.path, section)) or [])
    ]
    while words and str(words[0][2]).rpartition("/")[2] in ("env", "tini", "dumb-init", "--", "-s", "-g"):
        words = words[1:]
    options = len(words)
    is_shell = bool(words) and str(words[0][2]).rpartition("/")[2] in SHELLS
    for number, (_, _, word) in enumerate(words[:options]):
        if (is_shell or words[0][0] == "args") and re.fullmatch(r"-[a-z]*c", str(word)) and number <= 4:
            if number + 1 < len(words) and (is_shell or number == 0) and isinstance(words[number + 1][2], str):
                section, index, text = words[number + 1]
                return Script(path=(*place.path, section), index=index, text=text, commands=tuple(_commands(text)))
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


def same_flag(one: str, other: str) -> bool:
    """``--max_num_seqs`` is ``--max-num-seqs`` to all that take either."""
    return one == other or (one.startswith("--") and one.replace("_", "-") == other.replace("_", "-"))


def flag_of(command: Command, name: str) -> ScriptFlag | None:
    """Of several the last, as most parsers have it."""
    words = command.words
    for index in range(len(words) - 1, 0, -1):
        word = words[index]
        given, equals, value = word.text.partition("=")
        if equals and same_flag(given, name):
            found = _VARIABLE.fullmatch(value.strip('"'))
            variable = (found["plain"] or found["braced"], found["default"]) if found and not word.plain else None
            return ScriptFlag(word=word, value_word=None, value=value, variable=variable, plain=word.plain)
        if same_flag(word.text, name):
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
        given = found.word.text.partition("=")[0]
        start, end, new = found.word.start, found.word.end, quoted(f"{given}={value}")
    return script.text[:start] + new + script.text[end:]


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", text) is not None


def quoted(text: str) -> str:
    """A word as a script holds it."""
    return "'" + text.replace("'", "'\\''") + "'" if not text or _NEEDS_QUOTES.search(text) else text


def _serves(command: Command) -> bool:
    if command.program in SERVERS:
        return True
    words = [word.text for word in command.words]
    is_python = re.fullmatch(r"python[0-9.]*", command.program) is not None
    if is_python and "-m" in words[:-1]:
        return MODULES.match(words[words.index("-m") + 1]) is not None
    return False


def _commands(text: str) -> Iterator[Command]:
    words: list[Word] = []
    piped = False
    for part in _parts(text):
        if isinstance(part, Word):
            words.append(part)
            continue
        if words:
            yield _command(words, piped=piped)
        words, piped = [], part == "|" or (piped and part == "\n" and not words)
    if words:
        yield _command(words, piped=piped)


def _command(words: list[Word], *, piped: bool) -> Command:
    assigned: list[str] = []
    replaces = False
    rest = list(words)
    while rest:
        if found := _ASSIGNMENT.match(rest[0].text):
            assigned.append(found[1])
        elif rest[0].text in _WORDS_BEFORE:
            replaces = replaces or rest[0].text == "exec"
        elif rest[0].text.rpartition("/")[2] == "env" and len(rest) > 1 and _ASSIGNMENT.match(rest[1].text):
            pass
        else:
            break
        rest.pop(0)
    return Command(words=tuple(rest), assigned=tuple(assigned), replaces=replaces, piped=piped)


def _parts(text: str) -> Iterator[Word | str]:
    """Words, and the operators between commands. Redirections and comments are left out."""
    position, length, skip_word = 0, len(text), False
    while position < length:
        if text.startswith(("\\\n", "\\\r\n"), position):
            position += 2 if text[position + 1] == "\n" else 3
        elif text[position] in " \t\r":
            position += 1
        elif text[position] == "#":
            end = text.find("\n", position)
            position = length if end < 0 else end
        elif found := _REDIRECTION.match(text, position):
            position, skip_word = found.end(), True
        elif found := _OPERATORS.match(text, position):
            yield found[0]
            position = found.end()
        else:
            word = _word(text, position)
            position = word.end
            if not skip_word:
                yield word
            skip_word = False


def _word(text: str, start: int) -> Word:
    position, plain, parts = start, True, []
    while position < len(text):
        mark = text[position]
        if mark == "'":
            end = text.find("'", position + 1)
            end = len(text) if end < 0 else end
            parts.append(text[position + 1 : end])
            position = end + 1
        elif mark == '"':
            end, inside = _double_quoted(text, position + 1)
            plain = plain and not re.search(r"[$`]", inside)
            parts.append(re.sub(r'\\(["\\$`\n])', r"\1", inside))
            position = end
        elif mark == "\\":
            parts.append(text[position + 1 : position + 2].replace("\n", ""))
            position += 2
        elif mark in " \t\r" or _OPERATORS.match(text, position) or mark in "<>":
            break
        elif mark == "$" and text.startswith(("$(", "${"), position):
            plain, end = False, _closing(text, position + 1)
            parts.append(text[position:end])
            position = end
        else:
            plain = plain and mark not in "$`*?["
            parts.append(mark)
            position += 1
    end = max(min(position, len(text)), start + 1)
    found = _VARIABLE.fullmatch(text[start:end].strip('"'))
    variable = (found["plain"] or found["braced"], found["default"]) if found else None
    return Word(start=start, end=end, text="".join(parts), plain=plain, variable=variable)


def _double_quoted(text: str, position: int) -> tuple[int, str]:
    start = position
    while position < len(text) and text[position] != '"':
        position += 2 if text[position] == "\\" else 1
    return position + 1, text[start:position]


def _closing(text: str, position: int) -> int:
    """Past the bracket that closes the one here."""
    opened, closed = text[position], {"(": ")", "{": "}"}[text[position]]
    depth = 0
    for index in range(position, len(text)):
        depth += (text[index] == opened) - (text[index] == closed)
        if depth == 0:
            return index + 1
    return len(text)
