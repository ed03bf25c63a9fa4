"""A shell's script as simple commands, each word with its place.

Only what is plain is understood: commands with their words, in order. Nothing is run or expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_WORDS_BEFORE = frozenset(
    {"then", "do", "else", "elif", "if", "while", "until", "!", "{", "exec", "nohup", "time", "command"}
)
ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\+?=")
"""Matches the beginning of a word that sets a variable."""
VARIABLE = re.compile(r"\$(?:(?P<plain>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)(?::?[-=](?P<default>[^${}]*))?\})")
_OPERATORS = re.compile(r"&&|\|\||;;|[;&|\n()]")
_REDIRECTION = re.compile(r"\d*(?:>>|>&|<<<|<&|>\||[<>])")


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
    assigned: tuple[tuple[str, str], ...] = ()
    """Variables that stand before it with their values, set for it alone or, without words, from then on."""
    replaces: bool = False
    """``exec``: it takes the shell's place."""
    piped: bool = False
    """It reads what the one before it writes."""

    @property
    def program(self) -> str:
        return self.words[0].text.rpartition("/")[2] if self.words else ""


def commands(text: str) -> Iterator[Command]:
    """Of any text, however broken."""
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
    assigned: list[tuple[str, str]] = []
    replaces = False
    rest = list(words)
    while rest:
        if found := ASSIGNMENT.match(rest[0].text):
            assigned.append((found[1], rest[0].text[found.end() :]))
        elif rest[0].text in _WORDS_BEFORE:
            replaces = replaces or rest[0].text == "exec"
        elif rest[0].text.rpartition("/")[2] == "env" and len(rest) > 1 and ASSIGNMENT.match(rest[1].text):
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
    found = VARIABLE.fullmatch(text[start:end].strip('"'))
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
