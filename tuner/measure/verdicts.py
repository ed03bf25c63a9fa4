"""What a load that changes proved, in words: fine, bad, or open."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.measure.breaking import Break, Climb
from tuner.measure.model import Window
from tuner.measure.shapes import Bursts, Recovery
from tuner.measure.slo import judge
from tuner.space.model import Constraint
from tuner.statistics.trend import LEAST, Trend
from tuner.units import format_metric, format_rate, format_ratio, format_seconds

SLIGHT = 0.01
"""Growth over a whole soak, as a share of the level, that is not worth a bad verdict."""

State = Literal["fine", "bad", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``undecided``: it could not be told, and the text says why."""

    what: str
    state: State
    text: str


def climb_verdicts(found: Climb | None, to_hold_rps: float | None) -> Iterator[Verdict]:
    if found is None:
        yield Verdict(
            what="breaking point", state="undecided", text="too few requests to tell: climb longer, or higher"
        )
        return
    first = found.breaks[0] if found.breaks else None
    if first is None:
        yield Verdict(what="breaking point", state="undecided", text="no bound applies")
        return
    yield Verdict(what="breaking point", state=_climb_state(first, to_hold_rps), text=first.text)
    most = f"at most {format_rate(found.most_rps)} were answered well, of up to {format_rate(found.to_rps)} offered"
    yield Verdict(what="throughput", state="fine" if found.most_rps > 0.0 else "bad", text=most)


def _climb_state(first: Break, to_hold_rps: float | None) -> State:
    """To break is what a climb is for; it is bad below a rate that has to be held."""
    if first.rate_rps is None:
        return "fine"
    if first.rate_rps <= first.lowest_rps:
        return "bad"
    return "bad" if to_hold_rps is not None and (first.high_rps or first.rate_rps) < to_hold_rps else "fine"


def recovery_verdict(found: Recovery) -> Verdict:
    states: dict[str, State] = {"recovered": "fine", "not disturbed": "fine", "not recovered": "bad"}
    return Verdict(what="recovery", state=states.get(found.state, "undecided"), text=found.text)


def bursts_verdict(found: Bursts) -> Verdict:
    state: State = "bad" if found.worsens else "undecided" if found.growth is None else "fine"
    return Verdict(what="bursts", state=state, text=found.text)


def slo_verdicts(window: Window, slo: Sequence[Constraint]) -> Iterator[Verdict]:
    """None without an SLO that holds."""
    judgement = judge(window, slo)
    if slo or judgement.state == "broken":
        states: dict[str, State] = {"met": "fine", "broken": "bad"}
        yield Verdict(what="slo", state=states.get(judgement.state, "undecided"), text=judgement.reason)


def trend_verdicts(trends: Mapping[str, Trend], measured: Collection[str]) -> Iterator[Verdict]:
    """`measured`: metrics that were measured, whether enough for a trend or not."""
    for metric in measured:
        if metric in trends:
            yield _trend_verdict(metric, trends[metric])
        else:
            few = f"too few windows of the soak have it, {LEAST} are needed: soak longer, or at a higher rate"
            yield Verdict(what=metric, state="undecided", text=few)


def _trend_verdict(metric: str, found: Trend) -> Verdict:
    unit = "bytes" if metric == "memory" else "seconds"

    def an_hour(slope: float | None) -> str:
        return "?" if slope is None else ("-" if slope < 0 else "") + format_metric(unit, abs(slope) * 3600.0)

    slope = found.per_s
    grown = slope.value * found.over_s / found.level if found.level > 0.0 else 0.0
    level = format_metric(unit, found.level)
    rate = f"{an_hour(slope.value)} an hour ({an_hour(slope.low)} to {an_hour(slope.high)}), around {level}"
    if found.grows and grown >= SLIGHT:
        return Verdict(
            what=metric, state="bad", text=f"grows by {rate}: {format_ratio(grown)} in {format_seconds(found.over_s)}"
        )
    if found.grows:
        return Verdict(what=metric, state="fine", text=f"grows slightly: {rate}")
    return Verdict(what=metric, state="fine", text=f"{'falls' if found.falls else 'no certain trend'}: {rate}")
