"""A YAML 1.2 document as a tree that knows the line of everything in it.

The tree is composed, not constructed: so duplicate keys are all found with both their lines, and one of them does
not hide what else is wrong. `tuner.yaml` is another tree for another need: it knows every value's place in the text,
stops at the first mistake, and refuses what readers of YAML 1.1 read differently, since kubectl is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLStreamError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from tuner.errors import Problem, Where
from tuner.printable import cut

MAX_DEPTH = 20
LONGEST_SHOWN = 80
_HALF = re.compile("[\ud800-\udfff]")
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Scalar:
    value: bool | int | float | str | None
    text: str
    """As it is written in the file, less the quotes."""
    where: Where

    def __str__(self) -> str:
        return "empty" if self.value is None else quoted(self.text)


class Sequence(list["Node"]):
    def __init__(self, items: Iterable[Node], where: Where) -> None:
        super().__init__(items)
        self.where = where

    def __str__(self) -> str:
        return "a list" if self else "an empty list"


class Mapping(dict[str, "Node"]):
    """`keys_at`: where each key stands; its value may begin below."""

    def __init__(self, entries: Iterable[tuple[str, Node]], keys_at: dict[str, Where], where: Where) -> None:
        super().__init__(entries)
        self.keys_at = keys_at
        self.where = where

    def __str__(self) -> str:
        return "a mapping" if self else "an empty mapping"


Node = Scalar | Sequence | Mapping


def parse(text: str, file: str) -> tuple[Node | None, tuple[Problem, ...]]:
    """The document's root (None: it cannot be read, or is empty), and what is wrong with it as YAML."""
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = MAX_DEPTH
    yaml.composer.warn_double_anchors = False
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        return None, (_syntax(error, file),)
    except (YAMLError, YAMLStreamError) as error:
        return None, (Problem.at(file, f"not YAML: {_line(error)}", "remove that character"),)
    except (ValueError, AttributeError, TypeError, IndexError, AssertionError, RecursionError) as error:
        # ruamel.yaml lets some of its own slips through on broken text; to the user they are syntax errors too
        return None, (Problem.at(file, f"not YAML: {_line(error)}", "check the syntax"),)
    if root is None:
        return None, (Problem.at(file, "the file is empty", "write a search space into it"),)
    tree = _Tree(file)
    node = tree.node(root)
    return node, tuple(tree.problems)


def quoted(text: str) -> str:
    """The text as a message shows it: on one line, and cut where it is long."""
    return repr(cut(text, LONGEST_SHOWN))


class _Tree:
    """Turns composed nodes into ours. An alias is the node it stands for, so nodes are remembered by identity."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.known: dict[int, Node] = {}
        self.open: set[int] = set()

    def where(self, node: Any) -> Where:
        return Where(file=self.file, line=node.start_mark.line + 1)

    def node(self, node: Any) -> Node:
        key = id(node)
        if key in self.open:
            self.report(self.where(node), "an anchor that contains itself", "write the value out in place of the alias")
            return Scalar(None, "", self.where(node))
        if key not in self.known:
            self.open.add(key)
            self.known[key] = self.converted(node)
            self.open.remove(key)
        return self.known[key]

    def converted(self, node: Any) -> Node:
        if isinstance(node, SequenceNode):
            return Sequence(map(self.node, node.value), self.where(node))
        if isinstance(node, MappingNode):
            return self.mapping(node)
        if _HALF.search(node.value):
            self.report(self.where(node), "half of a pair of \\u escapes, which is no character", "write the character")
            node.value = _HALF.sub("\ufffd", node.value)
        return Scalar(_value(node), node.value, self.where(node))

    def mapping(self, node: Any) -> Mapping:
        """The first of equal keys counts; the others are reported."""
        entries: dict[str, Node] = {}
        keys_at: dict[str, Where] = {}
        for key, value in node.value:
            where, item = self.where(key), self.node(value)
            if isinstance(key, ScalarNode):
                self.node(key)
            if not isinstance(key, ScalarNode):
                self.report(where, "a key that is a list or a mapping", "write a plain word before the colon")
            elif key.value in entries:
                first = keys_at[key.value].line
                self.report(where, f"duplicate key {key.value!r}, first on line {first}", "remove one of them")
            else:
                entries[key.value], keys_at[key.value] = item, where
        return Mapping(entries.items(), keys_at, self.where(node))

    def report(self, where: Where, message: str, fix: str) -> None:
        self.problems.append(Problem(where=where, message=message, fix=fix))


def _value(node: Any) -> bool | int | float | str | None:
    text = str(node.value)
    tag = str(node.tag).removeprefix(_TAG)
    try:
        if tag == "null":
            return None
        if tag == "bool":
            return text.lower() == "true"
        if tag == "int":
            digits = text.replace("_", "")
            return int(digits, 0 if digits.lstrip("+-")[:2].lower() in ("0x", "0o", "0b") else 10)
        if tag == "float":
            return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return text
    return text


def _syntax(error: MarkedYAMLError, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    message = " ".join(str(part) for part in (error.context, error.problem) if part)
    column = f" at column {mark.column + 1}" if mark else ""
    line = mark.line + 1 if mark else 0
    return Problem.at(file, f"not YAML{column}: {message}", _advice(message), line=line)


def _advice(message: str) -> str:
    if "tab" in message or "'\\t'" in message:
        return "indent with spaces"
    if "single document" in message:
        return "keep one document and remove what follows '---'"
    if "undefined alias" in message:
        return "quote a value that begins with '*'"
    if "maximum depth" in message:
        return f"nest at most {MAX_DEPTH} levels"
    return "check indentation, colons, quotes and brackets there and on the line before"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
