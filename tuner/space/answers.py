"""Reads what of a workload says when an answer is correct: statuses, values at JSON paths, a JSON schema."""

from __future__ import annotations

import json
from pathlib import Path

from tuner.space.document import Mapping, Node, Scalar, Sequence
from tuner.space.fields import Fields, Report, is_whole, items
from tuner.space.json_path import parse_path
from tuner.space.model import CheckSpec, PathCheck

_CHECK = "write for example check: {status: 200, json: [{path: $.model, equals: iris}], schema: answer.json}"
_PATH = "write for example {path: $.outputs[0].data} or {path: $.model, equals: iris}"


def read_check(load: Fields, protocol: str | None, folder: Path) -> CheckSpec:
    """Of a workload's section."""
    section = load.section("check", _CHECK)
    if section is None:
        return CheckSpec()
    check = Fields(section, ("status", "json", "schema"), load.report)
    if "status" in check and protocol not in (None, "http"):
        fix = "remove status, or use protocol: http"
        load.report.add(check.where("status"), f"status: what is expected is the {protocol} protocol's own affair", fix)
    node = check.get("json")
    paths = [_path(item, load.report) for item in items(node)] if node is not None else []
    return CheckSpec(
        statuses=_statuses(check),
        paths=tuple(path for path in paths if path is not None),
        schema=check.path("schema", folder),
    )


def _statuses(check: Fields) -> tuple[int, ...]:
    node = check.get("status")
    found: list[int] = []
    for item in items(node) if node is not None else ():
        if isinstance(item, Scalar) and is_whole(item.value) and 200 <= item.value <= 599:
            found.append(item.value)
        else:
            fix = "write a status from 200 to 599, or a list of them, for example status: [200, 202]"
            check.report.add(item.where, f"status is {item}, not an HTTP status", fix)
    return tuple(dict.fromkeys(found))


def _path(node: Node, report: Report) -> PathCheck | None:
    if not isinstance(node, Mapping):
        report.add(node.where, f"a check of JSON is {node}, not a mapping", _PATH)
        return None
    fields = Fields(node, ("path", "equals"), report)
    path = fields.text("path", "$.outputs[0].data")
    if path is None:
        if "path" not in fields:
            fields.missing("path", _PATH)
        return None
    try:
        parse_path(path)
    except ValueError as error:
        report.refusal(fields.where("path"), "path", error)
        return None
    if "equals" not in fields:
        return PathCheck(path=path)
    try:
        return PathCheck(path=path, equals=json.dumps(_value(fields.entries["equals"]), allow_nan=False))
    except ValueError:
        fields.wrong(
            "equals", "a value that JSON has", "write a text, a number, true, false, null, a list or a mapping"
        )
        return None


def _value(node: Node) -> object:
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [_value(item) for item in node.items]
    return {key.text: _value(value) for key, value in node.entries}
