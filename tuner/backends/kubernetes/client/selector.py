"""A selector as it stands in an object (meta/v1 LabelSelector): as a query for the API, and whom it selects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.manifests.kinds.model import mapping, mappings


def label_selector(selector: Mapping[str, Any]) -> str:
    labels = [f"{name}={value}" for name, value in mapping(selector, ("matchLabels",)).items()]
    return ",".join([*labels, *(_expression(entry) for _, entry in mappings(selector, ("matchExpressions",)))])


def selects(selector: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    """Whether something with these labels is selected. An empty selector selects everything."""
    wanted = mapping(selector, ("matchLabels",)).items()
    return all(labels.get(name) == value for name, value in wanted) and all(
        _holds(entry, labels) for _, entry in mappings(selector, ("matchExpressions",))
    )


def keys(selector: Mapping[str, Any]) -> frozenset[str]:
    """The labels that it looks at."""
    named = (str(entry.get("key")) for _, entry in mappings(selector, ("matchExpressions",)))
    return frozenset([*map(str, mapping(selector, ("matchLabels",))), *named])


def _holds(entry: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    key, values = str(entry.get("key")), entry.get("values") or ()
    match entry.get("operator"):
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False  # nothing that the API server would have taken


def _expression(entry: Mapping[str, Any]) -> str:
    key, values = entry.get("key"), ",".join(entry.get("values") or ())
    match entry.get("operator"):
        case "Exists":
            return str(key)
        case "DoesNotExist":
            return f"!{key}"
        case operator:
            return f"{key} {str(operator).lower()} ({values})"
