"""The files of a search space as a ConfigMap, mounted where the steps look for them.

Not as artifacts of the Workflow: Argo would take double braces in them, such as those of request templates, for its own.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import InputError
from tuner.files import read_input
from tuner.space.digest import input_files
from tuner.space.document import Mapping, parse
from tuner.space.model import SearchSpace
from tuner.yaml.block import block
from tuner.yaml.scalars import key as key_text
from tuner.yaml.scalars import quoted

FOLDER = "/inputs"
_MOST_BYTES = 1_000_000
"""A ConfigMap takes 1 MiB, its names among it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    space: str
    """Path of the search space, in every step."""
    files: dict[str, bytes]
    """By path below the folder."""

    def config_map(self, name: str, namespace: str) -> str:
        """As YAML. What is text stays text, line by line, so that it can be read, and reviewed."""
        head = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace},
            "immutable": True,
        }
        texts, others = [], []
        for path, content in self.files.items():
            try:
                texts.append(_entry(_key(path), content.decode()))
            except UnicodeDecodeError:
                others.append(_entry(_key(path), base64.b64encode(content).decode()))
        found = block(head)
        found += "data:\n" + "".join(texts) if texts else ""
        return found + ("binaryData:\n" + "".join(others) if others else "")

    def named(self, name: str) -> str:
        """Other files are another ConfigMap, so that a run under way keeps its own."""
        return f"{name}-inputs-{self.digest}"

    def volume(self, name: str) -> dict[str, Any]:
        """Of the ConfigMap of that name."""
        items = [{"key": _key(path), "path": path} for path in self.files]
        return {"name": "inputs", "configMap": {"name": name, "items": items}}

    @property
    def digest(self) -> str:
        """Eight hex digits."""
        found = hashlib.sha256()
        for path, content in sorted(self.files.items()):
            found.update(f"{path}\0{len(content)}\0".encode() + content)
        return found.hexdigest()[:8]


def inputs(space: SearchSpace, imported: Sequence[Path] = ()) -> Inputs:
    """`imported`: files besides those that the search space names. Raises InputError for files that lie outside of its
    folder, and for too many bytes.
    """
    own = space.file.resolve()
    named = [*input_files(space), *((space.workload.tls.ca,) if space.workload.tls else ()), *imported]
    files: dict[str, bytes] = {}
    for path in [path for path in named if path is not None]:
        whole = path.resolve()
        if not whole.is_relative_to(own.parent):
            fix = "move it beside the search space: what is below that folder is taken along"
            raise InputError.at(path, "it lies outside of the search space's folder", fix)
        files[whole.relative_to(own.parent).as_posix()] = read_input(path)
    files[own.name] = _without_local(files[own.name])
    size = sum(map(len, files.values()))
    if size > _MOST_BYTES:
        fix = "make requests or traces smaller; or keep the study on a claim and use `tune run` there"
        raise InputError.at(space.file, f"its files take {size:,} bytes, and a ConfigMap {_MOST_BYTES:,} at most", fix)
    if space.workload.auth is not None and space.workload.auth.file is not None:
        fix = "give the token in a variable (auth: {bearer: {env: NAME}}), from a Secret with --secret"
        raise InputError.at(space.file, "its token is in a file, which does not travel", fix)
    return Inputs(space=f"{FOLDER}/{own.name}", files=files)


def _without_local(content: bytes) -> bytes:
    """A search space less how trials run as processes: the folder and the programs that it names do not travel."""
    root, _ = parse(content.decode("utf-8-sig"), "")
    lines = content.decode("utf-8-sig").splitlines(keepends=True)
    if not isinstance(root, Mapping) or "local" not in root:
        return content
    first = root.keys_at["local"].line - 1
    if not lines[first].startswith("local"):
        return content  # in braces, with other keys on its line
    after = [where.line - 1 for where in root.keys_at.values() if where.line - 1 > first]
    told = "# local: left out, for trials run on the cluster\n"
    return "".join([*lines[:first], told, *lines[min(after, default=len(lines)) :]]).encode()


def _key(path: str) -> str:
    """Of a ConfigMap; paths that differ have keys that do."""
    plain = re.sub(r"[^-._a-zA-Z0-9]", "-", path)
    return plain if plain == path else f"{hashlib.sha256(path.encode()).hexdigest()[:6]}-{plain}"


def _entry(key: str, text: str) -> str:
    """Of a block mapping: a literal block where that says exactly the text, else quoted."""
    lines = text.split("\n")
    literal = (
        text.endswith("\n")
        and not text.startswith((" ", "\n"))
        and all(line.isprintable() and line == line.rstrip() for line in lines)
        and lines[-2] != ""
    )
    if not literal:
        return f"  {key_text(key)}: {quoted(text)}\n"
    body = "".join(f"    {line}\n" if line else "\n" for line in lines[:-1])
    return f"  {key_text(key)}: |\n{body}"
