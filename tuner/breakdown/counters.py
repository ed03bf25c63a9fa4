"""What servers count of themselves, before and after a window: the difference is what happened in it.

The arithmetic of Prometheus' ``increase`` and ``histogram_quantile`` (its documentation, "Histograms and summaries"
and "Query functions"), over exactly two scrapes: nothing is extrapolated, and a quantile says which bucket it is from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from tuner.breakdown.components import Quantile

Labels = tuple[tuple[str, str], ...]
"""(name, value), sorted by name."""
Series = tuple[str, Labels]
"""A metric's name (without ``_bucket``, ``_sum``, ``_count``, ``_total``) and the labels of one of its series."""

_CLOCK_S = 2.0
"""Start times that differ by less are one: some servers compute theirs anew from a clock that is being corrected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Observations: all so far, or those of a window."""

    count: float
    sum: float
    bounds: tuple[float, ...] = ()
    """Upper bounds of the buckets, ascending, the last infinite; empty for a summary, which has none."""
    cumulative: tuple[float, ...] = ()
    """Observations up to each bound."""

    @property
    def mean(self) -> float:
        """Raises ZeroDivisionError where nothing was observed."""
        return self.sum / self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """What one address told at one instant."""

    url: str
    started_s: float | None = None
    """When its process started, in seconds since the epoch; None: not told."""
    distributions: Mapping[Series, Distribution] = field(default_factory=lambda: MappingProxyType({}))
    counters: Mapping[Series, float] = field(default_factory=lambda: MappingProxyType({}))
    problem: str = ""
    """Why nothing could be read, in words; empty when it could."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Increase:
    """What was added between two scrapes of each address, summed over them; series that stood still are left out."""

    distributions: Mapping[Series, Distribution] = field(default_factory=lambda: MappingProxyType({}))
    counters: Mapping[Series, float] = field(default_factory=lambda: MappingProxyType({}))
    urls: tuple[str, ...] = ()
    """Addresses that were read both times."""
    notes: tuple[str, ...] = ()
    """What could not be read, and counters that began anew, in words."""


def difference(before: Sequence[Scrape], after: Sequence[Scrape]) -> Increase:
    """What was counted between the scrapes; addresses are paired by their URL.

    A counter that fell, or one of a process that started in between, began anew: what it counts now is of the window,
    what it had counted of the window before is lost, and a note says so. The same note stands where several processes
    answer one address in turn, each with counters of its own.
    """
    earlier = {scrape.url: scrape for scrape in before}
    return together(_of_one(earlier.get(late.url), late) for late in after)


def _of_one(early: Scrape | None, late: Scrape) -> Increase:
    """Of one address."""
    problem = late.problem or (early.problem if early is not None else "it was not read before the window")
    if problem or early is None:
        return Increase(notes=(f"{late.url}: {problem}",))
    distributions: dict[Series, Distribution] = {}
    counters: dict[Series, float] = {}
    restarted = _restarted(early, late)
    fell = 0
    for series, now in late.distributions.items():
        then = None if restarted else early.distributions.get(series)
        added, began_anew = _added(then, now)
        fell += began_anew
        if added.count > 0:
            distributions[series] = added
    for series, value in late.counters.items():
        base = 0.0 if restarted else early.counters.get(series, 0.0)
        fell += value < base
        rise = value - base if value >= base else value
        if rise > 0:
            counters[series] = rise
    notes = tuple(_lost(late.url, restarted, fell, _ended(early, late)))
    return Increase(distributions=distributions, counters=counters, urls=(late.url,), notes=notes)


def together(increases: Iterable[Increase]) -> Increase:
    """What was counted in several windows, as in one: what was counted between them is left out."""
    distributions: dict[Series, list[Distribution]] = {}
    counters: dict[Series, float] = {}
    increases = tuple(increases)
    for increase in increases:
        for series, added in increase.distributions.items():
            distributions.setdefault(series, []).append(added)
        for series, rise in increase.counters.items():
            counters[series] = counters.get(series, 0.0) + rise
    return Increase(
        distributions=MappingProxyType({series: merged(parts) for series, parts in distributions.items()}),
        counters=MappingProxyType(counters),
        urls=tuple(dict.fromkeys(url for increase in increases for url in increase.urls)),
        notes=tuple(dict.fromkeys(note for increase in increases for note in increase.notes)),
    )


def merged(parts: Iterable[Distribution]) -> Distribution:
    """Several distributions as one, over the bounds that all of them have; without bounds where one has none.

    Raises ValueError for none at all.
    """
    parts = tuple(parts)
    if not parts:
        raise ValueError("no distributions to merge")
    bounds = tuple(sorted(set(parts[0].bounds).intersection(*(part.bounds for part in parts[1:]))))
    by_bound = [dict(zip(part.bounds, part.cumulative, strict=True)) for part in parts]
    return Distribution(
        count=sum(part.count for part in parts),
        sum=sum(part.sum for part in parts),
        bounds=bounds,
        cumulative=tuple(sum(cumulative[bound] for cumulative in by_bound) for bound in bounds),
    )


def scaled(distribution: Distribution, unit: float) -> Distribution:
    """The same observations in another unit: each is multiplied by `unit` (> 0)."""
    return Distribution(
        count=distribution.count,
        sum=distribution.sum * unit,
        bounds=tuple(bound * unit for bound in distribution.bounds),
        cumulative=distribution.cumulative,
    )


def quantile(distribution: Distribution, level: float) -> Quantile | None:
    """The quantile of what was observed, `level` between 0 and 1; None for a summary or where nothing was observed.

    Its interval is the bucket that holds the observation of rank ceil(n level): that is certain, and all that is. The
    value is interpolated within it as if observations lay evenly, and None in the last bucket, which has no end.
    Durations are not negative, so the first bucket begins at 0.
    """
    if not distribution.bounds or distribution.count <= 0:
        return None
    rank = max(1.0, math.ceil(distribution.count * level - 1e-9))
    place = int(np.searchsorted(np.asarray(distribution.cumulative), rank))
    if place >= len(distribution.bounds):  # the scrape caught the buckets an instant before the count
        place = len(distribution.bounds) - 1
    high = distribution.bounds[place]
    low, below = (
        (distribution.bounds[place - 1], distribution.cumulative[place - 1]) if place else (min(0.0, high), 0.0)
    )
    if math.isinf(high):
        return Quantile(value=None, low=low)
    inside = distribution.cumulative[place] - below
    share = min(1.0, (rank - below) / inside) if inside > 0 else 1.0
    return Quantile(value=min(high, low + (high - low) * share), low=low, high=high)


def _added(then: Distribution | None, now: Distribution) -> tuple[Distribution, bool]:
    """What came on top of `then`, and whether it began anew (then all of `now`)."""
    if then is None:
        return now, False
    same = then.bounds == now.bounds
    rises = np.subtract(now.cumulative, then.cumulative) if same else np.zeros(0)
    if not same or now.count < then.count or (rises < 0).any():
        return now, True
    # Buckets are read one after the other: one observation may stand in a lower one and not yet in those above.
    cumulative = tuple(float(rise) for rise in np.maximum.accumulate(rises)) if len(rises) else ()
    return Distribution(
        count=now.count - then.count, sum=now.sum - then.sum, bounds=now.bounds, cumulative=cumulative
    ), False


def _restarted(early: Scrape, late: Scrape) -> bool:
    if early.started_s is None or late.started_s is None:
        return False
    return abs(late.started_s - early.started_s) > _CLOCK_S


def _ended(early: Scrape, late: Scrape) -> int:
    """Series that are no more: those of a worker process that ended."""
    return len(early.distributions.keys() - late.distributions.keys())


def _lost(url: str, restarted: bool, fell: int, ended: int) -> list[str]:
    if restarted:
        return [
            f"{url}: another process answered after the window than before it (it restarted, or several share the "
            "address): its counters began anew, and what was counted before is lost"
        ]
    if fell:
        return [f"{url}: {fell} of its counters began anew within the window (a restart): a part of it is lost"]
    if ended:
        return [f"{url}: {ended} of its series ended within the window (a worker process did): a part of it is lost"]
    return []
