"""The samples of several windows as those of one: of windows after one another, and of engines beside one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from types import MappingProxyType
from typing import Any

import numpy as np

from tuner.measure.samples import CHECKED, Samples, Tokens
from tuner.statistics.model import FloatArray, IntArray

_INSTANTS = ("scheduled_s", "sent_s", "first_byte_s", "finished_s", "noticed_s")
_OTHERS = ("status", "replica", "waited", "connect_s")


def join(parts: Sequence[Samples]) -> Samples:
    """Windows of one stage, run one after the other: the rows of all, in their order, on one clock that stands still
    between windows.

    The times of a part are moved, exactly, by the lengths of the windows before it, so that no instant of load is
    counted twice or left out. A request that ended after its own window did lies in the time of the next: rates of
    answers have to be counted window by window, as `summarize` does. Raises ValueError for no part at all.
    """
    if not parts:
        raise ValueError("there is no window to join")
    if len(parts) == 1:
        return parts[0]
    return _stacked(
        parts,
        starts_s(parts),
        np.arange(sum(map(len, parts))),
        offered_rps=_mean_rate(parts),
        window_s=sum(part.window_s for part in parts),
        connections=max(part.connections for part in parts),
        generator_elapsed_s=sum(part.generator_elapsed_s for part in parts),
        busiest_cpu_ratio=_mean_busiest(parts),
        suspended_s=sum(part.suspended_s for part in parts),
    )


def merge(parts: Sequence[Samples]) -> Samples:
    """One window out of the shares that several engines sent of it, in the order of `LoadWindow.share`, at least one;
    their starts are the same instant.

    Every row of every part is there once, by scheduled instant; those due at one instant as the schedule has them. Of
    the generator's CPU time it holds the sum, and of its CPU ratio the busiest process's: one that cannot keep up
    spoils the window, however idle the others are. `connections` is the sum of each part's most.
    """
    scheduled = np.concatenate([part.scheduled_s for part in parts])
    rows = np.concatenate([np.arange(len(part)) * len(parts) + number for number, part in enumerate(parts)])
    return _stacked(
        parts,
        [0.0] * len(parts),
        np.lexsort((rows, scheduled)),
        connections=sum(part.connections for part in parts),
        generator_elapsed_s=max(part.generator_elapsed_s for part in parts),
        busiest_cpu_ratio=max(part.generator_cpu_ratio for part in parts),
        suspended_s=max(part.suspended_s for part in parts),
    )


def starts_s(parts: Sequence[Samples]) -> list[float]:
    """When each window starts on the clock of `join`."""
    return list(accumulate((part.window_s for part in parts[:-1]), initial=0.0))


def _stacked(parts: Sequence[Samples], starts: Sequence[float], order: IntArray, **figures: Any) -> Samples:
    """All rows in this order, the instants of each part moved by its start. What else there is is in `figures`, or as
    in the first part."""

    def stacked(columns: Sequence[Any]) -> Any:
        """NaN for the rows of a part that lacks the column; None where all lack it."""
        if all(column is None for column in columns):
            return None
        known = [
            np.full(len(part), np.nan) if column is None else column
            for part, column in zip(parts, columns, strict=True)
        ]
        return np.concatenate(known)[order]

    def moved(name: str) -> list[FloatArray | None]:
        columns = [getattr(part, name) for part in parts]
        return [None if column is None else column + start for column, start in zip(columns, starts, strict=True)]

    starved = [part.generator_starved_s for part in parts if part.generator_starved_s is not None]
    timings = dict.fromkeys(name for part in parts for name in part.server_timing_s)
    told: Mapping[str, FloatArray] = {
        name: stacked([part.server_timing_s.get(name) for part in parts]) for name in timings
    }
    return replace(
        parts[0],
        **{name: stacked(moved(name)) for name in _INSTANTS},
        **{name: stacked([getattr(part, name) for part in parts]) for name in _OTHERS},
        checking=stacked(_checking(parts)),
        wrong=next((part.wrong for part in parts if part.wrong), ""),
        connects=sum(part.connects for part in parts),
        resent=sum(part.resent for part in parts),
        generator_cpu_s=sum(part.generator_cpu_s for part in parts),
        generator_starved_s=sum(starved) if len(starved) == len(parts) else None,
        tokens=_tokens(parts, starts, order),
        server_timing_s=MappingProxyType(told),
        **figures,
    )


def _tokens(parts: Sequence[Samples], starts: Sequence[float], order: IntArray) -> Tokens | None:
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    firsts = accumulate((len(part) for part in parts[:-1]), initial=0)
    streams = [
        (part.tokens, first, start)
        for part, first, start in zip(parts, firsts, starts, strict=True)
        if part.tokens is not None
    ]
    if not streams:
        return None
    row = np.concatenate([place[tokens.row + first] for tokens, first, _ in streams])
    at_s = np.concatenate([tokens.at_s + start for tokens, _, start in streams])
    came = np.argsort(at_s, kind="stable")
    return Tokens(row=row[came], at_s=at_s[came])


def _checking(parts: Sequence[Samples]) -> list[IntArray | None]:
    if all(part.checking is None for part in parts):
        return [None for _ in parts]
    return [np.full(len(part), CHECKED) if part.checking is None else part.checking for part in parts]


def _mean_rate(parts: Sequence[Samples]) -> float:
    rates = {part.offered_rps for part in parts}
    if len(rates) == 1:
        return rates.pop()
    total_s = sum(part.window_s for part in parts)
    return sum(part.offered_rps * part.window_s for part in parts) / total_s if total_s > 0.0 else 0.0


def _mean_busiest(parts: Sequence[Samples]) -> float | None:
    """Over the time of all windows; None where each had one generator process."""
    if all(part.busiest_cpu_ratio is None for part in parts):
        return None
    total_s = sum(part.generator_elapsed_s for part in parts)
    return sum(part.generator_cpu_ratio * part.generator_elapsed_s for part in parts) / total_s
