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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from tuner.errors import Mistake
from tuner.nearest import nearest
from tuner.units import rate, seconds

Arrival = Literal["poisson", "constant", "gamma", "closed"]
ARRIVALS: tuple[Arrival, ...] = ("poisson", "constant", "gamma", "closed")
Corners = tuple[tuple[float, float], ...]
MOST_CV = 100.0
"""Beyond it hardly any window is long enough to hold two bursts."""
CYCLES = 8
"""Turns of an on/off shape where no duration is given."""
_MULTIPLE = re.compile(r"(\d+\.?\d*|\.\d+)\s*x", re.ASCII)


class Shape(Protocol):
    """A rate over time. `relative`: its rates are multiples of the common rate, else requests/s."""

    @property
    def relative(self) -> bool: ...

    @property
    def least_s(self) -> float:
        """The shortest window it makes sense in."""
        ...

    @property
    def length_s(self) -> float:
        """The window it takes where no duration is given."""
        ...

    def corners(self, duration_s: float) -> Corners:
        """(seconds, rate) corners of a piecewise linear rate, from 0 on; after the last its rate goes on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    start: float
    end: float
    over_s: float
    relative: bool = False

    @property
    def least_s(self) -> float:
        return self.over_s

    @property
    def length_s(self) -> float:
        return self.over_s

    def corners(self, duration_s: float) -> Corners:  # noqa: ARG002
        return ((0.0, self.start), (self.over_s, self.end))


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    rates: tuple[float, ...]
    each_s: float
    relative: bool = False

    @property
    def least_s(self) -> float:
        return self.each_s * len(self.rates)

    @property
    def length_s(self) -> float:
        return self.least_s

    def corners(self, duration_s: float) -> Corners:  # noqa: ARG002
        ends = [(number * self.each_s, (number + 1) * self.each_s) for number in range(len(self.rates))]
        return tuple((at_s, level) for level, pair in zip(self.rates, ends, strict=True) for at_s in pair)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike:
    base: float
    peak: float
    after_s: float
    for_s: float
    relative: bool = False

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
class OnOff:
    on: float
    off: float
    on_for_s: float
    off_for_s: float
    relative: bool = False

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
RATES = {"ramp": ("from", "to"), "steps": ("rates",), "spike": ("from", "to"), "on_off": ("on", "off")}
TIMES = {"ramp": ("over",), "steps": ("each",), "spike": ("after", "for"), "on_off": ("on_for", "off_for")}


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
    """A shape in its compact spelling; `trace` reads the file of that name. Raises ShapeError, and what `trace` does."""
    kind, colon, rest = text.strip().partition(":")
    if kind not in KINDS:
        raise ShapeError([ShapeMistake(key=None, message=f"no shape is called {kind!r}", fix=nearest(kind, KINDS))])
    rates, *parts = rest.split(",")
    if not colon or not rates:
        what = "file" if kind == "trace" else "rates"
        raise ShapeError(
            [ShapeMistake(key=None, message=f"{text!r} names no {what}", fix=f"write for example {EXAMPLES[kind]}")]
        )
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

    def rates(*levels: float) -> str:
        return "..".join(f"{level:.12g}{'x' if relative else '/s'}" for level in levels)

    if isinstance(shape, Trace):
        return f"trace:{shape.path.name}"
    relative = shape.relative
    match shape:
        case Ramp():
            return f"ramp:{rates(shape.start, shape.end)},over={shape.over_s:g}s"
        case Steps():
            return f"steps:{rates(*shape.rates)},each={shape.each_s:g}s"
        case Spike():
            return f"spike:{rates(shape.base, shape.peak)},after={shape.after_s:g}s,for={shape.for_s:g}s"
        case OnOff():
            return f"on_off:{rates(shape.on, shape.off)},on_for={shape.on_for_s:g}s,off_for={shape.off_for_s:g}s"


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
    levels = [level for key in RATES[kind] for level in values[key]]
    if len(multiples) > 1:
        what = f"{kind} mixes rates (100/s) and multiples of the common rate (2x)"
        return [ShapeMistake(key=RATES[kind][0], message=what, fix="write all of them in one way")]
    if len(set(levels)) < 2:
        what = f"{kind} does not change its rate: {' and '.join(f'{level:g}' for level in levels)}"
        return [ShapeMistake(key=RATES[kind][-1], message=what, fix=f"write two rates, for example {EXAMPLES[kind]}")]
    return []


def _shape_of(kind: str, values: Mapping[str, tuple[float, ...]], *, relative: bool) -> Rated:
    one: Any = {key: parts[0] for key, parts in values.items()}
    match kind:
        case "ramp":
            return Ramp(start=one["from"], end=one["to"], over_s=one["over"], relative=relative)
        case "steps":
            return Steps(rates=values["rates"], each_s=one["each"], relative=relative)
        case "spike":
            return Spike(base=one["from"], peak=one["to"], after_s=one["after"], for_s=one["for"], relative=relative)
        case _:
            return OnOff(
                on=one["on"],
                off=one["off"],
                on_for_s=one["on_for"],
                off_for_s=one["off_for"],
                relative=relative,
            )
