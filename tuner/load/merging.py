"""The samples of engines that sent one window together, as the samples of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from tuner.measure.model import FloatArray, IntArray, Samples, Tokens


def merge(parts: Sequence[Samples]) -> Samples:
    """One window out of its parts, in the order of `Stage.share`, at least one; their starts are the same instant.

    Every row of every part is there once, by scheduled instant; those due at one instant as the schedule has them. Of
    the generator's CPU time it holds the sum, and of its CPU ratio the busiest process's: one that cannot keep up spoils
    the window, however idle the others are. `connections` is the sum of each part's most.
    """
    scheduled = np.concatenate([part.scheduled_s for part in parts])
    rows = np.concatenate([np.arange(len(part)) * len(parts) + number for number, part in enumerate(parts)])
    order = np.lexsort((rows, scheduled))
    first = parts[0]
    return Samples(
        scheduled_s=scheduled[order],
        sent_s=np.concatenate([part.sent_s for part in parts])[order],
        first_byte_s=np.concatenate([part.first_byte_s for part in parts])[order],
        finished_s=np.concatenate([part.finished_s for part in parts])[order],
        status=np.concatenate([part.status for part in parts])[order],
        replica=np.concatenate([part.replica for part in parts])[order],
        waited=np.concatenate([part.waited for part in parts])[order],
        offered_rps=first.offered_rps,
        window_s=first.window_s,
        connections=sum(part.connections for part in parts),
        connects=sum(part.connects for part in parts),
        generator_cpu_s=sum(part.generator_cpu_s for part in parts),
        generator_elapsed_s=max(part.generator_elapsed_s for part in parts),
        generator_starved_s=_sum([part.generator_starved_s for part in parts]),
        busiest_cpu_ratio=max(part.generator_cpu_ratio for part in parts),
        noticed_s=_optional(parts, [part.noticed_s for part in parts], order),
        connect_s=_optional(parts, [part.connect_s for part in parts], order),
        tokens=_tokens(parts, order),
        server_timing_s=_timings(parts, order),
    )


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _optional(parts: Sequence[Samples], columns: Sequence[FloatArray | None], order: IntArray) -> FloatArray | None:
    """A column that a part may lack, which is NaN there; None: all lack it."""
    if all(column is None for column in columns):
        return None
    found = [
        column if column is not None else np.full(len(part), np.nan)
        for part, column in zip(parts, columns, strict=True)
    ]
    column: FloatArray = np.concatenate(found)[order]
    return column


def _timings(parts: Sequence[Samples], order: IntArray) -> Mapping[str, FloatArray]:
    names = dict.fromkeys(name for part in parts for name in part.server_timing_s)
    columns = {name: _optional(parts, [part.server_timing_s.get(name) for part in parts], order) for name in names}
    return MappingProxyType({name: column for name, column in columns.items() if column is not None})


def _tokens(parts: Sequence[Samples], order: IntArray) -> Tokens | None:
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    offsets = np.cumsum([0, *(len(part) for part in parts)])
    streams = [(part.tokens, offset) for part, offset in zip(parts, offsets, strict=False) if part.tokens is not None]
    if not streams:
        return None
    row = np.concatenate([place[stream.row + offset] for stream, offset in streams])
    at_s = np.concatenate([stream.at_s for stream, _ in streams])
    came = np.argsort(at_s, kind="stable")
    return Tokens(row=row[came], at_s=at_s[came])
