"""What the trials taught: which knobs mattered, what each was worth, what holds the choice back. From the plain JSON that
stands in the journal, so that the page says what was written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.report.plot import Axis, Chart, Panel, Plot, Point, Series
from tuner.report.study.found import Found, name, word
from tuner.space.metrics import METRICS
from tuner.units import format_gain, format_metric

Data = Mapping[str, Any]
_NAMED = 12
"""So many knobs, the most important."""
_TIMES = 10.0
"""From this ratio on a change is told as a factor."""


def importance_chart(found: Found) -> Chart | None:
    """A knob's share of what a metric varies by, in all it takes part in, with what is believed of it."""
    matters = _of(found).get("matters") or []
    panels = tuple(_panel(one) for one in matters if one["knobs"])
    if not panels:
        return None
    sample = ", over a sample of the space" if _of(found)["sampled"] else ""
    says = (
        f"Shares of each metric's variance by the model after {_of(found)['configurations']} configurations{sample}, with "
        "90 % intervals: what a knob explains alone and together with others. Wide intervals: the trials do not tell yet."
    )
    x = Axis(title="share of the variance (%)", zero=True)
    return Chart(title="What mattered", says=says, plot=Plot(x=x, panels=panels))


def too_few(found: Found) -> str:
    """Why nothing is told of what mattered; empty: it is, or was not worked out yet."""
    return str(_of(found).get("too_few", ""))


def steps(found: Found) -> tuple[list[str], list[list[str]]]:
    """From the baseline to the choice, a knob a row: the titles of the columns, and the rows; none: nothing is known."""
    known = _of(found).get("steps") or []
    metrics = [change["metric"] for change in known[0]["changes"]] if known else []
    rows = []
    for step in known:
        moved = ", ".join(f"{knob} {word(old)} → {word(new)}" for knob, (old, new) in step["knobs"].items())
        barred = "" if step["allowed"] else " (on the way only: it breaks a rule)"
        rows.append([f"{moved}{barred}", *(_change(found, change) for change in step["changes"])])
    return ["knob", *map(name, metrics)], rows


def held_back(found: Found) -> Iterator[str]:
    """The bounds at the choice, and knobs at the ends of what was offered."""
    known = _of(found)
    for one in known.get("bounds") or []:
        believed, metric = one["believed"], one["metric"]
        low, high = (found.amount(metric, believed[end]) for end in ("low", "high"))
        sign = ">=" if one["at_least"] else "<="
        text = f"{name(metric)} {sign} {found.amount(metric, one['bound'])}: believed {low} to {high}"
        text += f", met with a probability of {_percent(one['probability'])}"
        if one["gain"] is not None:
            text += f"; without this bound {name(one['objective'])} could be {format_gain(one['gain'] - 1.0)} better"
        yield f"{text}."
    for one in known.get("edges") or []:
        at = f"{one['knob']}={word(one['value'])} is the {one['end']} value offered"
        better = f"{name(one['objective'])} is believed to get better towards it"
        yield f"{at}, and {better} (probability {_percent(one['probability'])}): a wider range may hold more."


def _of(found: Found) -> Data:
    return found.summary.knowledge or {}


def _panel(one: Data) -> Panel:
    shown = list(reversed(one["knobs"][:_NAMED]))
    points = []
    for place, knob in enumerate(shown):
        share = knob["in_all"] or knob["alone"]
        value, low, high = (share[end] * 100.0 for end in ("value", "low", "high"))
        text = f"{knob['knob']} explains {value:.0f} % ({low:.0f} to {high:.0f}) of {name(one['metric'])}"
        points.append(Point(x=value, y=float(place), x_low=low, x_high=high, text=text))
    axis = Axis(title=name(one["metric"]), scale="words", words=tuple(knob["knob"] for knob in shown))
    series = Series(name="", colour="blue", line="none", dots=True, points=tuple(points))
    return Panel(y=axis, series=(series,), height=max(60, 26 * len(shown) + 10))


def _change(found: Found, change: Data) -> str:
    """``439/s → 503/s, +15 % (+9 % to +21 %); measured +14 %``."""
    metric, ratio = change["metric"], change["ratio"]
    before, after = (_amount(found, metric, change[end]["value"]) for end in ("before", "after"))
    low, high = _gain(ratio["low"]), _gain(ratio["high"])
    interval = f" ({low} to {high})" if low != high else ""
    measured = "" if change["measured"] is None else f"; measured {_gain(change['measured'])}"
    if before == after and _gain(ratio["value"]) == "no change" and not interval:
        return f"{after}, no change"
    return f"{before} → {after}, {_gain(ratio['value'])}{interval}{measured}"


def _amount(found: Found, metric: str, value: float) -> str:
    if metric not in METRICS:
        return f"{value:.3g}"
    return format_metric(METRICS[metric].unit, value, found.currency)


def _gain(ratio: float) -> str:
    if ratio >= _TIMES:
        return f"x {ratio:.3g}"
    change = (ratio - 1.0) * 100
    return "no change" if abs(change) < 0.5 else f"{change:+.0f} %"


def _percent(share: float) -> str:
    """Of what is believed nothing is certain."""
    if share < 0.01 or share > 0.99:
        return "< 1 %" if share < 0.5 else "> 99 %"
    return f"{math.floor(share * 100 + 0.5)} %"


def others(found: Found) -> Sequence[str]:
    """What Optuna's evaluators make of the same trials."""
    return [
        f"{name(one['metric'])}, by Optuna's {method}: "
        + ", ".join(
            f"{knob} {share * 100:.0f} %" for knob, share in sorted(shares.items(), key=lambda pair: -pair[1])[:6]
        )
        for one in _of(found).get("matters") or []
        for method, shares in one.get("others", {}).items()
    ]
