"""What stands at a key, for pydantic: types that take a node of the tree and make a value of it, or say what is wrong.

Texts are taken as they are written (``007`` stays ``007``), numbers and truth values by what YAML makes of them. Each
type also says what an editor may know of it (JSON Schema); that is never narrower than what is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeVar, cast, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import InitErrorDetails, core_schema

from tuner.errors import Mistake
from tuner.nearest import nearest
from tuner.space.document import Mapping, Node, Scalar, Sequence
from tuner.units import money, rate, ratio, seconds, span

LARGEST = 2**53
"""Whole numbers beyond it are not exact in JSON nor in a float."""
_NUMBER = r"(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?"
_DURATION = rf"\s*(({_NUMBER}\s*(ns|us|µs|ms|s|m|h|d)\s*)+|0+\.?0*|\.0+)\s*$"
ANYTHING: dict[str, Any] = {}
SCALAR = {"type": ["string", "number", "boolean"]}
SCALARS = {"anyOf": [SCALAR, {"type": "array", "items": SCALAR, "minItems": 1}]}
PAUSE = {"anyOf": [{"type": "string", "pattern": f"^{_DURATION}"}, {"const": 0}]}
BOUND = {"anyOf": [{"type": "string", "pattern": rf"^\s*([<>]=)?{_DURATION}"}, {"const": 0}]}
"""JSON Schema of a bound on a metric in seconds."""


class Wrong(Mistake):
    """A mistake told with what only the file knows: ``{key}``, what is ``{found}`` there, the ``{name}`` of the
    parameter, the key ``{above}``, and the key's own ``{example}``."""

    def __init__(self, message: str, fix: str = "write for example {key}: {example}") -> None:
        super().__init__(message, fix)


class Unfit(Wrong):
    """Of a value that is of the right kind, but will not do."""


class Whole(Mistake):
    """A mistake told as it is: its message says of what."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Paths are relative to `folder`; `must_exist`: what they name has to be there. The context of reading."""

    folder: Path
    must_exist: bool = True
    elsewhere: MappingOf[str, Path] = field(default_factory=dict)
    """Where paths lead that do not lead where they say, as written."""

    def __call__(self, written: str) -> Path:
        return self.elsewhere.get(str(Path(written)), self.folder / written)


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A value read by `read`, which returns None for what is not `expected` (or raises Mistake). `expected` with a
    ``{found}`` in it is the whole message."""

    read: Callable[[Node], Any]
    expected: str
    fix: str = "write for example {key}: {example}"
    schema: dict[str, Any] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def read(node: Node) -> Any:
            value = self.read(node)
            if value is None:
                is_whole = "{found}" in self.expected
                raise Wrong(self.expected if is_whole else f"{{key}} is {{found}}, not {self.expected}", self.fix)
            return value

        return core_schema.no_info_plain_validator_function(read)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return SCALAR if self.schema is None else self.schema


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


def each[K: str | int, T](nodes: Iterable[tuple[K, Node]], read: Callable[[K, Node], T]) -> list[T]:
    """What `read` makes of every node; all the mistakes it raises as one, each with its place."""
    found: list[T] = []
    wrong: list[tuple[tuple[K], Mistake]] = []
    for at, node in nodes:
        try:
            found.append(read(at, node))
        except Mistake as error:
            wrong.append(((at,), error))
    if wrong:
        raise located(wrong)
    return found


def located(found: Iterable[tuple[tuple[str | int, ...], Mistake]]) -> ValidationError:
    """Mistakes in one value as one, each with its place in there."""
    details = [InitErrorDetails(type="value_error", loc=loc, input=None, ctx={"error": error}) for loc, error in found]
    return ValidationError.from_exception_data("", details)


def items(node: Node) -> list[Node]:
    """A list's items, or the one value that stands in place of a list."""
    return node if isinstance(node, Sequence) else [node]


def value(node: Node) -> bool | int | float | str | None:
    return node.value if isinstance(node, Scalar) else None


def written(node: Node) -> str | None:
    """The text of a scalar; None where there is none."""
    return node.text if isinstance(node, Scalar) and node.value is not None and node.text else None


def texts(node: Node) -> list[str] | None:
    """Of a list, or of the one text in place of it; None where there is none, or something else among them."""
    found = [text for item in items(node) if (text := written(item)) is not None]
    return found if found and len(found) == len(items(node)) else None


def finite(node: Node, least: float = -math.inf) -> float | None:
    """The number a scalar holds; None when it is none, not a finite one, or too small."""
    found = value(node)
    try:
        number = float(found) if isinstance(found, int | float) and not isinstance(found, bool) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= least else None


def whole(node: Node, least: int, most: int = LARGEST) -> int | None:
    """The whole number a scalar holds; None when it is none, or beyond the ends."""
    found = value(node)
    return found if isinstance(found, int) and not isinstance(found, bool) and least <= found <= most else None


def of_form(pattern: str, expected: str, fix: str) -> Leaf:
    """A text of a form."""
    schema = {"type": "string", "pattern": f"^{pattern}$"}
    return Leaf(
        lambda node: node_text if re.fullmatch(pattern, node_text := text(node)) else None, expected, fix, schema
    )


def text(node: Node) -> str:
    found = written(node)
    if found is None:
        raise Wrong("{key} is {found}, not a text")
    return found


def one_of(literal: Any) -> Leaf:
    """A word of a Literal."""
    words = get_args(literal)
    all_words = ", ".join(words)

    def read(node: Node) -> str:
        if isinstance(node, Scalar) and node.text in words:
            return node.text
        advice = nearest(node.text, words) if isinstance(node, Scalar) else f"use one of: {all_words}"
        raise Wrong(f"{{key}} is {{found}}, not one of {all_words}", advice)

    return Leaf(read, "", schema={"enum": list(words)})


def _counted(least: int) -> Leaf:
    schema = {"type": "integer", "minimum": least}
    return Leaf(lambda node: whole(node, least), f"a whole number of at least {least}", schema=schema)


def _unit(parse: Callable[[str], float], schema: dict[str, Any], *, above_zero: bool = True) -> Leaf:
    """A value with a unit, read by one of the parsers of `tuner.units`."""

    def read(node: Node) -> float | None:
        if value(node) is None:
            return None
        number = parse(cast("Scalar", node).text)
        if above_zero and number <= 0:
            raise Unfit("{key} is {found}, not above 0", "write a greater value, or leave the key out for the default")
        return number

    return Leaf(read, "a value with a unit", "write it on the line of {key}", schema)


def _as_written(node: Node) -> str | None:
    """Of a scalar, which may be empty in quotes."""
    return node.text if isinstance(node, Scalar) and node.value is not None else None


def truth(node: Node) -> bool | None:
    found = value(node)
    return found if isinstance(found, bool) else None


def beside(info: ValidationInfo) -> Beside:
    return cast("Beside", info.context)


def _path(node: Node, info: ValidationInfo) -> Path:
    found = written(node)
    if found is None:
        fix = "write for example {key}: a path relative to the search space file"
        raise Wrong("{key} is {found}, not a text", fix)
    return beside(info)(found)


def existing(node: Node, info: ValidationInfo, is_kind: Callable[[Path], bool] = Path.is_file) -> Path:
    path, kind = _path(node, info), "folder" if is_kind == Path.is_dir else "file"
    try:
        found = is_kind(path)
    except OSError:
        found = False
    if beside(info).must_exist and not found:
        raise Mistake(f"there is no {kind} {text(node)!r}", f"create {path}, or correct the path")
    return path


V = TypeVar("V")
M = TypeVar("M")
Either = Annotated[
    Annotated[V, Tag("<value>")] | Annotated[M, Tag("<mapping>")],
    Discriminator(lambda node: "<mapping>" if isinstance(node, Mapping) else "<value>"),
]
"""A plain value, or a mapping."""

Text = Annotated[str, Leaf(text, "")]
_OWN = Leaf(_as_written, "{key} in {above} is {found}, not a text", "write a text, in quotes")
Texts = Annotated[dict[str, Annotated[str, _OWN]], AfterValidator(MappingProxyType)]
"""Such as environment variables."""
Flag = Annotated[bool, Leaf(truth, "true or false", "write {key}: true or {key}: false", {"type": "boolean"})]
Natural = Annotated[int, _counted(0)]
Positive = Annotated[int, _counted(1)]
_AMOUNT = {"type": "number", "minimum": 0}
Amount = Annotated[float, Leaf(lambda node: finite(node, 0), "a number of at least 0", schema=_AMOUNT)]
Rate = Annotated[
    float, _unit(rate, {"type": ["string", "number"], "pattern": rf"^\s*{_NUMBER}\s*[kM]?\s*(/\s*(s|m|h))?\s*$"})
]
Share = Annotated[
    float, _unit(ratio, {"type": ["string", "number"], "pattern": rf"^\s*{_NUMBER}\s*%?\s*$", "maximum": 1})
]
Duration = Annotated[float, _unit(seconds, {"type": "string", "pattern": f"^{_DURATION}"})]
Span = Annotated[float, _unit(span, {"type": "string", "pattern": f"^{_DURATION}"})]
"""What a study may take."""
Sum = Annotated[
    float,
    _unit(
        lambda text: money(text)[0],
        {"type": ["string", "number"], "pattern": rf"^\s*{_NUMBER}\s*([A-Z]{{3}})?\s*$"},
    ),
]
Pause = Annotated[float, _unit(seconds, PAUSE, above_zero=False)]
"""A duration that may be 0."""
_PATH = WithJsonSchema({"type": ["string", "number"]})
AnyPath = Annotated[Path, BeforeValidator(_path), _PATH]
File = Annotated[Path, BeforeValidator(existing), _PATH]
Folder = Annotated[Path, BeforeValidator(partial(existing, is_kind=Path.is_dir)), _PATH]
