"""What is told of a deployment's metrics: over all its starts that count, and in words. The annotations of the exported
manifest and the report state the same numbers by it."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.space.metrics import METRICS
from tuner.statistics.model import Estimate
from tuner.study.candidates import pooled, replicates, reported
from tuner.study.model import Summary
from tuner.units import format_metric, least


def of_candidates(summary: Summary) -> Mapping[int, Mapping[str, Estimate]]:
    """By the number of each candidate."""
    groups = replicates(summary.trials)
    digests = {trial.number: trial.manifest_digest for trial in summary.trials}
    return {one.trial: pooled(reported(groups[digests[one.trial]])) for one in summary.candidates}


def figure_text(metric: str, estimate: Estimate, currency: str) -> str:
    """``11 ms (9.9 ms to 13.2 ms)``; ``>= 120/s``: a lower bound."""
    unit = METRICS[metric].unit
    text = format_metric(unit, estimate.value, currency)
    if estimate.is_least:
        return least(text)
    if estimate.low is None and estimate.high is None:
        return text
    low, high = (
        "?" if bound is None else format_metric(unit, bound, currency) for bound in (estimate.low, estimate.high)
    )
    return text if low == high == text else f"{text} ({low} to {high})"
