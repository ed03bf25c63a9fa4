"""A change as the part of its object that differs: the strategic merge patch of kubectl and kustomize.

Of the built-in kinds lists are merged by the keys that the API's definitions name (x-kubernetes-patch-merge-key), so
only what differs stands in the patch. Of custom resources neither knows such keys: every list that differs stands there
whole, and the patch is at the same time a merge patch (RFC 7386), which is what the API server takes for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.errors import Mistake
from tuner.manifests.export.changes import Change, identity
from tuner.yaml.nodes import Path
from tuner.yaml.splice import same

_OF_CONTAINERS = {"env": "name", "ports": "containerPort", "volumeMounts": "mountPath", "volumeDevices": "devicePath"}
_OF_PODS = {
    **dict.fromkeys(("containers", "initContainers", "ephemeralContainers", "volumes", "imagePullSecrets"), "name"),
    **dict.fromkeys(("resourceClaims", "schedulingGates"), "name"),
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
}


class Inexpressible(Mistake):
    """What a merge of this kind cannot make, and what can."""


def merge_patch(change: Change) -> dict[str, Any]:
    """The object's identity, and what differs. Raises Inexpressible."""
    patch = dict(identity(change))
    named = patch["metadata"]
    found = _mapping(change, change.before, change.after, ())
    patch["metadata"] = {**named, **found.pop("metadata", {})}
    return {**patch, **found}


def kind_of_merge(change: Change) -> str:
    """As ``kubectl patch --type`` calls it."""
    return "strategic" if change.is_built_in else "merge"


def _mapping(change: Change, before: Mapping[str, Any], after: Mapping[str, Any], path: Path) -> dict[str, Any]:
    gone = dict.fromkeys(name for name in before if name not in after)
    differing = {name: value for name, value in after.items() if name not in before or not same(before[name], value)}
    return {**gone, **{name: _value(change, before.get(name), new, (*path, name)) for name, new in differing.items()}}


def _value(change: Change, before: Any, after: Any, path: Path) -> Any:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return _mapping(change, before, after, path)
    key = merge_key(change, path)
    if isinstance(before, list) and isinstance(after, list) and key is not None:
        return _list(change, before, after, (path, key))
    return after


def _list(change: Change, before: list[Any], after: list[Any], merged: tuple[Path, str]) -> list[Any]:
    """The items that differ, each with its key."""
    path, key = merged
    old, new = _by_key(before, key), _by_key(after, key)
    where = f"{change} at {'.'.join(map(str, path))}"
    fix = "use --format json-patch, or kustomize, which takes a JSON patch there"
    if old is None or new is None or list(new)[: len(old)] != list(old):
        raise Inexpressible(f"{where}: its items have no {key} of their own to merge them by", fix)
    added = [name for name in new if name not in old]
    if key == "name" and path[-1] == "env" and (name := _referenced(added, after)) is not None:
        raise Inexpressible(f"{where}: $({name}) is used there, and a merge does not keep the order", fix)
    return [
        {key: name, **_mapping(change, old.get(name, {}), item, (*path, 0))}
        for name, item in new.items()
        if name not in old or not same(old[name], item)
    ]


def merge_key(change: Change, path: Path) -> str | None:
    """What the items of the list at `path` are merged by; None: the list is replaced."""
    if not change.is_built_in:
        return None
    names = [step for step in path if isinstance(step, str)]
    field, parent = names[-1], names[-2] if len(names) > 1 else ""
    if change.kind == "Service":
        return "port" if names == ["spec", "ports"] else None
    if parent in ("containers", "initContainers", "ephemeralContainers"):
        return _OF_CONTAINERS.get(field)
    return _OF_PODS.get(field) if parent == "spec" else None


def _by_key(items: list[Any], key: str) -> dict[Any, Any] | None:
    """None: some item has no key, or several have the same."""
    found = {item[key]: item for item in items if isinstance(item, Mapping) and item.get(key) is not None}
    return found if len(found) == len(items) else None


def _referenced(names: list[Any], env: list[Any]) -> str | None:
    """The first new variable that another one's value refers to."""
    values = [str(one.get("value", "")) for one in env]
    return next((str(name) for name in names if any(f"$({name})" in value for value in values)), None)
