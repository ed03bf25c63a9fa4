"""The nouns of a chart, as the pages' own script draws them (`templates/charts.js`): what is drawn, never how.

Positions are plain numbers in the unit that the axis names. Colours are names of the page's own, which has them for
light and for dark; what a point is never shows by its colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

Colour = Literal["blue", "orange", "green", "purple", "red", "grey"]
SERIES: tuple[Colour, ...] = ("blue", "orange", "green", "purple", "red", "grey")
Mark = Literal["", "chosen", "baseline", "equal", "front", "open"]
"""Its shape: a star, a square, a ring in a dot, a diamond; ``open``: a ring alone, of what is no candidate."""
Line = Literal["none", "solid", "dotted", "steps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    title: str
    scale: Literal["linear", "log", "words"] = "linear"
    zero: bool = False
    """It begins at 0 (of a linear one)."""
    ticks: tuple[tuple[float, str], ...] = ()
    """Where they are and what they say; empty: round numbers."""
    words: tuple[str, ...] = ()
    """What stands at 0, 1, 2, ... of an axis of words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: float
    y: float
    text: str = ""
    """What it is, in words, for who points at it or hears of it."""
    low: float | None = None
    """Ends of the interval in y; None: not known."""
    high: float | None = None
    x_low: float | None = None
    x_high: float | None = None
    mark: Mark = ""
    trial: int | None = None
    """Which trial is shown where this point is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    name: str
    """Empty: it is not told of in the legend."""
    points: tuple[Point, ...]
    colour: Colour
    line: Line = "solid"
    dots: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A dashed line across the panel, where `x` or `y` is this."""

    at: float
    of: Literal["x", "y"]
    text: str = ""
    colour: Colour = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shade:
    """A stretch of the x axis that is told apart."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    y: Axis
    series: tuple[Series, ...]
    rules: tuple[Rule, ...] = ()
    height: int = 260
    """In pixels, less the axis below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Panels above each other on one x axis."""

    x: Axis
    panels: tuple[Panel, ...]
    shades: tuple[Shade, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Strand:
    """One line across all axes."""

    values: tuple[float | None, ...]
    """By axis; None: it has none there, and the line leaves it out."""
    share: float | None
    """How good it is, 0 to 1, which is its colour; None: not known."""
    text: str
    mark: Mark = ""
    trial: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel:
    """Parallel coordinates: axes beside each other, a line a configuration."""

    axes: tuple[Axis, ...]
    strands: tuple[Strand, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    title: str
    says: str
    """What to look for, in a sentence."""
    plot: Plot | Parallel

    @property
    def drawn(self) -> dict[str, Any]:
        """What the page's script is given."""
        found: dict[str, Any] = _short(self.plot)
        return {"title": self.title, "says": self.says, **found}


@dataclass(frozen=True, slots=True)
class Scale:
    """The unit in which times are drawn."""

    name: str
    per_s: float

    @staticmethod
    def of(values_s: Iterable[float | None]) -> Scale:
        """The unit that the largest of the values reads well in."""
        largest = max((abs(value) for value in values_s if value is not None), default=0.0)
        if largest >= 2.0:
            return Scale("s", 1.0)
        return Scale("ms", 1e3) if largest >= 1e-3 else Scale("µs", 1e6)

    def __call__(self, value_s: float) -> float:
        return value_s * self.per_s

    def end(self, value_s: float | None) -> float | None:
        """Of an interval, whose end need not be known."""
        return None if value_s is None else value_s * self.per_s


def _short(value: Any) -> Any:
    """As JSON, less what is as it usually is; six digits are more than anybody sees."""
    if is_dataclass(value):
        held = {field.name: (getattr(value, field.name), field.default) for field in fields(value)}
        return {name: _short(one) for name, (one, usual) in held.items() if one != usual}
    if isinstance(value, Mapping):
        return {key: _short(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_short(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
