"""The JSON Schema of the search-space file: current, never narrower than the reader, and of use."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tests.repository.checkout import ROOT
from tests.space.test_reader import BAD, CASES, EVERYTHING, EXAMPLE
from tuner.space.file.schema import TABLES, json_schema, text, with_tables

SPACES = sorted(path.read_text(encoding="utf-8") for path in ROOT.glob("**/space.yaml") if "bad" not in path.parts)
MORE = """\
name: iris
manifest: deployment.yaml
parameters: {workers: {choices: [1, "2"], set: [limits/cpu], when: {other: [1, 2]}}, other: {int: [1, 4], set: replicas}}
workload:
  protocol: http
  request: [{file: a.json, weight: 0.5, template: true}, b.json]
  WORKLOAD
slo: {throughput: 100, latency_p50: "<= 1m 3s", startup: 0}
objectives: {cost: minimize}
local: {command: python serve.py, env: {A: 1}}
"""
WORKLOADS = (
    "tls: true",
    "tls: {ca: ca.pem}",
    "duration: {least: 3s, most: 1m, within: 5%}",
    "shape: {steps: {rates: [1x, 2x], each: 10s}}",
    "shape: 'ramp:1x..2x,over=5s'",
    "shape: {trace: t.csv}",
    "check: {status: 200, json: {path: $.a, equals: null}}",
    "rate: 5\n  think: 0\n  warm_up: 500ms\n  port: 80\n  cv: 2",
    "auth: {bearer: {env: TOKEN}}",
)
BEYOND = {
    "condition-cycle", "contradicting-closed", "contradicting-rules", "contradicting-shape", "currency", "missing-model",
    "missing-trace", "rules-too-large", "same-target", "wrong-grpc-keys", "wrong-shape-compact", "wrong-trace",
}  # fmt: skip
"""What holds between keys, in other files and in languages of their own."""
NO_YAML = {"duplicate-keys", "not-utf8", "yaml-syntax", "yaml-tab", "yaml-two-documents"}


@pytest.fixture(scope="module")
def validator() -> Any:
    Draft202012Validator.check_schema(json_schema())
    return Draft202012Validator(json_schema())


def data(written: str) -> Any:
    return YAML(typ="safe", pure=True).load(written)


def test_the_schema_that_is_checked_in_is_current() -> None:
    assert (ROOT / "search_spaces" / "schema.json").read_text(encoding="utf-8") == text(), "run scripts/generate"


def test_the_key_tables_of_the_documentation_are_current() -> None:
    document = (ROOT / "docs" / "search-space.md").read_text(encoding="utf-8")
    assert [name for name in TABLES if f"<!-- keys: {name} -->" not in document] == []
    assert document == with_tables(document), "run scripts/generate"


def test_every_search_space_that_can_be_read_passes(validator: Any) -> None:
    assert len(SPACES) > 3
    for written in (*SPACES, EXAMPLE, EVERYTHING):
        assert list(validator.iter_errors(data(written))) == []


@pytest.mark.parametrize("keys", WORKLOADS)
def test_every_spelling_of_a_workload_passes(validator: Any, keys: str) -> None:
    assert list(validator.iter_errors(data(MORE.replace("WORKLOAD", keys)))) == []


@pytest.mark.parametrize("case", CASES)
def test_what_the_reader_refuses_is_refused_where_a_schema_can(validator: Any, case: str) -> None:
    try:
        written = data((BAD / case / "space.yaml").read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError):
        assert case in NO_YAML
        return
    assert validator.is_valid(written) == (case in BEYOND)


def test_an_editor_shows_what_a_key_means() -> None:
    keys = json_schema()["$defs"]["WorkloadKeys"]["properties"]
    assert keys["timeout"]["description"] == "a request not answered in this time is an error (left out: 5s)"
    assert all(key.get("description") for key in keys.values())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("workload", "timeout"), 5),
        (("slo", "latency_p99"), 100),
        (("slo", "latency_p98"), "100ms"),
        (("objectives", "cost"), "maximize"),
        (("workload", "banana"), 1),
        (("budget",), {"confirm": 1}),
        (("workload", "shape"), {"ramp": {"from": "1x", "to": "2x"}}),
    ],
)
def test_a_mistake_is_marked(validator: Any, path: tuple[str, ...], value: object) -> None:
    written = data(EXAMPLE)
    at = written
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    assert not validator.is_valid(written)
