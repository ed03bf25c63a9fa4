"""What the user holds a correct answer to be, on top of what its protocol says: values at JSON paths, a JSON schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tuner.load.model import Protocol, Request
from tuner.load.protocols.json_body import shown
from tuner.printable import cut
from tuner.workload.answers import same_answer
from tuner.workload.json_path import JsonPath, parse_path

_LONGEST = 300


class Checked:
    """A protocol whose answers have to meet these conditions, too.

    `check` holds an answer against all of them. A schema takes far longer than the rest, a tenth of a millisecond and
    more: for whoever cannot wait, `check_paths` leaves it out and `check_schema` is that part alone.
    """

    def __init__(self, speaker: Protocol, conditions: str) -> None:
        """`conditions`: ``{"paths": [{"path": ..., "equals": ...}], "schema": {...}}`` as JSON, either of them or both.

        Without ``equals`` the path has to select something; with it, all that it selects has to be equal to that
        (numbers within a relative 1e-6). Raises ValueError for conditions that make no sense.
        """
        wanted: dict[str, Any] = json.loads(conditions)
        self.name = speaker.name
        self._speaker = speaker
        self._paths = [_path_condition(each) for each in wanted.get("paths", ())]
        self._schema = schema_condition(wanted["schema"]) if "schema" in wanted else None
        self.has_schema = self._schema is not None

    def encode(self, body: bytes) -> Request:
        return self._speaker.encode(body)

    def check(self, status: int, body: bytes) -> str | None:
        problem = self.check_paths(status, body)
        return problem if problem is not None else self.check_schema(body)

    def check_paths(self, status: int, body: bytes) -> str | None:
        """What the protocol and the paths say."""
        problem = self._speaker.check(status, body)
        if problem is not None:
            return problem
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as error:
            return f"the body is not JSON ({error})"
        return next((problem for holds in self._paths if (problem := holds(value)) is not None), None)

    def check_schema(self, body: bytes) -> str | None:
        """What the schema says of a body that is JSON."""
        return None if self._schema is None else self._schema(json.loads(body))

    def answer(self, body: bytes) -> object:
        return self._speaker.answer(body)


def _path_condition(wanted: Mapping[str, Any]) -> Callable[[object], str | None]:
    path = parse_path(wanted["path"])
    if "equals" not in wanted:
        return lambda value: None if path.select(value) else f"there is nothing at {path.text}"
    return lambda value: _unequal(path, path.select(value), wanted["equals"])


def _unequal(path: JsonPath, found: list[object], expected: object) -> str | None:
    if not found:
        return f"there is nothing at {path.text}, which must be {shown(expected)}"
    for value in found:
        if not same_answer(value, expected):
            return f"{path.text} is {shown(value)}, not {shown(expected)}"
    return None


def schema_condition(schema: object) -> Callable[[object], str | None]:
    """Says what of a value breaks the schema. Raises ValueError for what is no JSON schema.

    It is compiled once. References lead only to places within the schema: nothing is fetched.
    """
    # slow to import, and used only where there is a schema
    from jsonschema import Draft202012Validator, SchemaError  # type: ignore[import-untyped]
    from jsonschema.exceptions import best_match  # type: ignore[import-untyped]
    from jsonschema.validators import validator_for  # type: ignore[import-untyped]
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"not a JSON schema: {error.json_path}: {cut(error.message, _LONGEST)}") from None
    validator = kind(schema, registry=Registry())

    def problem(value: object) -> str | None:
        try:
            if validator.is_valid(value):
                return None
            error = best_match(validator.iter_errors(value))
        except Unresolvable as missing:
            return f"the schema refers to {missing.ref!r}, which is not in it"
        except RecursionError:
            return "the body is nested too deeply to be held against the schema"
        return f"the body breaks the schema at {error.json_path}: {cut(error.message, _LONGEST)}"

    return problem
