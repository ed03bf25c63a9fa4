"""What is read in the kubernetes client's text, against its models themselves."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import warnings
from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.manifests.spaces import DEPLOYMENT
from tuner.manifests.check.fields import _SCALARS, _files, fields, refusals
from tuner.yaml.tree import load_all


@cache
def model(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(importlib.import_module("kubernetes.client.models"), name)


def test_every_field_of_every_model_is_read() -> None:
    assert len(_files()) > 700
    for name in _files():
        expected = {
            field.serialization_alias or key: not field.is_required() for key, field in model(name).model_fields.items()
        }
        assert {key: field.optional for key, field in fields(name).items()} == expected, name


def test_every_type_is_known() -> None:
    known = {*_files(), *_SCALARS, "List", "Dict", "str"}
    for name in _files():
        for field in fields(name).values():
            names = {node.id for node in ast.walk(field.type) if isinstance(node, ast.Name)}
            assert names <= known, f"{name}: {ast.unparse(field.type)}"


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(below for key, item in inner for below in paths(item, (*path, key)))]


BASE = load_all(DEPLOYMENT)[0]
VALUES = st.sampled_from([None, "x", "", 1, -1.5, True, [], {}, [1], ["x"], {"x": 1}, {"name": "x"}])
PLACES = st.sampled_from([path for path in paths(BASE) if path and path[0] == "spec"])
PROBES = ("livenessProbe", {"httpGet": {"port": [], "scheme": 1}}), ("securityContext", {"runAsUser": "0"})


@given(st.lists(st.tuples(PLACES, VALUES), max_size=3), st.sampled_from([None, *PROBES]))
def test_what_is_refused_is_what_the_models_refuse(changes: list[Any], added: tuple[str, Any] | None) -> None:
    obj: Any = load_all(DEPLOYMENT)[0]
    if added is not None:
        obj["spec"]["template"]["spec"]["containers"][0][added[0]] = added[1]
    for (*above, last), value in changes:
        place = obj
        try:
            for step in above:
                place = place[step]
            place[last] = value
        except (TypeError, KeyError, IndexError):
            continue
    found = {refusal.path for refusal in refusals(obj) or ()}
    expected = set()
    try:
        model("V1Deployment").model_validate(obj)
    except ValidationError as error:
        for detail in error.errors():
            path = detail["loc"]
            path = path[:-1] if path[-1] in ("int", "str") and path[-2] == "port" else path  # each of a union's members
            quantity = path[-2:-1] in (("limits",), ("requests",)) and type(detail["input"]) in (int, float)
            if not quantity:
                expected.add(path)
    assert found == expected


def test_the_client_is_not_imported() -> None:
    code = """
import sys, tuner.manifests.reader, tuner.manifests.check.knobs, tuner.manifests.render, tuner.manifests.survey
from tuner.manifests.check.fields import refusals
obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}}
assert [refusal.message for refusal in refusals(obj)] == ["the object lacks the field 'spec'"]
assert not [name for name in sys.modules if name.startswith(("kubernetes", "pydantic"))]
"""
    subprocess.run([sys.executable, "-c", code], check=True)
