"""A selector as it stands in an object, as a query for the API (meta/v1 LabelSelector)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.manifests.kinds.model import mapping, mappings


def label_selector(selector: Mapping[str, Any]) -> str:
    labels = [f"{name}={value}" for name, value in mapping(selector, ("matchLabels",)).items()]
    return ",".join([*labels, *(_expression(entry) for _, entry in mappings(selector, ("matchExpressions",)))])


def _expression(entry: Mapping[str, Any]) -> str:
    key, values = entry.get("key"), ",".join(entry.get("values") or ())
    match entry.get("operator"):
        case "Exists":
            return str(key)
        case "DoesNotExist":
            return f"!{key}"
        case operator:
            return f"{key} {str(operator).lower()} ({values})"
