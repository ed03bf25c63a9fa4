"""Frozen dataclasses to plain JSON values and back, exactly, derived from their annotations (by cattrs).

A dataclass becomes an object of its fields; where an annotation allows several dataclasses, ``"is"`` holds the class's
name. Tuples become lists, mappings objects, datetimes ISO 8601 text. What JSON cannot hold exactly (NaN, infinities,
values of another type than annotated) is refused: nothing is ever written that would read back as something else.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from cattrs import BaseValidationError, Converter, ForbiddenExtraKeysError
from cattrs.cols import list_structure_factory, mapping_structure_factory
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

_TAG = "is"

_Hook = Callable[[Any, Any], Any]
"""Makes of plain data the value of a hint."""


class CodecError(ValueError):
    """A value that its annotation does not allow, or that JSON cannot hold exactly. Says where and which."""


def encode(value: Any) -> dict[str, Any]:
    """A dataclass instance as plain JSON values. Raises CodecError."""
    kind: Any = type(value)
    try:
        encoded: dict[str, Any] = _converter.unstructure(value)
    except (AttributeError, TypeError) as error:
        raise CodecError(f"{value!r} is not as annotated: {error}") from None
    if decode(kind, encoded) != value:
        raise CodecError(f"{value!r} would not read back as it is")
    return encoded


def decode[T](kind: type[T], data: Any) -> T:
    """The instance of dataclass `kind` that `encode` made `data` of. Raises CodecError."""
    try:
        decoded: T = _converter.structure(data, kind)
    except (BaseValidationError, CodecError) as error:
        raise CodecError(_in_words(error)) from None
    return decoded


def _in_words(error: Exception) -> str:
    """The first mistake, after the names and indices that lead to it: ``outcome: broken: 0: ...``."""
    match error:
        case BaseValidationError():
            first = error.exceptions[0]
            note = next(iter(getattr(first, "__notes__", ())), None)
            place = getattr(note, "name", getattr(note, "index", None))
            return _in_words(first) if place is None else f"{place}: {_in_words(first)}"
        case ForbiddenExtraKeysError():
            return f"a {error.cl.__name__} has no {', '.join(sorted(error.extra_fields))}"
        case KeyError():
            return "is missing"
    return str(error)


def _only(kind: type, then: _Hook, name: str = "") -> _Hook:
    """cattrs converts whatever it is given; here only what has the right type already is taken."""

    def read(data: Any, hint: Any) -> Any:
        if kind is int and isinstance(data, bool):
            raise CodecError(f"{data!r} is not a whole number")
        if not isinstance(data, kind):
            raise CodecError(f"{data!r} is not a {name or kind.__name__}")
        return then(data, hint)

    return read


def _same(value: Any, _: Any) -> Any:
    return value


def _finite(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CodecError(f"{value!r} is not a finite number")
    return float(value)


def _one_of(value: Any, literal: Any) -> Any:
    if value not in get_args(literal):
        raise CodecError(f"{value!r} is none of {', '.join(map(repr, get_args(literal)))}")
    return value


def _plain(value: Any, union: Any) -> Any:
    """The value as the kind that is exactly its own; else as a float."""
    return _converter.structure(value, type(value) if type(value) in get_args(union) else float)


def _tagged(value: Any) -> dict[str, Any]:
    return {_TAG: type(value).__name__, **_converter.unstructure(value)}


def _untagged(data: Any, union: Any) -> Any:
    by_name = {kind.__name__: kind for kind in get_args(union)}
    if data.get(_TAG) not in by_name:
        raise CodecError(f"{data.get(_TAG)!r} is none of {', '.join(by_name)}")
    return _converter.structure({key: part for key, part in data.items() if key != _TAG}, by_name[data[_TAG]])


def _tuple(hint: Any) -> _Hook:
    read = list_structure_factory(hint, _converter)
    return _only(list, lambda data, hint: tuple(read(data, hint)))


def _dataclass(kind: type) -> _Hook:
    return _only(dict, make_dict_structure_fn(kind, _converter, _cattrs_forbid_extra_keys=True), kind.__name__)


def _written(kind: type) -> Callable[[Any], Any]:
    """Fields marked ``sparse``, which most instances have their default in, are written only where they differ."""
    sparse: dict[str, Any] = {
        field.name: override(omit_if_default=True) for field in dataclasses.fields(kind) if field.metadata.get("sparse")
    }
    return make_dict_unstructure_fn(kind, _converter, **sparse)


def _mapping(hint: Any) -> _Hook:
    return _only(dict, mapping_structure_factory(hint, _converter, structure_to=MappingProxyType))


def _is(origin: Any) -> Callable[[Any], bool]:
    return lambda hint: get_origin(hint) is origin


def _unites(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Whether a hint is a union of such types alone."""
    return lambda hint: get_origin(hint) in (Union, UnionType) and all(map(holds, get_args(hint)))


_converter = Converter(unstruct_collection_overrides={tuple: list})
for _kind in (bool, int, str):
    _converter.register_structure_hook(_kind, _only(_kind, _same))
_converter.register_structure_hook(float, _finite)
_converter.register_structure_hook(datetime, _only(str, lambda text, _: datetime.fromisoformat(text)))
_converter.register_structure_hook_func(_is(Literal), _one_of)
_converter.register_structure_hook_func(_unites(lambda kind: kind in (bool, int, float, str)), _plain)
_converter.register_structure_hook_func(_unites(dataclasses.is_dataclass), _untagged)
_converter.register_structure_hook_factory(dataclasses.is_dataclass, _dataclass)
_converter.register_unstructure_hook_factory(dataclasses.is_dataclass, _written)
_converter.register_structure_hook_factory(lambda hint: _is(tuple)(hint) and get_args(hint)[-1] is Ellipsis, _tuple)
_converter.register_structure_hook_factory(_is(Mapping), _mapping)
_converter.register_unstructure_hook(float, lambda value: float(value) if type(value) is int else value)
_converter.register_unstructure_hook(datetime, datetime.isoformat)
_converter.register_unstructure_hook_func(_unites(dataclasses.is_dataclass), _tagged)
