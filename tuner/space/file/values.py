"""What stands at a key, for pydantic: types that take a node of the tree and make a value of it, or say what is wrong.

Texts are taken as they are written (``007`` stays ``007``), numbers and truth values by what YAML makes of them. Each type
also says what an editor may know of it (JSON Schema); that is never narrower than what is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import InitErrorDetails, core_schema

from tuner.errors import Mistake
from tuner.space.document import Mapping, Node, Scalar, Sequence
from tuner.units import rate, ratio, seconds

LARGEST = 2**53
"""Whole numbers beyond it are not exact in JSON nor in a float."""
SCALAR = {"type": ["string", "number", "boolean"]}
_NUMBER = r"(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?"
_DURATION = rf"\s*(({_NUMBER}\s*(ns|us|µs|ms|s|m|h|d)\s*)+|0+\.?0*|\.0+)\s*$"
PAUSE_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "string", "pattern": f"^{_DURATION}"}, {"const": 0}]}
BOUND_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "string", "pattern": rf"^\s*([<>]=)?{_DURATION}"}, {"const": 0}]}
"""Of a metric in seconds."""
_PATH_SCHEMA = {"type": ["string", "number"]}


class Wrong(Mistake):
    """A mistake told with what only the file knows: ``{key}``, ``{found}`` there, ``{name}`` of the parameter, and the
    key's own ``{example}``."""

    def __init__(self, message: str, fix: str = "write for example {key}: {example}") -> None:
        super().__init__(message, fix)


@dataclass(frozen=True, slots=True)
class Beside:
    """Paths are relative to `folder`; `must_exist`: what they name has to be there."""

    folder: Path
    must_exist: bool = True


Located = list[tuple[tuple[str | int, ...], ValueError]]


def together(found: Located) -> ValidationError:
    """Several mistakes of one value as one, each with where it stands in there."""
    details = [InitErrorDetails(type="value_error", loc=loc, input=None, ctx={"error": error}) for loc, error in found]
    return ValidationError.from_exception_data("", details)


def mistake(error: ValueError) -> Mistake:
    """What a parser raised."""
    if isinstance(error, Mistake):
        return error
    message, _, fix = str(error).rpartition("; ")
    return Mistake(message or fix, fix if message else "correct it")


def items(node: Node) -> list[Node]:
    """A list's items, or the one value that stands in place of a list."""
    return node if isinstance(node, Sequence) else [node]


def finite(value: object) -> float | None:
    """The number a scalar holds; None when it is none, or not a finite one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def written(node: Node) -> str | None:
    """The text of a scalar; None where there is none."""
    return node.text if isinstance(node, Scalar) and node.value is not None and node.text else None


def text(node: Node) -> str:
    found = written(node)
    if found is None:
        raise Wrong("{key} is {found}, not a text")
    return found


def texts(node: Node) -> list[str] | None:
    """Of a list, or of the one text in place of it; None where one of them is no text."""
    found = [one for item in items(node) if (one := written(item)) is not None]
    return found if len(found) == len(items(node)) else None


def unit(parse: Callable[[str], float]) -> Callable[[Node], float]:
    """A value with a unit, read by one of the parsers of `tuner.units`."""

    def read(node: Node) -> float:
        if not isinstance(node, Scalar) or node.value is None:
            raise Wrong("{key} is {found}, not a value with a unit", "write it on the line of {key}")
        return parse(node.text)

    return read


def texts_by_name(node: Node, info: ValidationInfo) -> dict[str, str]:
    """A mapping of texts, such as environment variables; values as they are written in the file."""
    found: dict[str, str] = {}
    if not isinstance(node, Mapping):
        raise Wrong("{key} is {found}, not a mapping")
    wrong: Located = []
    for key, value in node.items():
        if isinstance(value, Scalar) and value.value is not None:
            found[key] = value.text
        else:
            message = f"{{key}} in {info.field_name} is {{found}}, not a text"
            wrong.append(((key,), Wrong(message, "write a text, in quotes")))
    if wrong:
        raise together(wrong)
    return found


def beside(info: ValidationInfo) -> Beside:
    return cast("Beside", info.context)


def _value(node: Node) -> object:
    return node.value if isinstance(node, Scalar) else node


def whole(node: Node, least: int, most: int = LARGEST) -> int | None:
    """The whole number a scalar holds; None when it is none, or beyond the ends."""
    value = _value(node)
    return value if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most else None


def _whole(least: int) -> BeforeValidator:
    def read(node: Node) -> int:
        found = whole(node, least)
        if found is None:
            raise Wrong(f"{{key}} is {{found}}, not a whole number of at least {least}")
        return found

    return BeforeValidator(read)


def _amount(node: Node) -> float:
    number = finite(_value(node))
    if number is None or number < 0:
        raise Wrong("{key} is {found}, not a number of at least 0")
    return number


def _word(node: Node) -> object:
    return node.text if isinstance(node, Scalar) else node


def _path(node: Node, info: ValidationInfo) -> Path:
    return beside(info).folder / text(node)


def _existing(kind: str) -> Callable[[Node, ValidationInfo], Path]:
    def read(node: Node, info: ValidationInfo) -> Path:
        path = _path(node, info)
        try:
            found = path.is_dir() if kind == "folder" else path.is_file()
        except OSError:
            found = False
        if beside(info).must_exist and not found:
            raise Mistake(f"there is no {kind} {text(node)!r}", f"create {path}, or correct the path")
        return path

    return read


existing_file = _existing("file")


def form(node: Node) -> str:
    return "<mapping>" if isinstance(node, Mapping) else "<value>"


@dataclass(frozen=True, slots=True)
class Several:
    """A list, or the one value in place of it. `expected`: what must be in it; None: it may be empty."""

    expected: str | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def read(node: Node) -> list[Node]:
            if self.expected is not None and not items(node):
                raise Wrong(f"{{key}} is {{found}}, not {self.expected}")
            return list(items(node))

        return core_schema.no_info_before_validator_function(read, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        array = dict(handler(schema))
        return {"anyOf": [array["items"], array | ({"minItems": 1} if self.expected else {})]}


V = TypeVar("V")
M = TypeVar("M")
Either = Annotated[Annotated[V, Tag("<value>")] | Annotated[M, Tag("<mapping>")], Discriminator(form)]
"""A plain value, or a mapping."""

Word = BeforeValidator(_word)
"""Of a Literal."""
Text = Annotated[str, BeforeValidator(text), WithJsonSchema(SCALAR)]
Texts = Annotated[
    dict[str, str], BeforeValidator(texts_by_name), WithJsonSchema({"type": "object", "additionalProperties": SCALAR})
]
Flag = Annotated[bool, BeforeValidator(_value)]
Natural = Annotated[int, Field(ge=0), _whole(0)]
Positive = Annotated[int, Field(ge=1), _whole(1)]
Amount = Annotated[float, Field(ge=0), BeforeValidator(_amount)]
Rate = Annotated[
    float,
    Field(gt=0),
    BeforeValidator(unit(rate)),
    WithJsonSchema({"type": ["string", "number"], "pattern": rf"^\s*{_NUMBER}\s*[kM]?\s*(/\s*(s|m|h))?\s*$"}),
]
Share = Annotated[
    float,
    Field(gt=0),
    BeforeValidator(unit(ratio)),
    WithJsonSchema({"type": ["string", "number"], "pattern": rf"^\s*{_NUMBER}\s*%?\s*$", "maximum": 1}),
]
Duration = Annotated[
    float,
    Field(gt=0),
    BeforeValidator(unit(seconds)),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION}"}),
]
Pause = Annotated[
    float,
    BeforeValidator(unit(seconds)),
    WithJsonSchema(PAUSE_SCHEMA),
]
"""A duration that may be 0."""
AnyPath = Annotated[Path, BeforeValidator(_path), WithJsonSchema(_PATH_SCHEMA)]
File = Annotated[Path, BeforeValidator(existing_file), WithJsonSchema(_PATH_SCHEMA)]
Folder = Annotated[Path, BeforeValidator(_existing("folder")), WithJsonSchema(_PATH_SCHEMA)]
