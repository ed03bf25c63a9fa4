"""The objects of a manifest's text, as kubectl takes them: a List's items are objects like all others."""

from __future__ import annotations

from typing import Any

from tuner.yaml import tree
from tuner.yaml.tree import Document, MappingNode, ScalarNode, SequenceNode


def documents(text: str) -> tuple[Document, ...]:
    """A document an object, in the text's order. Raises Malformed."""
    return tuple(one for document in tree.parse(text) for one in _items(document))


def load_all(text: str) -> tuple[Any, ...]:
    """Every object as plain data. Raises Malformed."""
    return tuple(tree.data(document.root) for document in documents(text))


def _items(document: Document) -> tuple[Document, ...]:
    """Those of a ``List``, a ``DeploymentList`` and the like; else the document itself."""
    kind, items = tree.child(document.root, "kind"), tree.child(document.root, "items")
    is_list = isinstance(kind, ScalarNode) and kind.text.endswith("List") and isinstance(document.root, MappingNode)
    if not (is_list and isinstance(items, SequenceNode)):
        return (document,)
    return tuple(Document(root=item, aliased=document.aliased, json=document.json) for item in items.items)
