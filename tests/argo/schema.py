"""Argo's published definitions, where this checkout has them beside it: what they say is right, and what they do not know."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
import pytest
import yaml

from tests.repository.checkout import ROOT

_DEFINITIONS = ROOT.parent / "shared" / "crds"
_PLURALS = {"Workflow": "workflows", "WorkflowTemplate": "workflowtemplates", "CronWorkflow": "cronworkflows"}


@cache
def definition(kind: str) -> dict[str, Any]:
    """The schema of a kind's objects. Skips the test where it is not there."""
    file = _DEFINITIONS / f"{_PLURALS[kind]}.yaml"
    if not file.is_file():
        pytest.skip("Argo's published definitions are not beside this checkout")
    (version,) = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)["spec"]["versions"]
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return found


def specification(kind: str) -> dict[str, Any]:
    """Of what is in a ``spec``; a WorkflowTemplate has a Workflow's."""
    return dict(definition("Workflow" if kind == "WorkflowTemplate" else kind)["properties"]["spec"])


def problems(obj: dict[str, Any]) -> list[str]:
    """What the API server would refuse, or drop without a word."""
    schema = specification(obj["kind"])
    wrong = [f"{error.json_path}: {error.message}" for error in _validator_of(obj["kind"]).iter_errors(obj["spec"])]
    return [*wrong, *_unknown(obj["spec"], schema, "spec")]


@cache
def _validator_of(kind: str) -> Any:
    return jsonschema.Draft202012Validator(specification(kind))


def _unknown(value: Any, schema: dict[str, Any], where: str) -> Iterator[str]:
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(item, schema.get("items", {}), f"{where}[{index}]")
    elif isinstance(value, dict) and "properties" in schema:
        for name, item in value.items():
            if name in schema["properties"]:
                yield from _unknown(item, schema["properties"][name], f"{where}.{name}")
            elif "additionalProperties" not in schema:
                yield f"{where}.{name}: unknown"
