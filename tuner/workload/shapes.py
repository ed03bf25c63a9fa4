"""How the offered load changes over time: the shapes, and their one compact spelling.

    ramp:10/s..500/s,over=30s                   from one rate to another, along a line
    steps:50/s..100/s..200/s,each=10s           one rate after the other
    spike:100/s..500/s,after=10s,for=5s         up at once and, after a while, down again
    on_off:200/s..20/s,on_for=2s,off_for=3s     two rates in turns, as long as the window lasts
    trace:arrivals.csv                          as it was recorded (`tuner.workload.trace`)

Rates are absolute (``500/s``), or all of them multiples of the common rate (``3x``). A search space spells the same as
a mapping, with the same names: ``{ramp: {from: 10/s, to: 500/s, over: 30s}}``, ``{steps: {rates: [50/s, 100/s], each:
10s}}``, ``{on_off: {on: 200/s, off: 20/s, on_for: 2s, off_for: 3s}}``.

How the gaps between requests are drawn is a choice of its own: ``constant``, ``poisson``, ``gamma:cv=2``. A closed
loop (``closed``, ``closed:think=200ms``) has neither gaps nor a shape: its requests follow from the answers.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from tuner.errors import Mistake
from tuner.nearest import nearest
from tuner.units import rate, seconds

Arrival = Literal["poisson", "constant", "gamma", "closed"]
ARRIVALS: tuple[Arrival, ...] = get_args(Arrival)
Corners = tuple[tuple[float, float], ...]
MOST_CV = 100.0
"""Beyond it hardly any window is long enough to hold two bursts."""
CYCLES = 8
"""Turns of an on/off shape where no duration is given."""
_MULTIPLE = re.compile(r"(\d+\.?\d*|\.\d+)\s*x", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape(ABC):
    """A rate over time. `relative`: its rates are multiples of the common rate, else requests/s."""

    relative: bool = False

    @property
    @abstractmethod
    def least_s(self) -> float:
        """The shortest window it makes sense in."""

    @property
    def length_s(self) -> float:
        """The window it takes where no duration is given."""
        return self.least_s

    @abstractmethod
    def corners(self, duration_s: float) -> Corners:
        """(seconds, rate) corners of a piecewise linear rate, from 0 on; after the last its rate goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp(Shape):
    start: float
    end: float
    over_s: float

    @property
    def least_s(self) -> float:
        return self.over_s

    def corners(self, duration_s: float) -> Corners:  # noqa: ARG002
        return ((0.0, self.start), (self.over_s, self.end))


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps(Shape):
    rates: tuple[float, ...]
    each_s: float

    @property
    def least_s(self) -> float:
        return self.each_s * len(self.rates)

    def corners(self, duration_s: float) -> Corners:  # noqa: ARG002
        ends = [(number * self.each_s, (number + 1) * self.each_s) for number in range(len(self.rates))]
        return tuple((at_s, level) for level, pair in zip(self.rates, ends, strict=True) for at_s in pair)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike(Shape):
    base: float
    peak: float
    after_s: float
    for_s: float

    @property
    def least_s(self) -> float:
        return self.after_s + self.for_s

    @property
    def length_s(self) -> float:
        """With as much time to recover as there was before."""
        return self.least_s + self.after_s

    def corners(self, duration_s: float) -> Corners:  # noqa: ARG002
        up, down = self.after_s, self.after_s + self.for_s
        return ((0.0, self.base), (up, self.base), (up, self.peak), (down, self.peak), (down, self.base))


@dataclass(frozen=True, slots=True, kw_only=True)
class OnOff(Shape):
    on: float
    off: float
    on_for_s: float
    off_for_s: float

    @property
    def least_s(self) -> float:
        return self.on_for_s + self.off_for_s

    @property
    def length_s(self) -> float:
        return CYCLES * self.least_s

    def corners(self, duration_s: float) -> Corners:
        corners: list[tuple[float, float]] = []
        turns = int(duration_s / self.least_s) + 1
        for turn in range(turns):
            start = turn * self.least_s
            middle, end = start + self.on_for_s, start + self.least_s
            corners += [(start, self.on), (middle, self.on), (middle, self.off), (end, self.off)]
        return tuple(corners)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Requests as they were recorded."""

    path: Path
    due_s: tuple[float, ...]
    """Seconds since the first one, ascending."""
    payloads: tuple[int, ...] = ()
    """Which of the workload's request files each sends; empty: the record does not say, they are drawn by weight."""

    @property
    def length_s(self) -> float:
        return self.due_s[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """How the gaps between requests come about."""

    arrival: Arrival = "poisson"
    cv: float = 1.0
    """Coefficient of variation of ``gamma`` gaps."""
    think_s: float = 0.0
    """Mean pause of a user of a closed loop."""


Rated = Ramp | Steps | Spike | OnOff
KINDS = ("ramp", "steps", "spike", "on_off", "trace")
EXAMPLES = {
    "ramp": "ramp:10/s..500/s,over=30s",
    "steps": "steps:50/s..100/s..200/s,each=10s",
    "spike": "spike:100/s..500/s,after=10s,for=5s",
    "on_off": "on_off:200/s..20/s,on_for=2s,off_for=3s",
    "trace": "trace:arrivals.csv",
}
_TYPES: dict[str, type[Rated]] = {"ramp": Ramp, "steps": Steps, "spike": Spike, "on_off": OnOff}
RATES = {
    "ramp": {"from": "start", "to": "end"},
    "steps": {"rates": "rates"},
    "spike": {"from": "base", "to": "peak"},
    "on_off": {"on": "on", "off": "off"},
}
"""The names of a shape's rates, with the fields that hold them."""
TIMES = {"ramp": ("over",), "steps": ("each",), "spike": ("after", "for"), "on_off": ("on_for", "off_for")}
"""The names of its times; the field of each is called so, with ``_s``."""


class ShapeMistake(Mistake):
    """A mistake of a shape, at one of its keys (None: of the shape as a whole)."""

    def __init__(self, key: str | None, message: str, fix: str) -> None:
        super().__init__(message, fix)
        self.key = key


class ShapeError(ValueError):
    """Holds every mistake of one shape."""

    def __init__(self, mistakes: Sequence[ShapeMistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(" | ".join(map(str, self.mistakes)))


def parse_arrival(text: str) -> Gaps:
    """How requests arrive: ``poisson``, ``constant``, ``gamma:cv=2``, ``closed``, ``closed:think=200ms``.

    Raises Mistake.
    """
    name, _, rest = text.strip().partition(":")
    if name not in ARRIVALS:
        raise Mistake(f"{name!r} is no way to arrive", nearest(name, ARRIVALS))
    key, _, value = rest.partition("=")
    if name == "gamma":
        if key != "cv":
            raise Mistake(f"gamma takes a coefficient of variation, not {rest!r}", "write for example gamma:cv=2")
        return Gaps(arrival="gamma", cv=parse_cv(value))
    if name == "closed" and key == "think":
        return Gaps(arrival="closed", think_s=seconds(value))
    if rest:
        raise Mistake(f"{name} takes no {rest!r}", f"write {name}, gamma:cv=2 or closed:think=200ms")
    return Gaps(arrival=cast("Arrival", name))


def parse_cv(text: str) -> float:
    """A coefficient of variation above 0. Raises Mistake."""
    try:
        cv = float(text)
    except ValueError:
        cv = 0.0
    if not 0.0 < cv <= MOST_CV:
        raise Mistake(f"{text!r} is no coefficient of variation", f"write a number above 0, at most {MOST_CV:g}")
    return cv


def parse_shape(text: str, trace: Callable[[str], Trace]) -> Rated | Trace:
    """A shape in its compact spelling; `trace` reads the file of that name. Raises ShapeError, or what `trace` does."""
    kind, colon, rest = text.strip().partition(":")
    if kind not in KINDS:
        raise ShapeError([ShapeMistake(None, f"no shape is called {kind!r}", nearest(kind, KINDS))])
    rates, *parts = rest.split(",")
    if not colon or not rates:
        what = "file" if kind == "trace" else "rates"
        raise ShapeError([ShapeMistake(None, f"{text!r} names no {what}", f"write for example {EXAMPLES[kind]}")])
    if kind == "trace":
        return trace(rest)
    return shape_of(kind, _written(kind, rates.split(".."), parts))


def shape_of(kind: str, written: Mapping[str, tuple[str, ...]]) -> Rated:
    """The shape whose parts are `written`, texts by the names of `RATES` and `TIMES`. Raises ShapeError."""
    mistakes: list[ShapeMistake] = []
    values: dict[str, tuple[float, ...]] = {}
    multiples: set[bool] = set()
    for key in (*RATES[kind], *TIMES[kind]):
        if key not in written:
            mistakes.append(ShapeMistake(key=None, message=f"{kind} lacks {key!r}", fix=f"as in {EXAMPLES[kind]}"))
            continue
        try:
            if key in RATES[kind]:
                read = [_rate(text) for text in written[key]]
                multiples |= {multiple for _, multiple in read}
                values[key] = tuple(value for value, _ in read)
            else:
                values[key] = tuple(_time(text) for text in written[key])
        except Mistake as error:
            mistakes.append(ShapeMistake(key, f"{key} of {kind}: {error.message}", error.fix))
    if not mistakes:
        mistakes += _senseless(kind, values, multiples)
    if mistakes:
        raise ShapeError(mistakes)
    return _shape_of(kind, values, relative=multiples == {True})


def spelled(shape: Rated | Trace) -> str:
    """The shape in its compact spelling; a trace by its file's name."""
    if isinstance(shape, Trace):
        return f"trace:{shape.path.name}"
    kind = next(kind for kind, of in _TYPES.items() if isinstance(shape, of))
    levels = shape.rates if isinstance(shape, Steps) else [getattr(shape, field) for field in RATES[kind].values()]
    unit = "x" if shape.relative else "/s"
    times = [f"{key}={getattr(shape, f'{key}_s'):g}s" for key in TIMES[kind]]
    return ",".join((f"{kind}:" + "..".join(f"{level:.12g}{unit}" for level in levels), *times))


def _written(kind: str, rates: Sequence[str], parts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The parts of the compact spelling by name."""
    names = RATES[kind]
    mistakes: list[ShapeMistake] = []
    if kind == "steps":
        written = {"rates": tuple(rates)}
    else:
        if len(rates) != len(names):
            what = f"{kind} has {len(names)} rates with '..' between, not {'..'.join(rates)!r}"
            mistakes.append(ShapeMistake(key=None, message=what, fix=f"write for example {EXAMPLES[kind]}"))
        written = {name: (text,) for name, text in zip(names, rates, strict=False)}
    for part in parts:
        name, is_given, text = part.strip().partition("=")
        if not is_given or name not in TIMES[kind]:
            mistakes.append(ShapeMistake(key=name, message=f"{kind} has no {part!r}", fix=nearest(name, TIMES[kind])))
        elif name in written:
            mistakes.append(ShapeMistake(key=name, message=f"{kind} has two {name!r}", fix="remove one of them"))
        written[name] = (text,)
    if mistakes:
        raise ShapeError(mistakes)
    return written


def _rate(text: str) -> tuple[float, bool]:
    """The number, and whether it is a multiple of the common rate."""
    match = _MULTIPLE.fullmatch(text.strip())
    if match is not None:
        return float(match[1]), True
    try:
        return rate(text), False
    except Mistake:
        raise Mistake(f"{text!r} is not a rate", "write for example 100/s, or 2x for twice the common rate") from None


def _time(text: str) -> float:
    value = seconds(text)
    if value <= 0.0:
        raise Mistake(f"{text!r} is no time", "write a longer one, for example 10s")
    return value


def _senseless(kind: str, values: Mapping[str, tuple[float, ...]], multiples: set[bool]) -> list[ShapeMistake]:
    keys = list(RATES[kind])
    levels = [level for key in keys for level in values[key]]
    if len(multiples) > 1:
        what = f"{kind} mixes rates (100/s) and multiples of the common rate (2x)"
        return [ShapeMistake(key=keys[0], message=what, fix="write all of them in one way")]
    if len(set(levels)) < 2:
        what = f"{kind} does not change its rate: {' and '.join(f'{level:g}' for level in levels)}"
        return [ShapeMistake(key=keys[-1], message=what, fix=f"write two rates, for example {EXAMPLES[kind]}")]
    return []


def _shape_of(kind: str, values: Mapping[str, tuple[float, ...]], *, relative: bool) -> Rated:
    fields: dict[str, Any] = {f"{key}_s": values[key][0] for key in TIMES[kind]}
    for key, field in RATES[kind].items():
        fields[field] = values[key] if kind == "steps" else values[key][0]
    return _TYPES[kind](**fields, relative=relative)
