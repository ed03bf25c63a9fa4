"""One object of a manifest: its keys, its env values, its resources, and whether it is a right object of its kind."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from tuner.errors import Problem
from tuner.manifests.amounts import amount, not_meant
from tuner.manifests.check import fields
from tuner.yaml import scalars, tree
from tuner.yaml.tree import Path


def problems(file: str, document: tree.Document) -> Iterator[Problem]:
    """Every problem, each with its line."""
    return _Checked(file, document).problems()


class _Checked:
    """A value with a problem is not reported again by a later check."""

    def __init__(self, file: str, document: tree.Document) -> None:
        self.file, self.root = file, document.root
        self.reported: set[Path] = set()

    def problems(self) -> Iterator[Problem]:
        yield from self._duplicates()
        yield from self._merges()
        yield from self._not_finite()
        obj = tree.data(self.root)
        if not isinstance(obj, Mapping):
            yield self._problem((), "a document that is not an object", "write apiVersion, kind, metadata and spec")
            return
        yield from self._env_values()
        yield from self._amounts()
        missing = [name for name in ("apiVersion", "kind") if not (isinstance(obj.get(name), str) and obj[name])]
        for name in missing:
            fix = "say what the object is, for example apiVersion: apps/v1 and kind: Deployment"
            yield self._problem((), f"a document without {name}", fix)
        metadata = obj.get("metadata")
        if not missing and obj["kind"].endswith("List") and isinstance(obj.get("items"), list):
            yield self._problem(("kind",), f"a {obj['kind']} within a List", "write its items into the List itself")
            return
        if not missing and not (isinstance(metadata, Mapping) and metadata.get("name")):
            yield self._problem(("metadata",), f"{obj['kind']} without metadata.name", "give it a name")
        if not missing:
            yield from self._refusals(obj)
        yield from self._metadata(metadata)

    def _metadata(self, metadata: Any) -> Iterator[Problem]:
        """The name, the labels and the annotations, which are texts in every kind."""
        entries: list[tuple[tuple[str, ...], Any]] = []
        if isinstance(metadata, Mapping):
            entries.append((("metadata", "name"), metadata.get("name")))
            for section in ("labels", "annotations"):
                found = metadata.get(section)
                entries += (
                    [(("metadata", section, k), v) for k, v in found.items()] if isinstance(found, Mapping) else []
                )
        for path, value in entries:
            if isinstance(value, bool | int | float) and path not in self.reported:
                text = scalars.flow(value)
                fix = f"put it in quotes: {scalars.quoted(text)}"
                yield self._problem(path, f"{'.'.join(path)}: {text} is not text", fix)

    def _problem(self, path: Path, message: str, fix: str) -> Problem:
        self.reported.add(path)
        return self._at(tree.line(self.root, path), message, fix)

    def _at(self, line: int, message: str, fix: str) -> Problem:
        return Problem.at(self.file, message, fix, line=line)

    def _duplicates(self) -> Iterator[Problem]:
        for _, node in tree.walk(self.root):
            first: dict[str, int] = {}
            for key, _ in node.entries if isinstance(node, tree.MappingNode) else ():
                if tree.merges(key):
                    continue
                if key.text in first:
                    message = f"the key {key.text!r} stands already on line {first[key.text]}"
                    yield self._at(key.line, message, "remove one of the two (kubectl takes the last)")
                first.setdefault(key.text, key.line)

    def _merges(self) -> Iterator[Problem]:
        """Keys that a merge below them replaces, to kubectl alone: YAML has it that the keys written out count."""
        for _, node in tree.walk(self.root):
            above: dict[str, int] = {}
            for key, value in node.entries if isinstance(node, tree.MappingNode) else ():
                if not tree.merges(key):
                    above[key.text] = key.line
                    continue
                brought = {name for source in tree.merged(value) for name in tree.data(source)}
                for name in sorted(brought & above.keys()):
                    message = (
                        f"{name!r} stands above a merge that brings it too: kubectl takes the merge's, others do not"
                    )
                    yield self._at(above[name], message, "write << first, or write the keys out")

    def _not_finite(self) -> Iterator[Problem]:
        for path, node in tree.walk(self.root):
            if isinstance(node, tree.ScalarNode) and isinstance(node.value, float) and not math.isfinite(node.value):
                message = f"{node.text} is no number that Kubernetes takes"
                yield self._problem(path, message, f"write a number, or put it in quotes: {scalars.quoted(node.text)}")

    def _env_values(self) -> Iterator[Problem]:
        for path, node in tree.walk(self.root):
            if path[-1:] != ("env",) or not isinstance(node, tree.SequenceNode):
                continue
            for index, item in enumerate(node.items):
                value = tree.child(item, "value")
                if not isinstance(value, tree.ScalarNode) or isinstance(value.value, str | None):
                    continue
                if (*path, index, "value") not in self.reported:
                    name = tree.child(item, "name")
                    shown = name.text if isinstance(name, tree.ScalarNode) else index
                    read = "" if value.text == scalars.flow(value.value) else f", read as {scalars.flow(value.value)},"
                    message = f"env {shown}: {value.text}{read} is not text, and Kubernetes takes nothing else"
                    yield self._problem(
                        (*path, index, "value"), message, f"put it in quotes: {scalars.quoted(value.text)}"
                    )

    def _amounts(self) -> Iterator[Problem]:
        """What containers are given, wherever an object has them."""
        for path, node in tree.walk(self.root):
            if path[-2:-1] != ("resources",) or path[-1] not in ("limits", "requests") or path in self.reported:
                continue
            for key, value in node.entries if isinstance(node, tree.MappingNode) else ():
                if isinstance(value, tree.ScalarNode) and not tree.merges(key):
                    yield from self._amount((*path, key.text), key.text, value)

    def _amount(self, path: Path, resource: str, node: tree.ScalarNode) -> Iterator[Problem]:
        where = f"{path[-2]}.{resource}"
        if amount(node.value) is None:
            message = f"{where}: {node.text or 'nothing'} is not a quantity"
            fix = fields.FILL_IN if fields.is_placeholder(node.text) else "write a quantity such as 500m, 2 or 512Mi"
            yield self._problem(path, message, fix)
        elif (wrong := not_meant(resource, node.text)) is not None:
            yield self._problem(path, f"{where}: {wrong.message}", wrong.fix)

    def _refusals(self, obj: Mapping[str, Any]) -> Iterator[Problem]:
        try:
            refusals = fields.refusals(obj) or ()
        except fields.UnknownKind as error:
            yield self._problem(("kind",), error.message, error.fix)
            return
        for refusal in refusals:
            if refusal.path not in self.reported:
                yield self._problem(refusal.path, refusal.message, refusal.fix)
