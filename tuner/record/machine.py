"""How fast the machine was, in words: over a study, and beside what a trial measured. Plain text."""

from __future__ import annotations

from statistics import median

from tuner.record.wording import currency_of, ratio_text, trials_text
from tuner.search.drift import MOST, Proportional, corrected
from tuner.search.model import Observation
from tuner.space.metrics import METRICS
from tuner.study.model import Summary
from tuner.study.summary import compared
from tuner.study.wandering import Wandering, wandering
from tuner.trials.model import Trial, measured
from tuner.units import format_metric, format_ratio, format_seconds

_QUIET = 0.9
"""From here on a machine is told of in one line: it takes less away than restarts of one configuration differ by."""


def machine_lines(summary: Summary) -> list[str]:
    """How fast the machine was over the study, what was measured again for it, and what that changes: raw and corrected
    side by side. Nothing is said of a machine that nobody looked at."""
    found = wandering(summary.trials, summary.start)
    slowest, fastest, usual = found.slowest, found.fastest, found.usual
    if slowest is None or fastest is None or usual is None:
        return []
    lines = [f"the machine: {_speeds(slowest, fastest, usual)} of its quiet speed; {_measured_again(found)}"]
    if slowest > _QUIET:
        return lines
    for metric, spread in found.baseline.items():
        if metric in compared(summary.start):
            lines.append(
                f"the baseline's {spread.restarts} measurements differ by {ratio_text(spread.raw)} in {metric}, and by "
                f"{ratio_text(spread.corrected)} with the machine's speed taken out"
            )
    chosen = None if summary.choice is None else summary.choice.candidate.trial
    for name, number in (("chosen", chosen), ("baseline", summary.baseline)):
        if number is not None and (told := _corrections(summary, found, number)):
            lines.append(f"{name} (trial {number}), as measured and as on a quiet machine: {told}")
    if found.stands:
        lines.append(
            f"disturbed, and not measured again in time: {trials_text(found.stands)}; the search knows how fast the "
            "machine was"
        )
    if found.mistrusted:
        lines.append(
            f"{trials_text(found.mistrusted)}: corrected by more than {ratio_text(MOST)}, which is not to be trusted. "
            "What would help: end other programs on the servers' CPUs, a machine or node of its own, or measuring later"
        )
    return lines


def corrected_text(trial: Trial, metric: str) -> str:
    """`` → 540/s``: the value as on a quiet machine, in proportion to its speed; empty: that is the value itself."""
    measurement = trial.measurement
    if measurement is None or metric not in measurement.metrics():
        return ""
    seen = Observation(
        configuration=trial.configuration,
        metrics={metric: measurement.metrics()[metric]},
        speed=measurement.speed_of(metric),
    )
    value = corrected(seen, Proportional()).get(metric)
    if value is None or value.factor == 1.0 or (measurement.speed_of(metric) or 1.0) > _QUIET:
        return ""
    doubt = "" if value.trusted else "?"
    return f" → {format_metric(METRICS[metric].unit, value.corrected, measurement.currency)}{doubt}"


def speed_text(trial: Trial) -> str:
    """``53 %``: of the machine's quiet speed; empty: nobody looked."""
    found = measured(trial)
    return "" if found is None or found.speed is None else format_ratio(found.speed)


def is_disturbed(trial: Trial) -> bool:
    """The machine was not as fast as it can be."""
    found = measured(trial)
    return found is not None and found.speed is not None and found.speed <= _QUIET


def _speeds(slowest: float, fastest: float, usual: float) -> str:
    low, high = format_ratio(slowest), format_ratio(fastest)
    return low if low == high else f"{low} to {high} (mostly {format_ratio(usual)})"


def _measured_again(found: Wandering) -> str:
    again, references = found.count("again"), found.count("reference")
    took = f", {format_seconds(found.put_back_s)} with the waiting" if found.put_back_s else ""
    parts = [f"{_counted(found.put_back, 'window')} put back and measured again{took}"]
    if again:
        parts.append(f"{_counted(again, 'trial')} measured again")
    if references:
        parts.append(_counted(references, "reference"))
    return "; ".join(parts)


def _corrections(summary: Summary, found: Wandering, number: int) -> str:
    """The medians of a deployment's restarts in what is compared: ``throughput 286/s → 540/s``."""
    digests = {trial.number: trial.manifest_digest for trial in summary.trials}
    same = [one for one in found.during if digests[one.trial] == digests[number] and one.purpose != "reference"]
    told = []
    for metric in compared(summary.start):
        values = [one.metrics[metric] for one in same if metric in one.metrics]
        if not any(value.worth_showing for value in values):
            continue
        unit, currency = METRICS[metric].unit, currency_of(summary.trials)
        raw, quiet = median(value.raw for value in values), median(value.corrected for value in values)
        told.append(f"{metric} {format_metric(unit, raw, currency)} → {format_metric(unit, quiet, currency)}")
    return ", ".join(told)


def _counted(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"
