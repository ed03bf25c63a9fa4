"""When two answers are the same: what a configuration may not change, and what no two answers have in common."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import combinations

from tuner.printable import cut
from tuner.workload.json_path import JsonPath, Place, spelled

RELATIVE_TOLERANCE = 1e-6
ABSOLUTE_TOLERANCE = 1e-9
"""Numbers next to zero (a class's probability of 1e-17) differ between thread counts by rounding alone."""
_NOT_FINITE = frozenset({"nan", "inf", "infinity"})
"""How servers write them that know they are no JSON, in lower case and without a sign."""
_DAY_S = 86400.0
_NOW_S = 2 * _DAY_S
_SINCE_S = 3650 * _DAY_S
_LARGEST = 1e20
"""Beyond any time, in nanoseconds."""
_SHOWN = 80

LeftOut = Mapping[str | int, "LeftOut"]
"""Places that are not compared, as a tree of their keys: an empty one at its end leaves out all from there on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    place: Place
    text: str
    not_finite: bool = False
    """NaN or an infinity stands where the other has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """By how much numbers may differ: by either of both."""

    relative: float = RELATIVE_TOLERANCE
    absolute: float = ABSOLUTE_TOLERANCE


UNDER_LOAD = Tolerance(relative=1e-2, absolute=1e-4)
"""What is computed in batches of changing size, in 16-bit numbers perhaps, is rounded otherwise each time."""
_USUAL = Tolerance()


def same_answer(a: object, b: object) -> bool:
    """Equal structure and equal values; numbers within a relative 1e-6 (or an absolute 1e-9), NaN equal to NaN."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same_answer(value, b[key]) for key, value in a.items())
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same_answer(x, y) for x, y in zip(a, b, strict=True))
    if _is_number(a) and _is_number(b):
        return _same_number(a, b, _USUAL)  # type: ignore[arg-type]
    return type(a) is type(b) and a == b


def difference(
    expected: object, found: object, left_out: LeftOut | None = None, tolerance: Tolerance = _USUAL, at: Place = ()
) -> Difference | None:
    """The first difference of an answer from the one that is expected; None: there is none.

    Numbers are equal within `tolerance`, NaN equals NaN, and two times of which the one found is about now are equal.
    What is `left_out` is not compared, but for NaN and infinities, where what is expected holds none.
    """
    if left_out is not None and not left_out:
        place = next(_not_finite(found), None) if _is_finite(expected) else None
        return None if place is None else _infinite(expected, found, at, place)
    if isinstance(expected, dict) and isinstance(found, dict):
        for key, value in expected.items():
            below = left_out.get(key) if left_out is not None else None
            if key not in found:
                if below is None or below:
                    return Difference(place=(*at, key), text=f"{spelled((*at, key))} is missing")
                continue
            different = difference(value, found[key], below, tolerance, (*at, key))
            if different is not None:
                return different
        if len(found) > len(expected) or found.keys() - expected.keys():
            for key, value in found.items():
                below = left_out.get(key) if left_out is not None else None
                if key not in expected and (below is None or below):
                    text = f"{spelled((*at, key))} is {_shown(value)}, and was not there before"
                    return Difference(place=(*at, key), text=text)
        return None
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            text = f"{spelled(at)} has {len(found)} items, not {len(expected)}"
            return Difference(place=at, text=text)
        for index, (a, b) in enumerate(zip(expected, found, strict=True)):
            if a is b or (left_out is None and a == b and type(a) is type(b) and not isinstance(a, dict | list)):
                continue
            below = left_out.get(index) if left_out is not None else None
            different = difference(a, b, below, tolerance, (*at, index))
            if different is not None:
                return different
        return None
    if _is_number(expected) and _is_number(found):
        if _same_number(expected, found, tolerance):  # type: ignore[arg-type]
            return None
        if _is_finite(expected) and not _is_finite(found):
            return _infinite(expected, found, at, ())
    elif type(expected) is type(found) and expected == found:
        return None
    if _is_now(expected, found):
        return None
    text = f"{spelled(at)} is {_shown(found)}, not {_shown(expected)}"
    is_number = _is_number(expected) and isinstance(found, str) and found.strip("+-").lower() in _NOT_FINITE
    return Difference(place=at, text=text, not_finite=is_number)


def varying(answers: Sequence[object]) -> tuple[Place, ...]:
    """Where right answers to one request differ among themselves: what to leave out of a comparison with any other.

    A list whose length differs, or of which all is plain values that differ, is left out as a whole.
    """
    found: dict[Place, None] = {}
    for a, b in combinations(answers, 2):
        found.update(dict.fromkeys(_differing(a, b, ())))
    return tuple(found)


def clocks(answer: object) -> tuple[Place, ...]:
    """Where times stand that are about now: a clock that shows seconds or days is the same in answers that follow at
    once, and not in those of an hour later."""
    return tuple(place for place, value in _plain(answer) if _is_now(value, value))


def tree(places: Sequence[Place]) -> LeftOut | None:
    """None: nothing is left out."""
    if () in places:
        return {}
    by_first: dict[str | int, list[Place]] = {}
    for first, *rest in places:
        by_first.setdefault(first, []).append(tuple(rest))
    return {first: tree(below) or {} for first, below in by_first.items()} or None


def ignored(paths: Sequence[JsonPath], *answers: object) -> tuple[Place, ...]:
    """What the paths select in any of the answers."""
    return tuple(dict.fromkeys(place for path in paths for answer in answers for place in path.places(answer)))


def not_finite_at(answer: object) -> str:
    """Where the first NaN or infinity of an answer stands; empty: there is none."""
    place = next(_not_finite(answer), None)
    return "" if place is None else spelled(place)


def _differing(a: object, b: object, at: Place) -> Iterator[Place]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in dict.fromkeys((*a, *b)):
            if key in a and key in b:
                yield from _differing(a[key], b[key], (*at, key))
            else:
                yield (*at, key)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        below = [tuple(_differing(x, y, (*at, index))) for index, (x, y) in enumerate(zip(a, b, strict=True))]
        if len(below) > 1 and all(below) and not any(isinstance(each, dict | list) for each in (*a, *b)):
            yield at
        else:
            for places in below:
                yield from places
    elif not same_answer(a, b) or (a != b and _is_now(a, b)):
        yield at


def _is_finite(value: object) -> bool:
    return next(_not_finite(value), None) is None


def _not_finite(value: object) -> Iterator[Place]:
    return (place for place, each in _plain(value) if isinstance(each, float) and not math.isfinite(each))


def _plain(value: object) -> Iterator[tuple[Place, object]]:
    """All values that hold no others, and where they stand."""
    waiting: list[tuple[Place, object]] = [((), value)]
    while waiting:
        place, node = waiting.pop()
        if isinstance(node, dict):
            waiting += [((*place, key), child) for key, child in reversed(node.items())]
        elif isinstance(node, list):
            waiting += [((*place, index), child) for index, child in reversed(list(enumerate(node)))]
        else:
            yield place, node


def _infinite(expected: object, found: object, at: Place, below: Place) -> Difference:
    value: object = found
    for key in below:
        value = value[key]  # type: ignore[index]
    where = (*at, *below)
    instead = f", not {_shown(expected)}" if not below else ""
    return Difference(place=where, text=f"{spelled(where)} is {_shown(value)}{instead}", not_finite=True)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same_number(a: float, b: float, tolerance: Tolerance) -> bool:
    if isinstance(a, int) and isinstance(b, int):  # exact, and whole numbers may be too large for a float
        return a == b or abs(a - b) * round(1.0 / tolerance.relative) <= max(abs(a), abs(b))
    try:
        x, y = float(a), float(b)
    except OverflowError:
        return False
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    return math.isclose(x, y, rel_tol=tolerance.relative, abs_tol=tolerance.absolute)


def _is_now(expected: object, found: object) -> bool:
    """Both are times, in one spelling, and the one found is about now: what a clock shows at each answer."""
    if type(expected) is not type(found):
        return False
    now_s = time.time()
    return any(
        abs(then_s - now_s) < _NOW_S and -_SINCE_S < before_s - now_s < _NOW_S
        for before_s, then_s in zip(_times(expected), _times(found), strict=False)
    )


def _times(value: object) -> Iterator[float]:
    """What it is in seconds since 1970 if it is a time; of numbers in seconds and down to nanoseconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) < _LARGEST:
            yield from (value / scale for scale in (1.0, 1e3, 1e6, 1e9))
    elif isinstance(value, str) and 8 <= len(value) <= 40:
        for read in (datetime.fromisoformat, parsedate_to_datetime):
            try:
                at = read(value)
            except (ValueError, TypeError, IndexError, OverflowError):
                continue
            yield (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
            return


def _shown(value: object) -> str:
    return cut(json.dumps(value), _SHOWN)
