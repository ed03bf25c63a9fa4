"""Restarts of one configuration as one, how far they differ, and whether two configurations differ by more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Literal

from tuner.space.metrics import Direction
from tuner.statistics.model import Estimate

Verdict = Literal["better", "worse", "no difference", "undecided"]


def pool(restarts: Sequence[Estimate]) -> Estimate:
    """Of one restart as it was measured; of several the median, with the range over all of them and their intervals."""
    if len(restarts) == 1:
        return restarts[0]
    ends = [end for one in restarts for end in (one.low, one.value, one.high) if end is not None]
    return Estimate(
        value=median(one.value for one in restarts),
        low=min(ends),
        high=max(ends),
        is_least=any(one.is_least for one in restarts),
    )


def noise_floor(replicates: Iterable[Sequence[float]]) -> float | None:
    """Largest ratio between restarts of one configuration (1.0: none differed).

    `replicates` holds one sequence a configuration: a metric's value at each restart. None: nothing was measured
    twice, or a ratio does not exist because only some of the values are 0.
    """
    largest: float | None = None
    for values in replicates:
        if len(values) < 2:
            continue
        low, high = min(values), max(values)
        if low <= 0.0 and low != high:
            return None
        ratio = 1.0 if low == high else high / low
        largest = ratio if largest is None else max(largest, ratio)
    return largest


def noise_floors(replicates: Sequence[Mapping[str, Sequence[float]]], metrics: Iterable[str]) -> dict[str, float]:
    """`noise_floor` by metric, of one mapping a configuration; absent where there is none."""
    floors = {metric: noise_floor([values.get(metric, ()) for values in replicates]) for metric in metrics}
    return {metric: floor for metric, floor in floors.items() if floor is not None}


def compare(baseline: Sequence[float], chosen: Sequence[float], better: Direction, floor: float | None) -> Verdict:
    """Whether `chosen` beats `baseline` in a metric, by its values at each restart of both.

    A difference counts when the ratio of the medians exceeds the noise floor and the two ranges do not overlap.
    ``undecided``: no noise floor, no value on one side, or no ratio because a median is 0 and the other is not.
    """
    if floor is None or not baseline or not chosen:
        return "undecided"
    before, after = median(baseline), median(chosen)
    if before == after:
        return "no difference"
    if before <= 0.0 or after <= 0.0:
        return "undecided"
    overlap = max(baseline) >= min(chosen) and max(chosen) >= min(baseline)
    if overlap or max(before, after) / min(before, after) <= floor:
        return "no difference"
    return "better" if (after > before) == (better == "maximize") else "worse"
