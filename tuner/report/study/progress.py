"""The charts of the study's course: the best so far over trials and over time, and how fast the machine was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from tuner.report.plot import Axis, Chart, Colour, Panel, Plot, Point, Rule, Series
from tuner.report.study.axes import metric_axis
from tuner.report.study.found import Found, name, speed_of
from tuner.space.metrics import METRICS
from tuner.trials.model import Trial
from tuner.units import format_ratio, format_seconds


def best_charts(found: Found) -> Iterator[Chart]:
    """Every measured trial in the first objective, and the best that met the SLO: over trials, and over time."""
    metric = found.summary.start.objectives[0].metric
    told = [
        (trial, trial.measurement.metrics()[metric])
        for trial in found.summary.trials
        if trial.measurement is not None and metric in trial.measurement.metrics()
    ]
    if len(told) < 2:
        return
    axis, times = metric_axis(metric, [value for _, value in told], found.currency)
    values = [value * times for _, value in told]
    trials = [trial for trial, _ in told]
    minutes = [_ended_min(found, trial) for trial in trials]
    met = " of those that met the SLO" if found.summary.start.slo else ""
    says = f"A dot is a trial as it was measured; the line is the best so far{met}."
    for title, x, at in (
        ("Best so far over trials", "trial", [float(trial.number) for trial in trials]),
        ("Best so far over time", "minutes since the study began", minutes),
    ):
        yield Chart(
            title=title,
            says=says,
            plot=Plot(x=Axis(title=x), panels=(Panel(y=axis, series=_course(found, metric, trials, values, at)),)),
        )
        says = "The same by the clock."


def machine_chart(found: Found) -> Chart | None:
    """How fast the machine was during each trial that measured, 100 % that of a quiet one."""
    told = [(trial, speed) for trial in found.summary.trials if (speed := speed_of(trial)) is not None]
    if len(told) < 2:
        return None
    points = tuple(
        Point(
            x=_ended_min(found, trial),
            y=speed * 100.0,
            text=f"{format_ratio(speed)} during trial {trial.number} ({trial.purpose})",
            trial=trial.number,
        )
        for trial, speed in told
    )
    series = Series(name="", colour="blue", dots=True, points=points)
    panel = Panel(
        y=Axis(title="speed (% of a quiet machine)"),
        series=(series,),
        rules=(Rule(at=100.0, of="y", text="quiet", colour="grey"),),
        height=200,
    )
    says = (
        "A slow machine measures slow servers. Windows that were disturbed are measured again where there is time; what the "
        "search makes of the rest, it corrects by this speed."
    )
    return Chart(
        title="The machine's speed",
        says=says,
        plot=Plot(x=Axis(title="minutes since the study began"), panels=(panel,)),
    )


def _course(
    found: Found, metric: str, trials: Sequence[Trial], values: Sequence[float], at: Sequence[float]
) -> tuple[Series, ...]:
    met: list[Point] = []
    missed: list[Point] = []
    line: list[Point] = []
    sign = 1.0 if METRICS[metric].better == "maximize" else -1.0
    for trial, value, x in zip(trials, values, at, strict=True):
        measured = trial.measurement.metrics()[metric] if trial.measurement is not None else 0.0
        text = f"trial {trial.number} ({trial.purpose}): {name(metric)} {found.amount(metric, measured)}"
        if not trial.feasible:
            missed.append(Point(x=x, y=value, text=f"{text}, misses the SLO", mark="open", trial=trial.number))
            continue
        met.append(Point(x=x, y=value, text=text, trial=trial.number))
        if not line or sign * value > sign * line[-1].y:
            line.append(Point(x=x, y=value))
    if line:
        line.append(Point(x=max(at), y=line[-1].y))
    return (
        Series(name="best so far", colour="green", line="steps", points=tuple(line)),
        *(() if not missed else (_dots("misses the SLO", "grey", missed),)),
        *(() if not met else (_dots(found.well, "blue", met),)),
    )


def _dots(called: str, colour: Colour, points: Sequence[Point]) -> Series:
    return Series(name=called, colour=colour, line="none", dots=True, points=tuple(points))


def _ended_min(found: Found, trial: Trial) -> float:
    began = datetime.fromisoformat(found.summary.start.started_at)
    return ((trial.started_at - began).total_seconds() + trial.duration_s) / 60.0


def lasted_text(found: Found) -> str:
    """How long the study took so far; empty before its first trial."""
    return format_seconds(max(_ended_min(found, one) for one in found.summary.trials) * 60) if found.trials else ""
