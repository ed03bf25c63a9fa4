"""Pictures as SVG text, which MLflow shows inline: the front, what mattered, latency against rate. Pure.

Plain shapes on a white ground, readable in its light and its dark pages; all text in them is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise, zip_longest
from typing import Any

from tuner.measure.model import Measurement
from tuner.record.mlflow.metrics import in_its_unit, metric_name
from tuner.study.model import Summary

_WIDE, _HIGH = 720, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 24, 40, 56
_INK, _FAINT, _GRID = "#1f2933", "#52606d", "#e4e7eb"
_CHOSEN, _FRONT, _OTHER, _BASELINE = "#b44d12", "#0b69a3", "#9aa5b1", "#6b2fa0"
_TICKS = 5
_MOST_BARS = 12

Point = tuple[float, float]


def front_picture(summary: Summary) -> str:
    """What was measured in the first two objectives, with the front, the choice and the baseline; empty: there are not
    two, or nothing was measured."""
    if len(summary.start.objectives) < 2:
        return ""
    across, up = (one.metric for one in summary.start.objectives[1::-1])
    known = {
        one.trial: (in_its_unit(across, one.metrics[across]), in_its_unit(up, one.metrics[up]))
        for one in (*summary.candidates, *summary.front.members)
        if across in one.metrics and up in one.metrics
    }
    if not known:
        return ""
    chart = _Chart("The Pareto front", metric_name(across), metric_name(up), list(known.values()))
    best_last = summary.start.objectives[1].direction == "maximize"
    front = sorted({known[one.trial] for one in summary.front.members if one.trial in known}, reverse=best_last)
    chart.line(_steps(front), _FRONT)
    members = {one.trial for one in summary.front.members}
    chosen = summary.choice.candidate.trial if summary.choice else None
    for number, point in known.items():
        colour = _CHOSEN if number == chosen else _FRONT if number in members else _OTHER
        colour = _BASELINE if number == summary.baseline and number != chosen else colour
        label = "chosen" if number == chosen else "baseline" if number == summary.baseline else ""
        chart.dot(point, colour, f"trial {number}", f"{label} {number}".strip() if label or number in members else "")
    return chart.text()


def curve_picture(measurement: Measurement, metrics: Sequence[str], bounds: Mapping[str, float]) -> str:
    """Latency against the offered rate, a line a metric of `metrics` that was measured; `bounds` in SI units, dashed."""
    lines = {
        metric: [
            (window.offered_rps, in_its_unit(metric, window.latency_s[metric].value))
            for window in measurement.curve
            if window.offered_rps > 0.0 and metric in window.latency_s
        ]
        for metric in metrics
    }
    points = [point for line in lines.values() for point in line]
    if not points:
        return ""
    chart = _Chart("Latency against the offered rate", "offered_rps", "ms", points, zero=True)
    for (metric, line), colour in zip(lines.items(), (_FRONT, _CHOSEN, _BASELINE, _OTHER), strict=False):
        chart.line(line, colour)
        for point in line:
            chart.dot(point, colour, f"{metric}: {point[1]:.4g} ms at {point[0]:.4g}/s", "")
        if line:
            chart.label(line[-1], metric, colour)
    for metric, bound in bounds.items():
        chart.level(in_its_unit(metric, bound), f"bound of {metric}")
    return chart.text()


def importance_picture(knowledge: Mapping[str, Any] | None) -> str:
    """Which knob explains how much of each metric; empty: nothing is told of it."""
    if not knowledge or knowledge["too_few"]:
        return ""
    bars = [
        (matter["metric"], part["knob"], float((part["in_all"] or part["alone"])["value"]))
        for matter in knowledge["matters"]
        for part in matter["knobs"][:_MOST_BARS]
    ]
    return _bars("What mattered: share of each metric that a knob explains", bars)


def _steps(front: Sequence[Point]) -> list[Point]:
    """Between two points of a front, the best one first, there is nothing but what the first of them gives."""
    corners = [(after[0], before[1]) for before, after in pairwise(front)]
    return [point for pair in zip_longest(front, corners) for point in pair if point is not None]


def _bars(title: str, bars: Sequence[tuple[str, str, float]]) -> str:
    if not bars:
        return ""
    step, left = 22, 210
    rows, y, last = [], 56, ""
    for metric, knob, share in bars:
        if metric != last:
            y += 10
            rows.append(_text(16, y + 4, metric, _INK, bold=True))
            y, last = y + step, metric
        wide = max(1.0, min(share, 1.0) * (_WIDE - left - 90))
        rows.append(_text(left - 8, y + 4, knob, _FAINT, anchor="end"))
        rows.append(f'<rect x="{left}" y="{y - 8}" width="{wide:.1f}" height="14" rx="2" fill="{_FRONT}"/>')
        rows.append(_text(left + wide + 8, y + 4, f"{share * 100:.2g} %", _INK))
        y += step
    return _svg(title, y + 8, rows)


class _Chart:
    """A chart of points, with axes that begin at nice numbers."""

    def __init__(self, title: str, across: str, up: str, points: Sequence[Point], *, zero: bool = False) -> None:
        self._title = title
        self._x = _ticks([x for x, _ in points], zero=zero)
        self._y = _ticks([y for _, y in points], zero=zero)
        self._shapes: list[str] = []
        for tick in self._y:
            _, y = self._place((self._x[0], tick))
            self._shapes.append(_stroke(_LEFT, y, _WIDE - _RIGHT, y, _GRID))
            self._shapes.append(_text(_LEFT - 8, y + 4, f"{tick:.6g}", _FAINT, anchor="end"))
        for tick in self._x:
            x, _ = self._place((tick, self._y[0]))
            self._shapes.append(_text(x, _HIGH - _BOTTOM + 20, f"{tick:.6g}", _FAINT, anchor="middle"))
        self._shapes.append(_text(_WIDE - _RIGHT, _HIGH - 14, across, _INK, anchor="end"))
        self._shapes.append(_text(_LEFT, _TOP + 2, up, _INK))

    def line(self, points: Sequence[Point], colour: str) -> None:
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self._place, points))
        self._shapes.append(f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.5"/>')

    def dot(self, point: Point, colour: str, told: str, label: str) -> None:
        x, y = self._place(point)
        title = f"<title>{escape(told)}</title>"
        self._shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}">{title}</circle>')
        if label:
            self.label(point, label, colour)

    def label(self, point: Point, label: str, colour: str) -> None:
        x, y = self._place(point)
        anchor, x = ("end", x - 9) if x > _WIDE - 150 else ("start", x + 9)
        self._shapes.append(_text(x, y - 7, label, colour, anchor=anchor))

    def level(self, value: float, label: str) -> None:
        if not self._y[0] <= value <= self._y[-1]:
            return
        _, y = self._place((self._x[0], value))
        self._shapes.append(_stroke(_LEFT, y, _WIDE - _RIGHT, y, _CHOSEN, dashed=True))
        self._shapes.append(_text(_WIDE - _RIGHT, y - 5, label, _CHOSEN, anchor="end"))

    def text(self) -> str:
        return _svg(self._title, _HIGH, self._shapes)

    def _place(self, point: Point) -> Point:
        x, y = point
        wide, high = _WIDE - _LEFT - _RIGHT, _HIGH - _TOP - _BOTTOM - 12
        part_x = (x - self._x[0]) / (self._x[-1] - self._x[0])
        part_y = (y - self._y[0]) / (self._y[-1] - self._y[0])
        return _LEFT + part_x * wide, _HIGH - _BOTTOM - part_y * high


def _ticks(values: Sequence[float], *, zero: bool) -> list[float]:
    """Round numbers, at least two, from below the least to above the most."""
    low, high = (0.0 if zero else min(values)), max(values)
    if high <= low:
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1.0, 2.0, 2.5, 5.0, 10.0) if size * power >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, last + 1)]


def _svg(title: str, high: float, shapes: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {high:.0f}" width="{_WIDE}" height="{high:.0f}"'
        f' role="img" aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="12">'
    )
    ground = f'<rect width="100%" height="100%" fill="#ffffff"/>{_text(16, 22, title, _INK, bold=True)}'
    return f"{head}{ground}{''.join(shapes)}</svg>\n"


def _stroke(x1: float, y1: float, x2: float, y2: float, colour: str, *, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dash}/>'


def _text(x: float, y: float, text: str, colour: str, *, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="600" font-size="14"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'
