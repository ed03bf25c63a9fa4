"""What the documents of the repository hold: blocks, commands, words in code, keys of search-space files, headings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.repository.checkout import ROOT, repository_files

_FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.M | re.S)
_ASSIGNED = re.compile(r"[A-Z_]+=")


def documents() -> list[Path]:
    """All of them, in Markdown."""
    return sorted(path for path in repository_files() if path.suffix == ".md")


@dataclass(frozen=True)
class Block:
    """A fenced block: `language` is the first word on its fence, `mark` what follows that."""

    language: str
    mark: str
    text: str

    def commands(self) -> Iterator[list[str]]:
        """The words of each line of a shell block; what it is piped into is not ours."""
        for line in self.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line.split(" | ")[0], comments=True)
            if words:
                yield words


def blocks(text: str) -> list[Block]:
    found = []
    for indent, fence, body in _FENCE.findall(text):
        language, _, mark = fence.strip().partition(" ")
        found.append(Block(language, mark.strip(), re.sub(f"^{indent}", "", body, flags=re.M)))
    return found


def tune_commands(text: str) -> Iterator[list[str]]:
    """What follows `tune` in each command of a document's blocks: of shells, of examples without a language, of YAML."""
    for block in blocks(text):
        if block.language in ("sh", "", "text"):
            for line in block.text.replace("\\\n", " ").splitlines():
                if re.match(r"(?:[A-Z_]+=\S+ )*tune ", line):
                    words = shlex.split(re.split(r" [|>] ", line)[0], comments=True)
                    yield words[words.index("tune") + 1 :]
        elif block.language == "yaml":
            for scalar in scalars(list(yaml_items(block))):
                if scalar.startswith("tune "):
                    yield shlex.split(scalar)[1:]


def scalars(value: Any) -> Iterator[str]:
    """Every text in a tree."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from scalars(list(value.values()))
    elif isinstance(value, list):
        for item in value:
            yield from scalars(item)


def words_in_code(text: str) -> list[str]:
    """The spans between backticks outside of blocks, each on one line."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", _FENCE.sub("", text))]


def anchors(text: str) -> set[str]:
    """How its headings are addressed, as the usual viewers of Markdown do."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.M)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def yaml_items(block: Block) -> Iterator[Any]:
    """Each key of a YAML block with its value, so that an example may show one key twice."""
    for item in re.split(r"^(?=[^\s#}\]-])", block.text, flags=re.M):
        if item.strip():
            yield YAML(typ="safe", pure=True).load(item)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))
