"""Plain data written as YAML in block style, read alike by YAML 1.1 and 1.2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tuner.yaml.scalars import flow, key

Write = Callable[[Any], str]
"""How what is no mapping or list with something in it is written."""


def block(value: dict[str, Any] | list[Any]) -> str:
    """A document of its own: text is quoted only where a reader could take it for something else."""
    lines = entries(value, 0, _plain) if isinstance(value, dict) else items(value, 0, _plain)
    return "".join(f"{line}\n" for line in lines)


def entries(value: dict[str, Any], column: int, write: Write = flow) -> list[str]:
    return [line for name, below in value.items() for line in entry(name, below, column, write)]


def items(value: list[Any], column: int, write: Write = flow) -> list[str]:
    return [line for one in value for line in item(one, column, write)]


def entry(name: str, value: Any, column: int, write: Write = flow) -> list[str]:
    """A block mapping's entry."""
    head = " " * column + key(name) + ":"
    if isinstance(value, dict) and value:
        return [head, *entries(value, column + 2, write)]
    if isinstance(value, list) and value:
        return [head, *items(value, column + 2, write)]
    return [f"{head} {write(value)}"]


def item(value: Any, column: int, write: Write = flow) -> list[str]:
    """A block sequence's item."""
    if isinstance(value, dict) and value:
        lines = entries(value, column + 2, write)
        return [" " * column + "- " + lines[0].lstrip(" "), *lines[1:]]
    return [f"{' ' * column}- {write(value)}"]


def _plain(value: Any) -> str:
    return key(value) if isinstance(value, str) else flow(value)
