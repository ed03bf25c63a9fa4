"""What an apply changes in an object that is live, as text, and the patch that takes it back.

Pure: takes objects as the API gives them. Which fields are ours is what the API server itself notes of them
(``metadata.managedFields``; Kubernetes documentation, "Server-Side Apply").
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from tuner.backends.kubernetes.client.api import FIELD_MANAGER
from tuner.manifests.kinds.model import at, mapping, mappings

Object = dict[str, Any]

_RESTORED_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")
_CONTROLLERS_OWN = "deployment.kubernetes.io/revision"
_MANAGER = re.compile(r'conflicts? with "([^"]+)"')
_FIELD = re.compile(r"^(?:- |.*: )(\.\S.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A field that another manager has set to another value."""

    manager: str
    field: str


def conflicts(message: str) -> tuple[Conflict, ...]:
    """Those of the API server's refusal (409) of a server-side apply."""
    found, manager = [], ""
    for line in message.splitlines():
        if match := _MANAGER.search(line):
            manager = match[1]
        if match := _FIELD.match(line):
            found.append(Conflict(manager=manager, field=match[1]))
    return tuple(found) or (Conflict(manager=manager or "another manager", field=message),)


def unified(live: Mapping[str, Any] | None, after: Mapping[str, Any], ignoring: Sequence[str] = ()) -> str:
    """A unified diff of the fields that we set, or set before; empty: none changes.

    `ignoring` are annotations of no interest; `after` is the answer to a (dry-run) server-side apply. What a Secret
    holds is not shown.
    """
    fields = _both(_ours(live or {}), _ours(after))
    old = _shown(live, fields, ignoring) if live is not None else None
    new = _shown(after, fields, ignoring)
    if after.get("kind") == "Secret":
        _hide(old or {}, new)
    name = f"{after.get('kind')} {at(after, ('metadata', 'name'))}"
    lines = difflib.unified_diff(
        _yaml(old).splitlines() if old is not None else [],
        _yaml(new).splitlines(),
        fromfile=f"{name} (live)" if live is not None else f"{name} (not there yet)",
        tofile=f"{name} (exported)",
        lineterm="",
    )
    return "".join(f"{line}\n" for line in lines)


def manifest(live: Mapping[str, Any]) -> str:
    """A live object as a document that can be applied again: without its status and what the API server adds."""
    metadata = mapping(live, ("metadata",))
    kept = {key: metadata[key] for key in ("name", "namespace", *_RESTORED_METADATA) if key in metadata}
    return _yaml({**live, "metadata": kept, "status": None}, without_none=True)


def back(now: Mapping[str, Any], before: Mapping[str, Any]) -> Object:
    """The merge patch (RFC 7396) that makes an object what it was; empty: it is that already.

    Status and what the API server and controllers keep in the metadata stay theirs.
    """
    patch = _merge(
        {k: v for k, v in now.items() if k != "metadata"}, {k: v for k, v in before.items() if k != "metadata"}
    )
    patch.pop("status", None)
    metadata = _merge(_own_metadata(now), _own_metadata(before))
    return {**patch, "metadata": metadata} if metadata else patch


def project(value: Any, fields: Mapping[str, Any]) -> Any:
    """The part of a value that a set of fields names, in the form of ``fieldsV1``."""
    inner = {key: sub for key, sub in fields.items() if key != "."}
    if not inner:
        return value
    if isinstance(value, Mapping):
        named = ((key[2:], sub) for key, sub in inner.items() if key.startswith("f:"))
        return {name: project(value[name], sub) for name, sub in named if name in value}
    if isinstance(value, list):
        found = [(item, _item_fields(item, inner)) for item in value]
        return [project(item, sub) for item, sub in found if sub is not None]
    return value


def _item_fields(item: Any, fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Which fields of a list's item are named; None: the item is not."""
    for key, sub in fields.items():
        if key.startswith("k:") and isinstance(item, Mapping):
            wanted = json.loads(key[2:])
            if all(item.get(name) == value for name, value in wanted.items()):
                return sub if isinstance(sub, Mapping) else {}
        elif key.startswith("v:") and json.loads(key[2:]) == item:
            return {}
    return None


def _ours(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    for _, entry in mappings(obj, ("metadata", "managedFields")):
        if (entry.get("manager"), entry.get("operation"), entry.get("subresource")) == (FIELD_MANAGER, "Apply", None):
            return mapping(entry, ("fieldsV1",))
    return {}


def _both(a: Mapping[str, Any], b: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: _both(a.get(key) or {}, b.get(key) or {}) for key in (*b, *(k for k in a if k not in b))}


def _shown(obj: Mapping[str, Any], fields: Mapping[str, Any], ignoring: Sequence[str]) -> Object:
    shown: Object = json.loads(json.dumps(project(obj, fields))) if fields else {}
    annotations = at(shown, ("metadata", "annotations"))
    if isinstance(annotations, dict):
        for name in ignoring:
            annotations.pop(name, None)
        if not annotations:
            del shown["metadata"]["annotations"]
    if not shown.get("metadata", True):
        del shown["metadata"]
    return shown


def _hide(old: Object, new: Object) -> None:
    for section in ("data", "stringData"):
        before, after = old.get(section) or {}, new.get(section) or {}
        for name in {*before, *after}:
            same = before.get(name) == after.get(name)
            for values, when in ((before, "before"), (after, "after")):
                if name in values:
                    values[name] = "***" if same else f"*** ({when})"


def _own_metadata(obj: Mapping[str, Any]) -> Object:
    metadata = {key: mapping(obj, ("metadata",)).get(key) for key in _RESTORED_METADATA}
    found = {key: value for key, value in metadata.items() if value is not None}
    if isinstance(found.get("annotations"), Mapping):
        found["annotations"] = {k: v for k, v in found["annotations"].items() if k != _CONTROLLERS_OWN}
    return found


def _merge(now: Mapping[str, Any], wanted: Mapping[str, Any]) -> Object:
    patch: Object = {key: None for key in now if key not in wanted}
    for key, value in wanted.items():
        there = now.get(key)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            inner = _merge(there, value)
            if inner:
                patch[key] = inner
        elif key not in now or value != there:
            patch[key] = value
    return patch


def _yaml(value: Any, *, without_none: bool = False) -> str:
    from ruamel.yaml import YAML

    if not value:
        return ""
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.width = 4096
    out = StringIO()
    writer.dump({k: v for k, v in value.items() if v is not None} if without_none else value, out)
    return out.getvalue()
