"""What the charts of `tune bench`, `tune stress` and `tune compare` hold, from the plain data of their results.

None in place of a chart: there is nothing to draw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.report.plot import SERIES, Axis, Colour, Panel, Plot, Point, Rule, Scale, Series, Shade
from tuner.units import format_bytes, format_rate, format_seconds

Data = Mapping[str, Any]

_MI = 1 << 20
_LEVELS = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
_TALL = 300


def percentile_chart(starts: Sequence[Data], bounds: Sequence[tuple[str, float]]) -> Plot | None:
    """Latency over its level, the tail stretched out: the x axis is even in the logarithm of 1 / (1 - level).

    `starts` hold `percentiles` and a `window` with intervals; `bounds` are those of the SLO on latencies, (level as
    text, seconds).
    """
    drawn = [start for start in starts if start["percentiles"]]
    if not drawn:
        return None
    scale = Scale.of(value for start in drawn for _, value in start["percentiles"])
    series: list[Series] = []
    for number, start in enumerate(drawn):
        name, colour = _name(number, len(drawn)), SERIES[number % len(SERIES)]
        series.append(Series(name=name, colour=colour, points=tuple(_levels(start["percentiles"], scale))))
        series.append(Series(name="", colour=colour, line="none", points=_quantiles(start["window"], scale), dots=True))
    rules = [
        Rule(at=scale(bound), of="y", text=f"SLO: {level} within {format_seconds(bound)}") for level, bound in bounds
    ]
    return Plot(x=LEVELS, panels=(Panel(y=_latency(scale), series=tuple(series), rules=tuple(rules), height=_TALL),))


LEVELS = Axis(
    title="share of requests that were at least as fast",
    scale="log",
    ticks=tuple((1.0 / (1.0 - level), f"{level * 100:.6g} %") for level in _LEVELS),
)


def level_of(metric: str) -> float:
    """The place of a quantile's metric (``latency_p99``) on that axis."""
    return 1.0 / (1.0 - float(metric.rpartition("_p")[2]) / 100)


def over_time_chart(slices: Sequence[Data], warm_up_s: float, rules: Sequence[Rule] = ()) -> Plot | None:
    """Latencies and rates over the window; what was cut as warm-up is shaded. `rules` stand among the rates."""
    if not slices:
        return None
    scale = Scale.of(part["longest_s"] for part in slices)
    latencies: tuple[tuple[str, str, Colour], ...] = (
        ("slowest", "longest_s", "grey"),
        ("p90", "p90_s", "orange"),
        ("p50", "p50_s", "blue"),
    )
    rates: list[tuple[str, list[float], Colour]] = [
        ("due", [part["due_rps"] for part in slices], "grey"),
        ("answered well", [part["good_rps"] for part in slices], "green"),
    ]
    if any(part["errors"] for part in slices):
        rates.append(("failed", [part["errors"] / (part["end_s"] - part["start_s"]) for part in slices], "red"))
    middles = [(part["start_s"] + part["end_s"]) / 2 for part in slices]
    return Plot(
        x=Axis(title="time in the window (s)", zero=True),
        shades=(Shade(low=0.0, high=warm_up_s),) if warm_up_s > 0.0 else (),
        panels=(
            Panel(
                y=_latency(scale),
                series=tuple(
                    Series(
                        name=name, colour=colour, points=_timed(name, middles, [part[key] for part in slices], scale)
                    )
                    for name, key, colour in latencies
                ),
                height=220,
            ),
            Panel(
                y=Axis(title="requests/s", zero=True),
                series=tuple(
                    Series(name=name, colour=colour, points=_rates(name, middles, values))
                    for name, values, colour in rates
                ),
                rules=tuple(rules),
                height=170,
            ),
        ),
    )


def load_chart(run: Data) -> Plot | None:
    """A load that changes, over time: the latency that was usual before it, and the rates at which bounds broke."""
    recovery, climb = run["recovery"], run["climb"]
    broken = [
        Rule(at=one["rate_rps"], of="y", text=f"{one['bound']} broke")
        for one in (climb["breaks"] if climb is not None else ())
        if one["rate_rps"] is not None
    ]
    plot = over_time_chart(run["over_time"], run["window"]["warm_up_s"], broken)
    if plot is None:
        return None
    scale = Scale.of(part["longest_s"] for part in run["over_time"])
    band_s = None if recovery is None else recovery["band_s"]
    usual = () if band_s is None else (Rule(at=scale(band_s), of="y", text="usual before", colour="grey"),)
    latencies, rates = plot.panels
    # what is usual, and many times that
    stretched = Panel(
        y=Axis(title=latencies.y.title, scale="log"), series=latencies.series, rules=usual, height=latencies.height
    )
    return Plot(x=plot.x, panels=(stretched, rates), shades=plot.shades)


def soak_chart(moments: Sequence[Data], trends: Mapping[str, Data]) -> Plot | None:
    """Latency and memory over a long steady load, with the slopes that were found."""
    if len(moments) < 2:
        return None
    scale = Scale.of(moment["latency_p99_s"] or moment["latency_p50_s"] for moment in moments)
    at_s = [moment["at_s"] for moment in moments]
    latency: list[Series] = []
    told: tuple[tuple[str, str, Colour], ...] = (
        ("latency_p99", "latency_p99_s", "orange"),
        ("latency_p50", "latency_p50_s", "blue"),
    )
    for metric, field, colour in told:
        name = metric.removeprefix("latency_")
        points = _timed(name, at_s, [moment[field] for moment in moments], scale)
        latency.append(Series(name=name, colour=colour, points=points, dots=True))
        if metric in trends:
            latency.append(_slope(trends[metric], at_s, scale.per_s, colour))
    panels = [Panel(y=_latency(scale), series=tuple(latency), height=220)]
    memory = [(time, moment["memory_bytes"]) for time, moment in zip(at_s, moments, strict=True)]
    known = [(time, value) for time, value in memory if value is not None]
    if known:
        points = tuple(
            Point(x=time, y=value / _MI, text=f"memory {format_bytes(value)} at {format_seconds(time)}")
            for time, value in known
        )
        series = [Series(name="memory", colour="green", points=points, dots=True)]
        if "memory" in trends:
            series.append(_slope(trends["memory"], at_s, 1.0 / _MI, "green"))
        panels.append(Panel(y=Axis(title="memory (Mi)", zero=True), series=tuple(series), height=170))
    return Plot(x=Axis(title="time since the soak began (s)", zero=True), panels=tuple(panels))


def curve_chart(curve: Sequence[Data], capacity: Data | None, bounds: Sequence[tuple[str, float]]) -> Plot | None:
    """Latency over the rate that was offered, with intervals; closed loops stand at what they achieved."""
    points = [window for window in curve if window["latency_s"]]
    if len(points) < 2:
        return None
    quantiles = [name for name in ("latency_p50", "latency_p99") if any(name in w["latency_s"] for w in points)]
    scale = Scale.of(
        window["latency_s"][name]["value"] for window in points for name in quantiles if name in window["latency_s"]
    )
    series = tuple(
        Series(name=name.removeprefix("latency_"), colour=colour, dots=True, points=curve_points(points, name, scale))
        for name, colour in zip(quantiles, SERIES, strict=False)
    )
    rules = [
        Rule(at=scale(bound), of="y", text=f"SLO: {level} within {format_seconds(bound)}")
        for level, bound in bounds
        if f"latency_{level}" in quantiles
    ]
    if capacity is not None:
        rules.append(Rule(at=capacity["value"], of="x", text="capacity", colour="grey"))
    y = Axis(title=f"latency ({scale.name})", scale="log")
    return Plot(x=OFFERED, panels=(Panel(y=y, series=series, rules=tuple(rules), height=_TALL),))


OFFERED = Axis(title="offered rate (requests/s)", zero=True)


def curve_points(
    windows: Sequence[Data], metric: str, scale: Scale, name: str = "", trial: int | None = None
) -> tuple[Point, ...]:
    """A quantile over the rate, of the windows that carry it."""
    quantile = name or metric.removeprefix("latency_")
    found = []
    for window in sorted(windows, key=lambda one: float(one["offered_rps"] or one["achieved_rps"])):
        if metric not in window["latency_s"]:
            continue
        estimate, rate = window["latency_s"][metric], window["offered_rps"] or window["achieved_rps"]
        closed = "" if window["offered_rps"] else ", a closed loop"
        found.append(
            Point(
                x=rate,
                y=scale(estimate["value"]),
                low=scale.end(estimate["low"]),
                high=scale.end(estimate["high"]),
                text=f"{quantile} {between(estimate, format_seconds)} at {format_rate(rate)}{closed}",
                trial=trial,
            )
        )
    return tuple(found)


def effects_chart(effects: Sequence[Data], smallest: float) -> Plot | None:
    """B / A of each metric with its interval; within the shade no difference matters to the user."""
    known = [effect for effect in reversed(effects) if effect["ratio"]["low"] is not None]
    if not known:
        return None
    words = tuple(effect["metric"].replace("_", " ") for effect in known)
    points = tuple(
        Point(
            x=effect["ratio"]["value"],
            y=float(place),
            x_low=effect["ratio"]["low"],
            x_high=effect["ratio"]["high"],
            text=f"{word}: B is {between(effect['ratio'], _times)} of A",
        )
        for place, (word, effect) in enumerate(zip(words, known, strict=True))
    )
    return Plot(
        x=Axis(title="B / A", scale="log"),
        shades=(Shade(low=1.0 / (1.0 + smallest), high=1.0 + smallest),),
        panels=(
            Panel(
                y=Axis(title="", scale="words", words=words),
                series=(Series(name="", colour="blue", line="none", dots=True, points=points),),
                rules=(Rule(at=1.0, of="x", colour="grey"),),
                height=30 + 36 * len(known),
            ),
        ),
    )


def pairs_chart(pairs: Sequence[tuple[float | None, float | None]], title: str, scale: Scale | None) -> Plot | None:
    """A metric of both sides, pair by pair."""
    known = [(float(number), a, b) for number, (a, b) in enumerate(pairs, 1) if a is not None and b is not None]
    if not known:
        return None
    unit = f" ({scale.name})" if scale is not None else ""
    sides: tuple[tuple[str, Colour], ...] = (("A", "orange"), ("B", "blue"))
    series = tuple(
        Series(
            name=side,
            colour=colour,
            line="dotted",
            dots=True,
            points=tuple(
                Point(
                    x=pair[0],
                    y=scale(value) if scale is not None else value,
                    text=f"{side}, pair {pair[0]:.0f}: {format_seconds(value) if scale is not None else f'{value:.4g}'}",
                )
                for pair in known
                for value in [pair[place]]
            ),
        )
        for place, (side, colour) in enumerate(sides, 1)
    )
    ticks = tuple((number, f"{number:.0f}") for number, _, _ in known)
    panel = Panel(y=Axis(title=f"{title}{unit}", zero=True), series=series)
    return Plot(x=Axis(title="pair", ticks=ticks), panels=(panel,))


def between(estimate: Data, told: Any) -> str:
    """A value with the interval that is known of it: ``11 ms (9.9 ms to 13.2 ms)``."""
    value, low, high = (None if estimate[end] is None else told(estimate[end]) for end in ("value", "low", "high"))
    if low == high:
        return str(value)
    return f"{value} ({low or '?'} to {high or '?'})"


def _times(ratio: float) -> str:
    return f"{ratio:.3f}"


def _name(number: int, of: int) -> str:
    return "latency" if of == 1 else f"start {number + 1}"


def _latency(scale: Scale) -> Axis:
    return Axis(title=f"latency ({scale.name})", zero=True)


def _levels(percentiles: Sequence[tuple[float, float]], scale: Scale) -> Iterator[Point]:
    # the slowest request's level is 1, which has no place on this axis: it is drawn where the next one would be
    furthest = max((1.0 / (1.0 - level) for level, _ in percentiles if level < 1.0), default=1.0)
    for level, value in percentiles:
        x = 1.0 / (1.0 - level) if level < 1.0 else 2.0 * furthest
        yield Point(x=x, y=scale(value), text=f"{level * 100:.6g} %: {format_seconds(value)}")


def _quantiles(window: Data, scale: Scale) -> tuple[Point, ...]:
    return quantile_points(window["latency_s"], scale)


def quantile_points(
    latency_s: Mapping[str, Data], scale: Scale, name: str = "", trial: int | None = None
) -> tuple[Point, ...]:
    """The quantiles of a window with their intervals, on the axis of levels."""
    return tuple(
        Point(
            x=level_of(metric),
            y=scale(estimate["value"]),
            low=scale.end(estimate["low"]),
            high=scale.end(estimate["high"]),
            text=f"{name}{metric.removeprefix('latency_')} {between(estimate, format_seconds)}",
            trial=trial,
        )
        for metric, estimate in latency_s.items()
        if metric.startswith("latency_")
    )


def _timed(name: str, at_s: Sequence[float], values_s: Sequence[float | None], scale: Scale) -> tuple[Point, ...]:
    return tuple(
        Point(x=time, y=scale(value), text=f"{name} {format_seconds(value)} at {format_seconds(time)}")
        for time, value in zip(at_s, values_s, strict=True)
        if value is not None
    )


def _rates(name: str, at_s: Sequence[float], rates: Sequence[float]) -> tuple[Point, ...]:
    return tuple(
        Point(x=time, y=rate, text=f"{name} {format_rate(rate)} at {format_seconds(time)}")
        for time, rate in zip(at_s, rates, strict=True)
    )


def _slope(found: Data, at_s: Sequence[float], per_unit: float, colour: Colour) -> Series:
    """The line of a trend, through its level in the middle of the points it is of."""
    end = at_s[-1]
    start = max(at_s[0], end - found["over_s"])
    half = found["per_s"]["value"] * (end - start) / 2
    ends = ((start, found["level"] - half), (end, found["level"] + half))
    points = tuple(Point(x=time, y=level * per_unit) for time, level in ends)
    return Series(name="", colour=colour, line="dotted", points=points)
