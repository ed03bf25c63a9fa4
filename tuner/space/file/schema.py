"""What comes out of the models besides reading: the JSON Schema for editors, and the documentation's key tables."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from ruamel.yaml import YAML

from tuner.space.file.mistakes import by_key, extra_of
from tuner.space.file.models import (
    BudgetKeys,
    ClusterKeys,
    Keys,
    LoadPodKeys,
    LocalKeys,
    ParameterKeys,
    PricesKeys,
    SpaceKeys,
    WorkloadKeys,
)

TABLES: dict[str, type[Keys]] = {
    "top level": SpaceKeys,
    "parameters": ParameterKeys,
    "workload": WorkloadKeys,
    "budget": BudgetKeys,
    "prices": PricesKeys,
    "local": LocalKeys,
    "cluster": ClusterKeys,
    "load generator": LoadPodKeys,
}
"""By the name in their marker, ``<!-- keys: local -->``."""


class _Generator(GenerateJsonSchema):
    """Keys that may be left out may not be empty: None is what is not in the file."""

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    default_schema = nullable_schema


def text() -> str:
    """The schema as it is written to a file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def json_schema() -> dict[str, Any]:
    """Of the search-space file, as JSON Schema 2020-12. It never refuses what `read` takes."""
    schema = SpaceKeys.model_json_schema(schema_generator=_Generator)
    return {"$schema": GenerateJsonSchema.schema_dialect, **_tidied(schema)}


def _tidied(schema: Any) -> Any:
    """Without titles that only repeat names of classes, and with examples in place of what `key` was told."""
    if isinstance(schema, list):
        return [_tidied(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {name: _tidied(value) for name, value in schema.items() if not (name == "title" and isinstance(value, str))}
    if "fix" in tidy:
        for name in ("required", "fix"):
            del tidy[name]
        default, example = tidy.pop("default"), tidy.pop("example")
        if default:
            tidy["description"] += f" (left out: {default})"
        if example:
            tidy["examples"] = [YAML(typ="safe", pure=True).load(example)]
    return tidy


def table(model: type[Keys]) -> str:
    """The keys of a model as a table in Markdown."""
    rows = ["| key | meaning | default |", "| --- | --- | --- |"]
    for key, field in by_key(model).items():
        default = "required" if field.is_required() else extra_of(field, "default")
        rows.append(re.sub(r"  +", " ", f"| `{key}` | {field.description} | {default} |"))
    return "\n".join(rows)


def with_tables(document: str) -> str:
    """The document with its key tables made anew between their markers."""
    return re.sub(
        r"(?<=<!-- keys: )([a-z ]+)( -->\n).*?(?=<!-- end -->)",
        lambda match: f"{match[1]}{match[2]}\n{table(TABLES[match[1]])}\n\n",
        document,
        flags=re.DOTALL,
    )
