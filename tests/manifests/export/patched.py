"""The merges of the standards, as a judge of patches: RFC 6902, RFC 7386 and Kubernetes' strategic one."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

MERGED_BY = {
    **dict.fromkeys(("containers", "initContainers", "env", "volumes", "imagePullSecrets"), "name"),
    "volumeMounts": "mountPath",
    "topologySpreadConstraints": "topologyKey",
}


class GuardFailed(Exception):
    pass


def by_operations(obj: Any, operations: list[dict[str, Any]]) -> Any:
    """RFC 6902: test, add, replace and remove."""
    whole = {"": deepcopy(obj)}
    for operation in operations:
        steps = ["", *(step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:])]
        parent: Any = whole
        for step in steps[:-1]:
            parent = parent[int(step) if isinstance(parent, list) else step]
        last: Any = steps[-1]
        if isinstance(parent, list) and last != "-":
            last = int(last)
            assert last < len(parent)
        match operation["op"]:
            case "test":
                if parent[last] != operation["value"]:
                    raise GuardFailed(operation)
            case "add" if isinstance(parent, list):
                parent.insert(len(parent) if last == "-" else last, operation["value"])
            case "add":
                assert last not in parent, "a knob is added only where there is none"
                parent[last] = operation["value"]
            case "replace":
                assert isinstance(parent, list) or last in parent, "the standard asks for a value to replace"
                parent[last] = operation["value"]
            case "remove":
                del parent[last]
    return whole[""]


def by_merge(obj: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(obj) if isinstance(obj, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = by_merge(merged.get(name), value)
    return merged


def by_strategy(obj: Any, patch: Any, field: str = "", parent: str = "") -> Any:
    """As the API server merges a built-in kind: lists by their keys, where they have one."""
    key = MERGED_BY.get(field) or (
        {"Service": "port"}.get(parent, "containerPort")
        if field == "ports" and parent in ("Service", "containers")
        else None
    )
    if isinstance(obj, list) and isinstance(patch, list) and key is not None:
        merged = list(obj)
        for item in patch:
            at = next((n for n, one in enumerate(merged) if one[key] == item[key]), None)
            if at is None:
                merged.append(item)
            else:
                merged[at] = by_strategy(merged[at], item, parent=field)
        return merged
    if not isinstance(patch, dict) or not isinstance(obj, dict):
        return patch
    out = dict(obj)
    for name, value in patch.items():
        within = parent or (str(obj.get("kind")) if obj.get("kind") == "Service" else "")
        if value is None:
            out.pop(name, None)
        else:
            out[name] = by_strategy(out.get(name), value, name, within)
    return out
