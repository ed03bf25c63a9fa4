"""Frozen dataclasses to plain JSON values and back, exactly, derived from their annotations.

A dataclass becomes an object of its fields; where an annotation allows several dataclasses, ``"is"`` holds the class's
name. Tuples become lists, mappings objects, datetimes ISO 8601 text. What JSON cannot hold exactly (NaN, infinities,
values of another type than annotated) is refused: nothing is ever written that would read back as something else.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_TAG = "is"

Encoder = Callable[[Any], Any]
Decoder = Callable[[Any], Any]


class CodecError(ValueError):
    """A value that its annotation does not allow, or that JSON cannot hold exactly. Says where and which."""


def encode(value: Any) -> dict[str, Any]:
    """A dataclass instance as plain JSON values. Raises CodecError."""
    kind: Any = type(value)
    encoded: dict[str, Any] = _codec(kind)[0](value)
    return encoded


def decode[T](kind: type[T], data: Any) -> T:
    """The instance of dataclass `kind` that `encode` made `data` of. Raises CodecError."""
    hint: Any = kind
    decoded: T = _codec(hint)[1](data)
    return decoded


@cache
def _codec(hint: Any) -> tuple[Encoder, Decoder]:
    """The two functions for one annotation, made once."""
    origin, arguments = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _dataclass(hint)
    if origin in (Union, UnionType):
        return _union(arguments)
    if origin is Literal:
        return _literal(arguments)
    if origin is tuple:
        return _tuple(arguments)
    if origin is Mapping:
        return _mapping(arguments)
    if hint is datetime:
        return _expect(datetime, datetime.isoformat), _expect(str, datetime.fromisoformat)
    if hint is float:
        return _finite, _finite
    if hint in (bool, int, str, NoneType):
        return _expect(hint, hint if hint is not NoneType else _same), _expect(hint, _same)
    if hint is Any:
        return _same, _same
    raise CodecError(f"no way to write {hint!r} as JSON")


def _dataclass(kind: type) -> tuple[Encoder, Decoder]:
    hints = get_type_hints(kind)
    fields = {field.name: _codec(hints[field.name]) for field in dataclasses.fields(kind)}

    def encode_fields(value: Any) -> dict[str, Any]:
        if type(value) is not kind:
            raise CodecError(f"{value!r} is not a {kind.__name__}")
        return {name: _at(name, write, getattr(value, name)) for name, (write, _) in fields.items()}

    def decode_fields(data: Any) -> Any:
        if not isinstance(data, dict):
            raise CodecError(f"{data!r} is not a {kind.__name__}")
        if unknown := data.keys() - fields.keys():
            raise CodecError(f"a {kind.__name__} has no {', '.join(sorted(unknown))}")
        try:
            return kind(**{name: _at(name, fields[name][1], part) for name, part in data.items()})
        except TypeError as error:
            raise CodecError(str(error)) from None

    return encode_fields, decode_fields


def _union(arguments: tuple[Any, ...]) -> tuple[Encoder, Decoder]:
    classes: list[Any] = [kind for kind in arguments if dataclasses.is_dataclass(kind)]
    by_name = {kind.__name__: kind for kind in classes}
    others = [kind for kind in arguments if kind not in classes]
    tagged = len(classes) > 1

    def write(value: Any) -> Any:
        kind: Any = type(value)
        if kind not in classes:
            return _first(others, 0, value)
        data = _codec(kind)[0](value)
        return {_TAG: kind.__name__, **data} if tagged else data

    def read(data: Any) -> Any:
        if not classes or not isinstance(data, dict):
            return _first(others, 1, data)
        if not tagged:
            return _codec(classes[0])[1](data)
        kind = by_name.get(data.get(_TAG))
        if kind is None:
            raise CodecError(f"{data.get(_TAG)!r} is none of {', '.join(by_name)}")
        return _codec(kind)[1]({name: part for name, part in data.items() if name != _TAG})

    return write, read


def _first(kinds: list[Any], side: int, value: Any) -> Any:
    """The value as the kind that is exactly its own; else as the first kind that takes it."""
    for kind in sorted(kinds, key=lambda kind: kind is not type(value)):
        try:
            return _codec(kind)[side](value)
        except CodecError:
            continue
    raise CodecError(f"{value!r} is none of {', '.join(getattr(kind, '__name__', str(kind)) for kind in kinds)}")


def _literal(allowed: tuple[Any, ...]) -> tuple[Encoder, Decoder]:
    def check(value: Any) -> Any:
        if value not in allowed:
            raise CodecError(f"{value!r} is none of {', '.join(map(repr, allowed))}")
        return value

    return check, check


def _tuple(arguments: tuple[Any, ...]) -> tuple[Encoder, Decoder]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        write_one, read_one = _codec(arguments[0])

        def write_all(value: Any) -> list[Any]:
            return [_at(index, write_one, part) for index, part in enumerate(_of(tuple, value))]

        def read_all(data: Any) -> tuple[Any, ...]:
            return tuple(_at(index, read_one, part) for index, part in enumerate(_of(list, data)))

        return write_all, read_all

    parts = [_codec(argument) for argument in arguments]

    def write_each(value: Any) -> list[Any]:
        return [_at(index, write, part) for index, ((write, _), part) in enumerate(_pairs(parts, _of(tuple, value)))]

    def read_each(data: Any) -> tuple[Any, ...]:
        return tuple(_at(index, read, part) for index, ((_, read), part) in enumerate(_pairs(parts, _of(list, data))))

    return write_each, read_each


def _pairs(parts: list[tuple[Encoder, Decoder]], values: Any) -> list[tuple[tuple[Encoder, Decoder], Any]]:
    if len(parts) != len(values):
        raise CodecError(f"{values!r} has {len(values)} parts, not {len(parts)}")
    return list(zip(parts, values, strict=True))


def _mapping(arguments: tuple[Any, ...]) -> tuple[Encoder, Decoder]:
    write_one, read_one = _codec(arguments[1])

    def write(value: Any) -> dict[str, Any]:
        return {_of(str, name): _at(name, write_one, part) for name, part in _of(Mapping, value).items()}

    def read(data: Any) -> Mapping[str, Any]:
        return MappingProxyType({name: _at(name, read_one, part) for name, part in _of(dict, data).items()})

    return write, read


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CodecError(f"{value!r} is not a finite number")
    return float(value)


def _expect(kind: Any, then: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if kind is int and isinstance(value, bool):
            raise CodecError(f"{value!r} is not a whole number")
        return then(_of(kind, value))

    return check


def _of(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind):
        raise CodecError(f"{value!r} is not a {kind.__name__}")
    return value


def _same(value: Any) -> Any:
    return value


def _at(place: object, convert: Callable[[Any], Any], value: Any) -> Any:
    try:
        return convert(value)
    except CodecError as error:
        raise CodecError(f"{place}: {error}") from None
