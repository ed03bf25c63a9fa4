"""Typed access to a mapping of the search-space file: what is wrong is reported, and reading goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeGuard

from tuner.errors import Problem, Where
from tuner.space.document import Mapping, Node, Scalar, Sequence
from tuner.space.nearest import nearest

LARGEST = 2**53
"""Whole numbers beyond it are not exact in JSON nor in a float."""


@dataclass(slots=True)
class Report:
    """The problems found so far."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, where: Where, message: str, fix: str) -> None:
        self.problems.append(Problem(where=where, message=message, fix=fix))

    def refusal(self, where: Where, subject: str, error: ValueError) -> None:
        """A parser's ValueError, whose text is what is wrong and, after a semicolon, what to do."""
        message, _, fix = str(error).rpartition("; ")
        self.add(where, f"{subject}: {message or fix}", fix if message else "correct it")


class Fields:
    """The entries of one mapping. Every getter reports what it cannot use and returns the default instead."""

    def __init__(self, node: Mapping, known: Iterable[str], report: Report) -> None:
        self.node = node
        self.report = report
        self.entries = {key.text: value for key, value in node.entries}
        names = tuple(known)
        for key, _ in node.entries:
            if key.text not in names:
                report.add(key.where, f"unknown key {key.text!r}", nearest(key.text, names))

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def get(self, name: str) -> Node | None:
        return self.entries.get(name)

    def where(self, name: str) -> Where:
        """The line of the key (not of its value, which may begin below), or of the mapping where it is missing."""
        return next((key.where for key, _ in self.node.entries if key.text == name), self.node.where)

    def wrong(self, name: str, expected: str, fix: str) -> None:
        self.report.add(self.where(name), f"{name} is {self.get(name)}, not {expected}", fix)

    def missing(self, name: str, fix: str) -> None:
        self.report.add(self.node.where, f"{name!r} is missing", fix)

    def section(self, name: str, fix: str) -> Mapping | None:
        """None: absent, or not a mapping, which is reported."""
        node = self.get(name)
        if node is None or isinstance(node, Mapping):
            return node
        self.wrong(name, "a mapping", fix)
        return None

    def text(self, name: str, example: str) -> str | None:
        node = self.get(name)
        if node is None:
            return None
        if isinstance(node, Scalar) and node.value is not None and node.text:
            return node.text
        self.wrong(name, "a text", f"write for example {name}: {example}")
        return None

    def word(self, name: str, words: tuple[str, ...], default: str | None) -> str | None:
        node = self.get(name)
        if node is None:
            return default
        if isinstance(node, Scalar) and node.text in words:
            return node.text
        advice = nearest(node.text, words) if isinstance(node, Scalar) else f"use one of: {', '.join(words)}"
        self.wrong(name, f"one of {', '.join(words)}", advice)
        return default

    def flag(self, name: str, *, default: bool) -> bool:
        node = self.get(name)
        if node is None:
            return default
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        self.wrong(name, "true or false", f"write {name}: true or {name}: false")
        return default

    def whole(self, name: str, *, least: int, example: int) -> int | None:
        node = self.get(name)
        if node is None:
            return None
        if isinstance(node, Scalar) and is_whole(node.value) and least <= node.value <= LARGEST:
            return node.value
        self.wrong(name, f"a whole number of at least {least}", f"write for example {name}: {example}")
        return None

    def amount(self, name: str, *, default: float, example: float) -> float:
        """A number of at least 0."""
        node = self.get(name)
        if node is None:
            return default
        number = finite(node.value) if isinstance(node, Scalar) else None
        if number is not None and number >= 0:
            return number
        self.wrong(name, "a number of at least 0", f"write for example {name}: {example}")
        return default

    def unit[T: float | None](
        self, name: str, parse: Callable[[str], float], default: T, *, above_zero: bool = True
    ) -> float | T:
        """A value with a unit, read by one of the parsers of `tuner.units`."""
        node = self.get(name)
        if node is None:
            return default
        if not isinstance(node, Scalar) or node.value is None:
            self.wrong(name, "a value with a unit", f"write it on the line of {name}")
            return default
        try:
            value = parse(node.text)
        except ValueError as error:
            self.report.refusal(self.where(name), name, error)
            return default
        if above_zero and value <= 0:
            self.wrong(name, "above 0", "write a greater value, or leave the key out for the default")
            return default
        return value

    def texts(self, name: str, example: str) -> MappingProxyType[str, str]:
        """A mapping of texts, such as environment variables; values as they are written in the file."""
        node = self.section(name, f"write for example {name}: {example}")
        found: dict[str, str] = {}
        for key, value in node.entries if node else ():
            if isinstance(value, Scalar) and value.value is not None:
                found[key.text] = value.text
            else:
                self.report.add(key.where, f"{key.text} in {name} is {value}, not a text", "write a text, in quotes")
        return MappingProxyType(found)

    def path(self, name: str, folder: Path, *, kind: str = "file") -> Path | None:
        """A file (or `kind` "folder") that must exist; relative to the search space's folder."""
        text = self.text(name, "a path relative to the search space file")
        return None if text is None else existing(text, folder, kind, name, self.where(name), self.report)


def existing(text: str, folder: Path, kind: str, what: str, where: Where, report: Report) -> Path:
    path = folder / text
    try:
        found = path.is_dir() if kind == "folder" else path.is_file()
    except OSError:
        found = False
    if not found:
        report.add(where, f"{what}: there is no {kind} {text!r}", f"create {path}, or correct the path")
    return path


def items(node: Node) -> tuple[Node, ...]:
    """A list's items, or the one value that stands in place of a list."""
    return node.items if isinstance(node, Sequence) else (node,)


def is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def finite(value: object) -> float | None:
    """The number a scalar holds; None when it is none, or not a finite one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
