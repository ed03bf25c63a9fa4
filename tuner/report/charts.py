"""Charts of measured results as plain Plotly figures (data and layout), from the plain data of a result.

Colours that must follow the reader's light or dark theme are left to the page; axes say their units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Data = Mapping[str, Any]
Figure = dict[str, Any]

BLUE, ORANGE, GREEN, PURPLE, RED, GREY = "#4285d6", "#e07b2e", "#2f9e6c", "#8f6bd8", "#d64a55", "#8b95a5"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, RED, GREY)
_MI = 1 << 20
_LEVELS = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)


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

    def __call__(self, value_s: float | None) -> float | None:
        return None if value_s is None else value_s * self.per_s


def percentile_chart(starts: Sequence[Data], bounds: Sequence[tuple[str, float]]) -> Figure | None:
    """Latency over its level, the tail stretched out: the x axis is even in the logarithm of 1 / (1 - level).

    `starts` hold `percentiles` and a `window` with intervals; `bounds` are those of the SLO on latencies, (level as
    text, seconds). None: there is nothing to draw.
    """
    drawn = [start for start in starts if start["percentiles"]]
    if not drawn:
        return None
    scale = Scale.of(value for start in drawn for _, value in start["percentiles"])
    data = []
    for number, start in enumerate(drawn):
        below = [1.0 / (1.0 - level) for level, _ in start["percentiles"] if level < 1.0]
        # the slowest request's level is 1, which has no place on this axis: it is drawn where the next one would be
        places = below + [2.0 * max(below, default=1.0)] * (len(start["percentiles"]) - len(below))
        data.append(
            {
                **_line(_name(number, len(drawn)), SERIES[number % len(SERIES)]),
                "x": places,
                "y": [scale(value) for _, value in start["percentiles"]],
                "customdata": [f"{level * 100:.6g} %" for level, _ in start["percentiles"]],
                "hovertemplate": f"%{{customdata}}: %{{y:.4g}} {scale.name}<extra></extra>",
            }
        )
        data.append(_intervals(start["window"]["latency_s"], scale, SERIES[number % len(SERIES)]))
    for level, bound in bounds:
        data.append(
            _marker(f"bound on {level}", 1.0 / (1.0 - float(level.removeprefix("p")) / 100), scale(bound), scale)
        )
    ticks = [1.0 / (1.0 - level) for level in _LEVELS]
    layout = {
        "xaxis": {
            "type": "log",
            "title": {"text": "share of requests that were at least as fast"},
            "tickvals": ticks,
            "ticktext": [f"{level * 100:.6g} %" for level in _LEVELS],
        },
        "yaxis": {"title": {"text": f"latency ({scale.name})"}, "rangemode": "tozero"},
    }
    return {"data": data, "layout": layout}


def over_time_chart(slices: Sequence[Data], warm_up_s: float) -> Figure | None:
    """Latencies and rates over the window; what was cut as warm-up is shaded."""
    if not slices:
        return None
    scale = Scale.of(part["longest_s"] for part in slices)
    middles = [(part["start_s"] + part["end_s"]) / 2 for part in slices]
    latencies = (("slowest", "longest_s", GREY), ("p90", "p90_s", ORANGE), ("p50", "p50_s", BLUE))
    rates = (("due", "due_rps", GREY), ("answered well", "good_rps", GREEN))
    data: list[Figure] = [
        {**_line(name, colour), "x": middles, "y": [scale(part[key]) for part in slices]}
        for name, key, colour in latencies
    ]
    data += [
        {**_line(name, colour), "x": middles, "y": [part[key] for part in slices], "yaxis": "y2"}
        for name, key, colour in rates
    ]
    if any(part["errors"] for part in slices):
        failed = [part["errors"] / (part["end_s"] - part["start_s"]) for part in slices]
        data.append({**_line("failed", RED), "x": middles, "y": failed, "yaxis": "y2"})
    layout = {
        "xaxis": {"title": {"text": "time in the window (s)"}, "anchor": "y2", "rangemode": "tozero"},
        "yaxis": {"title": {"text": f"latency ({scale.name})"}, "domain": [0.42, 1.0], "rangemode": "tozero"},
        "yaxis2": {"title": {"text": "requests/s"}, "domain": [0.0, 0.34], "rangemode": "tozero"},
        "shapes": [_shade(0.0, warm_up_s)] if warm_up_s > 0.0 else [],
        "height": 460,
    }
    return {"data": data, "layout": layout}


def load_chart(run: Data) -> Figure | None:
    """A load that changes, over time: the latency that was usual before it, and the rates at which bounds broke."""
    figure = over_time_chart(run["over_time"], run["window"]["warm_up_s"])
    if figure is None:
        return None
    scale = Scale.of(part["longest_s"] for part in run["over_time"])
    figure["layout"]["yaxis"] |= {"type": "log", "dtick": 1}  # what is usual, and many times that
    shapes = figure["layout"]["shapes"]
    recovery, climb = run["recovery"], run["climb"]
    if recovery is not None and recovery["band_s"] is not None:
        shapes.append(_across(scale(recovery["band_s"]), "usual before", GREY))
    for broken in climb["breaks"] if climb is not None else ():
        if broken["rate_rps"] is not None:
            shapes.append({**_across(broken["rate_rps"], f"{broken['bound']} broke", RED), "yref": "y2"})
    return figure


def soak_chart(moments: Sequence[Data], trends: Mapping[str, Data]) -> Figure | None:
    """Latency and memory over a long steady load, with the slopes that were found."""
    if len(moments) < 2:
        return None
    scale = Scale.of(moment["latency_p99_s"] or moment["latency_p50_s"] for moment in moments)
    at_s = [moment["at_s"] for moment in moments]
    data: list[Figure] = []
    for metric, field, colour in (("latency_p99", "latency_p99_s", ORANGE), ("latency_p50", "latency_p50_s", BLUE)):
        values = [scale(moment[field]) for moment in moments]
        data.append({**_line(metric.removeprefix("latency_"), colour, "lines+markers"), "x": at_s, "y": values})
        if metric in trends:
            data.append(_slope(trends[metric], at_s, scale.per_s, colour))
    layout: Figure = {
        "xaxis": {"title": {"text": "time since the soak began (s)"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": f"latency ({scale.name})"}, "rangemode": "tozero"},
    }
    if any(moment["memory_bytes"] is not None for moment in moments):
        memory = [None if moment["memory_bytes"] is None else moment["memory_bytes"] / _MI for moment in moments]
        data.append({**_line("memory", GREEN, "lines+markers"), "x": at_s, "y": memory, "yaxis": "y2"})
        if "memory" in trends:
            data.append({**_slope(trends["memory"], at_s, 1.0 / _MI, GREEN), "yaxis": "y2"})
        layout["xaxis"]["anchor"] = "y2"
        layout["yaxis"]["domain"] = [0.42, 1.0]
        layout["yaxis2"] = {"title": {"text": "memory (Mi)"}, "domain": [0.0, 0.34], "rangemode": "tozero"}
        layout["height"] = 460
    return {"data": data, "layout": layout}


def curve_chart(curve: Sequence[Data], capacity: Data | None, bounds: Sequence[tuple[str, float]]) -> Figure | None:
    """Latency over the rate that was offered, with intervals; closed loops stand at what they achieved."""
    points = [window for window in curve if window["latency_s"]]
    if len(points) < 2:
        return None
    quantiles = [name for name in ("latency_p50", "latency_p99") if any(name in w["latency_s"] for w in points)]
    scale = Scale.of(
        window["latency_s"][name]["value"] for window in points for name in quantiles if name in window["latency_s"]
    )
    data = []
    for name, colour in zip(quantiles, SERIES, strict=False):
        there = [window for window in points if name in window["latency_s"]]
        estimates = [window["latency_s"][name] for window in there]
        data.append(
            {
                **_line(name.removeprefix("latency_"), colour, mode="lines+markers"),
                "x": [window["offered_rps"] or window["achieved_rps"] for window in there],
                "y": [scale(estimate["value"]) for estimate in estimates],
                "error_y": _error_bars(estimates, scale),
                "customdata": ["closed loop" if not window["offered_rps"] else "" for window in there],
                "hovertemplate": f"%{{x:.4g}}/s: %{{y:.4g}} {scale.name} %{{customdata}}<extra>%{{fullData.name}}</extra>",
            }
        )
    shapes = [_across(scale(bound)) for level, bound in bounds if f"latency_{level}" in quantiles]
    if capacity is not None:
        shapes.append(
            {**_upright(capacity["value"]), "label": {"text": "capacity", "textposition": "end", "textangle": 0}}
        )
    layout = {
        "xaxis": {"title": {"text": "offered rate (requests/s)"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": f"latency ({scale.name})"}, "type": "log", "dtick": "D2"},
        "shapes": shapes,
    }
    return {"data": data, "layout": layout}


def effects_chart(effects: Sequence[Data], smallest: float) -> Figure | None:
    """B / A of each metric with its interval; between the shades no difference matters to the user."""
    known = [effect for effect in reversed(effects) if effect["ratio"]["low"] is not None]
    if not known:
        return None
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "marker": {"color": BLUE, "size": 10},
            "x": [effect["ratio"]["value"] for effect in known],
            "y": [effect["metric"].replace("_", " ") for effect in known],
            "error_x": {**_error_bars([effect["ratio"] for effect in known], None), "color": BLUE},
            "hovertemplate": "%{y}: B is %{x:.4g} of A<extra></extra>",
            "showlegend": False,
        }
    ]
    layout = {
        "xaxis": {"title": {"text": "B / A"}, "type": "log"},
        "yaxis": {"automargin": True},
        "shapes": [_shade(1.0 / (1.0 + smallest), 1.0 + smallest), _upright(1.0)],
        "height": 120 + 44 * len(known),
    }
    return {"data": data, "layout": layout}


def pairs_chart(pairs: Sequence[tuple[float | None, float | None]], title: str, scale: Scale | None) -> Figure | None:
    """A metric of both sides, pair by pair."""
    known = [(number, a, b) for number, (a, b) in enumerate(pairs, 1) if a is not None and b is not None]
    if not known:
        return None
    draw = scale or (lambda value: value)
    numbers = [number for number, _, _ in known]
    data = [
        {
            **_line(side, colour, mode="lines+markers"),
            "x": numbers,
            "y": [draw(pair[place]) for pair in known],
            "line": {"color": colour, "width": 1, "dash": "dot"},
            "marker": {"size": 9},
        }
        for place, side, colour in ((1, "A", ORANGE), (2, "B", BLUE))
    ]
    unit = f" ({scale.name})" if scale is not None else ""
    layout = {
        "xaxis": {"title": {"text": "pair"}, "dtick": 1 if len(known) < 30 else None},
        "yaxis": {"title": {"text": f"{title}{unit}"}, "rangemode": "tozero"},
    }
    return {"data": data, "layout": layout}


def _name(number: int, of: int) -> str:
    return "latency" if of == 1 else f"start {number + 1}"


def _line(name: str, colour: str, mode: str = "lines") -> Figure:
    return {"type": "scatter", "mode": mode, "name": name, "line": {"color": colour, "width": 2}}


def _intervals(estimates: Mapping[str, Data], scale: Scale, colour: str) -> Figure:
    latency_s = {name: estimate for name, estimate in estimates.items() if name.startswith("latency_")}
    levels = [float(name.removeprefix("latency_p")) / 100 for name in latency_s]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "95 % interval",
        "showlegend": False,
        "marker": {"color": colour, "size": 7},
        "x": [1.0 / (1.0 - level) for level in levels],
        "y": [scale(estimate["value"]) for estimate in latency_s.values()],
        "error_y": {**_error_bars(list(latency_s.values()), scale), "color": colour},
        "hoverinfo": "skip",
    }


def _error_bars(estimates: Sequence[Data], scale: Scale | None) -> Figure:
    """An end that is not known is drawn as none."""
    per_s = scale.per_s if scale is not None else 1.0

    def reach(estimate: Data, end: str) -> float:
        return 0.0 if estimate[end] is None else abs(estimate[end] - estimate["value"]) * per_s

    return {
        "type": "data",
        "symmetric": False,
        "array": [reach(estimate, "high") for estimate in estimates],
        "arrayminus": [reach(estimate, "low") for estimate in estimates],
        "thickness": 1.5,
        "width": 4,
    }


def _marker(name: str, x: float, y: float | None, scale: Scale) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [x],
        "y": [y],
        "marker": {"symbol": "line-ew-open", "size": 26, "color": RED, "line": {"width": 3, "color": RED}},
        "hovertemplate": f"{name}: %{{y:.4g}} {scale.name}<extra></extra>",
    }


def _shade(start: float, end: float) -> Figure:
    place = {"type": "rect", "xref": "x", "yref": "paper", "x0": start, "x1": end, "y0": 0, "y1": 1}
    return {**place, "fillcolor": GREY, "opacity": 0.16, "line": {"width": 0}, "layer": "below"}


def _upright(x: float) -> Figure:
    place = {"type": "line", "xref": "x", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1}
    return {**place, "line": {"color": GREY, "width": 1.5, "dash": "dash"}}


def _across(y: float | None, text: str = "SLO", colour: str = RED) -> Figure:
    place = {"type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": y, "y1": y}
    label = {"text": text, "textposition": "start", "yanchor": "top"}
    return {**place, "line": {"color": colour, "width": 1.5, "dash": "dash"}, "label": label}


def _slope(found: Data, at_s: Sequence[float], per_unit: float, colour: str) -> Figure:
    """The line of a trend, through its level in the middle of the points it is of."""
    end = at_s[-1]
    start = max(at_s[0], end - found["over_s"])
    half = found["per_s"]["value"] * (end - start) / 2
    return {
        **_line("trend", colour),
        "line": {"color": colour, "width": 1.5, "dash": "dot"},
        "showlegend": False,
        "hoverinfo": "skip",
        "x": [start, end],
        "y": [(found["level"] - half) * per_unit, (found["level"] + half) * per_unit],
    }
