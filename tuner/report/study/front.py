"""The charts of what was measured: the Pareto front, latency over rate, latency's distribution, all knobs at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from tuner.front.model import Candidate
from tuner.report.charts import LEVELS, OFFERED, curve_points, quantile_points
from tuner.report.data import plain
from tuner.report.plot import (
    Axis,
    Chart,
    Colour,
    Line,
    Mark,
    Panel,
    Parallel,
    Plot,
    Point,
    Rule,
    Scale,
    Series,
    Strand,
)
from tuner.report.study.axes import metric_axis
from tuner.report.study.found import Found, name, word
from tuner.space.metrics import LATENCY_PERCENTILES, METRICS
from tuner.space.model import Choices, Configuration, FloatRange, IntRange
from tuner.statistics.model import Estimate
from tuner.study.candidates import replicates, reported
from tuner.units import quantity

_NEAR = 3.0
"""A bound further from all that was measured is not drawn: it would squeeze that into a corner."""
_FEW = 8
"""So many values of a knob are all named on its axis."""
_CURVES = 6
"""More lines than colours are told apart by nobody."""
_LATENCIES = tuple(metric for metric, _ in LATENCY_PERCENTILES)


def front_charts(found: Found) -> Iterator[Chart]:
    """The first objective over each other one; of one objective alone, over the latency or the cost."""
    first, *others = (one.metric for one in found.summary.start.objectives)
    beside = [one for one in (found.latency, "cost") if one != first and _spread(found, one)][:1]
    for other in others or beside:
        plot = _scatter(found, other, first)
        if plot is not None:
            ends = "up" if METRICS[first].better == "maximize" else "down"
            side = "right" if METRICS[other].better == "maximize" else "left"
            says = (
                f"A point is a configuration, with the interval of its restarts where it matters. Better is {ends} and to "
                f"the {side}. Choose a point to see its configuration and its manifest's difference from today's."
            )
            yield Chart(title=f"{name(first)} against {name(other)}".capitalize(), says=says, plot=plot)


def curves_chart(found: Found) -> Chart | None:
    """Latency over the rate that was offered, of the front, the choice and the baseline."""
    metric, groups = found.latency, replicates(found.summary.trials)
    curves = []
    for number in _told_apart(found):
        starts = reported(groups[found.trials[number].manifest_digest])
        curve = next((one.measurement.curve for one in starts if one.measurement is not None), ())
        windows = [window for window in curve if metric in window.latency_s]
        if len(windows) > 1:
            curves.append((number, windows))
    if not curves:
        return None
    values = [window.latency_s[metric].value for _, windows in curves for window in windows]
    scale = Scale.of(values)
    series = tuple(
        Series(
            name=_called(found, number),
            colour=colour,
            dots=True,
            line=_line(found, number),
            points=curve_points(plain(windows), metric, scale, f"trial {number}: {name(metric)}", number),
        )
        for (number, windows), colour in zip(curves, _colours(found, [one for one, _ in curves]), strict=True)
    )
    y = Axis(title=f"{name(metric)} ({scale.name})", scale="log")
    panel = Panel(y=y, series=series, rules=_bounds(found, [metric], scale, values), height=300)
    says = "Every window of one start that could be trusted, with 95 % intervals: where a line turns up, it is full."
    return Chart(title="Latency over rate", says=says, plot=Plot(x=OFFERED, panels=(panel,)))


def distribution_chart(found: Found) -> Chart | None:
    """The quantiles of latency at the common rate, of the same."""
    told = {
        number: {metric: figures[metric] for metric in _LATENCIES if metric in figures}
        for number in _told_apart(found)
        if (figures := found.figures[number])
    }
    told = {number: quantiles for number, quantiles in told.items() if len(quantiles) > 1}
    if not told:
        return None
    scale = Scale.of(one.value for quantiles in told.values() for one in quantiles.values())
    series = tuple(
        Series(
            name=_called(found, number),
            colour=colour,
            dots=True,
            line=_line(found, number),
            points=quantile_points(plain(quantiles), scale, f"trial {number}: ", number),
        )
        for (number, quantiles), colour in zip(told.items(), _colours(found, list(told)), strict=True)
    )
    values = [one.value for quantiles in told.values() for one in quantiles.values()]
    y = replace(metric_axis(found.latency, values, found.currency)[0], title=f"latency ({scale.name})", zero=True)
    panel = Panel(y=y, series=series, rules=_bounds(found, _LATENCIES, scale, values), height=300)
    says = (
        "How slow the slowest requests are at the common rate: each step to the right is ten times rarer. Quantiles over "
        "all starts, with intervals."
    )
    return Chart(title="Latency distributions", says=says, plot=Plot(x=LEVELS, panels=(panel,)))


def parallel_chart(found: Found) -> Chart | None:
    """All candidates over all knobs that vary, then over what was aimed at or bounded."""
    numbers = [one.trial for one in found.summary.candidates]
    if len(numbers) < 2 or not found.knobs:
        return None
    first = found.summary.start.objectives[0].metric
    # the first objective comes last, where the eye ends; its value is the line's colour
    metrics = [one for one in found.metrics if one != first and _spread(found, one)] + [first]
    knobs = [_knob_axis(found, knob, [found.trials[one].configuration for one in numbers]) for knob in found.knobs]
    columns = [_metric_values(found, metric, numbers) for metric in metrics]
    shares = _shares(found, first, numbers)
    strands = tuple(
        Strand(
            values=(*(values[place] for _, values in knobs), *(values[place] for _, values in columns)),
            share=shares[place],
            text=found.told(number),
            mark=_mark(found, number),
            trial=number,
        )
        for place, number in enumerate(numbers)
    )
    axes = (*(axis for axis, _ in knobs), *(axis for axis, _ in columns))
    says = "A line is a configuration: its knobs, then what it measured. Choose one to see it."
    return Chart(title="All knobs at once", says=says, plot=Parallel(axes=axes, strands=strands))


def _scatter(found: Found, x: str, y: str) -> Plot | None:
    there = [one for one in found.summary.candidates if {x, y} <= found.figures[one.trial].keys()]
    if not there:
        return None
    front = {one.trial for one in found.summary.front.members}
    equals = set(found.summary.choice.equals) if found.summary.choice is not None else set()
    axes = [
        metric_axis(metric, [found.figures[one.trial][metric].value for one in there], found.currency)
        for metric in (x, y)
    ]

    def points(members: Sequence[Candidate], mark: Mark, *, intervals: bool = False) -> tuple[Point, ...]:
        made = [
            _point(found, one.trial, (x, y), [unit for _, unit in axes], mark, intervals=intervals) for one in members
        ]
        return tuple(sorted(made, key=lambda one: one.x))

    special = {found.chosen, found.baseline}
    kinds: tuple[tuple[str, Colour, Mark, list[Candidate]], ...] = (
        ("does not certainly meet the SLO", "grey", "open", [one for one in there if not one.feasible]),
        (found.well, "grey", "", [one for one in there if one.feasible and one.trial not in front | equals]),
        ("as good as the choice within the noise", "purple", "equal", [one for one in there if one.trial in equals]),
        ("on the Pareto front", "blue", "front", [one for one in there if one.trial in front - equals]),
        ("baseline", "orange", "baseline", [one for one in there if one.trial == found.baseline]),
        ("chosen", "green", "chosen", [one for one in there if one.trial == found.chosen]),
    )
    series = [
        Series(
            name=told if not (mark == "chosen" and found.same) else "chosen: the baseline",
            colour=colour,
            line="none",
            dots=True,
            points=points(members, mark, intervals=mark not in ("", "open")),
        )
        for told, colour, mark, members in (
            (told, colour, mark, [one for one in members if mark in ("baseline", "chosen") or one.trial not in special])
            for told, colour, mark, members in kinds
        )
        if members and not (mark == "baseline" and found.same)
    ]
    line = points([one for one in there if one.trial in front], "")
    if len(line) > 1 and {x, y} == {one.metric for one in found.summary.start.objectives}:
        path = tuple(Point(x=one.x, y=one.y) for one in line)
        series.insert(0, Series(name="", colour="blue", line="dotted", points=path))
    rules = (*_slo(found, x, "x", axes[0][1]), *_slo(found, y, "y", axes[1][1]))
    return Plot(x=axes[0][0], panels=(Panel(y=axes[1][0], series=tuple(series), rules=rules, height=340),))


def _point(
    found: Found, number: int, metrics: tuple[str, str], units: Sequence[float], mark: Mark, *, intervals: bool
) -> Point:
    x, y = (found.figures[number][metric] for metric in metrics)
    known = Estimate(value=0.0)
    x_ends, y_ends = (x, y) if intervals else (known, known)
    return Point(
        x=x.value * units[0],
        y=y.value * units[1],
        x_low=_times(x_ends.low, units[0]),
        x_high=_times(x_ends.high, units[0]),
        low=_times(y_ends.low, units[1]),
        high=_times(y_ends.high, units[1]),
        text=found.told(number),
        mark=mark,
        trial=number,
    )


def _slo(found: Found, metric: str, of: Literal["x", "y"], times: float) -> Iterator[Rule]:
    values = [figures[metric].value for figures in found.figures.values() if metric in figures]
    for one in found.summary.start.slo:
        if one.metric == metric and min(values) / _NEAR <= one.bound <= max(values) * _NEAR:
            yield Rule(at=one.bound * times, of=of, text="SLO")


def _times(value: float | None, by: float) -> float | None:
    return None if value is None else value * by


def _spread(found: Found, metric: str) -> bool:
    """It was not the same everywhere."""
    return len({figures[metric].value for figures in found.figures.values() if metric in figures}) > 1


def _told_apart(found: Found) -> list[int]:
    """The choice, the baseline, then the front, as many as can be told apart."""
    first = [one for one in (found.chosen, found.baseline) if one is not None]
    return list(dict.fromkeys([*first, *(one.trial for one in found.summary.front.members)]))[:_CURVES]


def _colours(found: Found, numbers: Sequence[int]) -> list[Colour]:
    """The choice's and the baseline's are the same in all charts."""
    own: dict[int | None, Colour] = {found.baseline: "orange", found.chosen: "green"}
    others: Iterator[Colour] = iter(("blue", "purple", "red", "grey", "blue", "purple"))
    return [own[number] if number in own else next(others) for number in numbers]


def _called(found: Found, number: int) -> str:
    kind = {found.baseline: " (baseline)"} | {found.chosen: " (chosen)"}
    return f"trial {number}{kind.get(number, '')}"


def _line(found: Found, number: int) -> Line:
    return "dotted" if number == found.baseline and not found.same else "solid"


def _mark(found: Found, number: int) -> Mark:
    return "chosen" if number == found.chosen else "baseline" if number == found.baseline else ""


def _bounds(found: Found, metrics: Sequence[str], scale: Scale, values_s: Sequence[float]) -> tuple[Rule, ...]:
    return tuple(
        Rule(at=scale(one.bound), of="y", text=f"SLO: {name(one.metric)} within {found.amount(one.metric, one.bound)}")
        for one in found.summary.start.slo
        if one.metric in metrics and one.bound <= max(values_s) * _NEAR
    )


def _knob_axis(found: Found, knob: str, tried: Sequence[Configuration]) -> tuple[Axis, list[float | None]]:
    """Numbers and quantities by their size, other values by their place among those offered or tried."""
    values = [one.values.get(knob) for one in tried]
    there = [value for value in values if value is not None]
    domain = None
    if found.space is not None:
        domain = next((one.domain for one in found.space.parameters if one.name == knob), None)
    if isinstance(domain, IntRange | FloatRange):
        ticks = sorted({float(value) for value in there if isinstance(value, int | float)})
        few = tuple((value, f"{value:g}") for value in ticks) if len(ticks) <= _FEW else ()
        axis = Axis(title=knob, scale="log" if domain.log else "linear", ticks=few)
        return axis, [float(value) if isinstance(value, int | float) else None for value in values]
    words = [word(one) for one in (domain.values if isinstance(domain, Choices) else _ordered(there))]
    words += [one for one in dict.fromkeys(word(value) for value in there) if one not in words]
    places = {one: float(place) for place, one in enumerate(words)}
    axis = Axis(title=knob, scale="words", words=tuple(words))
    return axis, [None if value is None else places[word(value)] for value in values]


def _ordered(values: Sequence[object]) -> list[object]:
    unique = list(dict.fromkeys(values))
    try:
        return sorted(unique, key=lambda value: quantity(value) if isinstance(value, str | int | float) else 0)
    except ValueError:
        return sorted(unique, key=str)


def _metric_values(found: Found, metric: str, numbers: Sequence[int]) -> tuple[Axis, list[float | None]]:
    values = [found.figures[one][metric].value if metric in found.figures[one] else None for one in numbers]
    axis, times = metric_axis(metric, [one for one in values if one is not None] or [0.0], found.currency)
    return axis, [_times(value, times) for value in values]


def _shares(found: Found, metric: str, numbers: Sequence[int]) -> list[float | None]:
    """How good each is in a metric, by its rank from 0, the worst, to 1."""
    values = {one: found.figures[one][metric].value for one in numbers if metric in found.figures[one]}
    ranked = sorted(set(values.values()), reverse=METRICS[metric].better == "minimize")
    if len(ranked) < 2:
        return [None] * len(numbers)
    places = {value: place / (len(ranked) - 1) for place, value in enumerate(ranked)}
    return [places[values[one]] if one in values else None for one in numbers]
