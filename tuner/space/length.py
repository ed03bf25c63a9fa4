"""How long a window is measured: a fixed time, or from a least to a most, as long as it takes to be sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuner.units import ratio, seconds

if TYPE_CHECKING:
    from tuner.space.fields import Fields

WITHIN = 0.1
KEYS = ("least", "most", "within")
_EXAMPLE = "{least: 3s, most: 30s}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    least_s: float
    most_s: float | None = None
    """None: just `least_s`, whatever was measured."""
    within: float = WITHIN
    """Half-width, as a share of the value, at which an interval is tight enough to end before `most_s`."""


def read_length(load: Fields) -> Length | None:
    """The workload's ``duration``: ``5s``, or ``{least: 3s, most: 30s, within: 10%}``; None: there is none to be used."""
    from tuner.space.document import Mapping  # the load generator needs this module, and has no YAML
    from tuner.space.fields import Fields

    node = load.get("duration")
    if not isinstance(node, Mapping):
        fixed = load.unit("duration", seconds, None)
        return None if fixed is None else Length(least_s=fixed)
    fields = Fields(node, KEYS, load.report)
    for key in ("least", "most"):
        if key not in fields:
            fields.missing(key, f"write duration: {_EXAMPLE}, or a plain duration: 5s")
    least_s, most_s = fields.unit("least", seconds, None), fields.unit("most", seconds, None)
    within = fields.unit("within", ratio, WITHIN)
    if least_s is None or most_s is None:
        return None
    if most_s < least_s:
        fields.wrong("most", "at least as long as least", f"write for example duration: {_EXAMPLE}")
        return None
    return Length(least_s=least_s, most_s=most_s, within=within)


def parse_length(text: str) -> Length:
    """The compact spelling of the command line: ``5s``, or ``3s..30s``. Raises ValueError with what to write."""
    least, between, most = text.partition("..")
    length = Length(least_s=seconds(least), most_s=seconds(most) if between else None)
    if length.least_s <= 0.0:
        raise ValueError(f"{text!r} is no time to measure; write for example 5s or 3s..30s")
    if length.most_s is not None and length.most_s < length.least_s:
        raise ValueError(f"{text!r} ends before it begins; write the shorter first, for example 3s..30s")
    return length
