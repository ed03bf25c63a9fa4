"""Load windows of one stage, run one after the other, as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from types import MappingProxyType

import numpy as np

from tuner.measure.model import FloatArray, Samples, Tokens


def join(parts: Sequence[Samples]) -> Samples:
    """The rows of all `parts`, in their order, on one clock that stands still between windows.

    The times of a part are moved, exactly, by the lengths of the windows before it, so that no instant of load is
    counted twice or left out. A request that ended after its own window did lies in the time of the next: rates of
    answers have to be counted window by window, as `summarize` does. Raises ValueError for no part at all.
    """
    if not parts:
        raise ValueError("there is no window to join")
    if len(parts) == 1:
        return parts[0]
    starts = starts_s(parts)

    def moved(name: str) -> FloatArray:
        return np.concatenate([getattr(part, name) + start for part, start in zip(parts, starts, strict=True)])

    return replace(
        parts[0],
        scheduled_s=moved("scheduled_s"),
        sent_s=moved("sent_s"),
        first_byte_s=moved("first_byte_s"),
        finished_s=moved("finished_s"),
        status=np.concatenate([part.status for part in parts]),
        replica=np.concatenate([part.replica for part in parts]),
        waited=np.concatenate([part.waited for part in parts]),
        offered_rps=_mean_rate(parts),
        window_s=sum(part.window_s for part in parts),
        connections=max(part.connections for part in parts),
        generator_cpu_s=sum(part.generator_cpu_s for part in parts),
        generator_elapsed_s=sum(part.generator_elapsed_s for part in parts),
        generator_starved_s=_starved_s(parts),
        busiest_cpu_ratio=_busiest(parts),
        noticed_s=_optional(
            [
                None if part.noticed_s is None else part.noticed_s + start
                for part, start in zip(parts, starts, strict=True)
            ],
            parts,
        ),
        connects=sum(part.connects for part in parts),
        connect_s=_optional([part.connect_s for part in parts], parts),
        tokens=_tokens(parts, starts),
        server_timing_s=_timings(parts),
    )


def starts_s(parts: Sequence[Samples]) -> list[float]:
    """When each window starts on the clock of `join`."""
    return list(accumulate((part.window_s for part in parts[:-1]), initial=0.0))


def _mean_rate(parts: Sequence[Samples]) -> float:
    rates = {part.offered_rps for part in parts}
    if len(rates) == 1:
        return rates.pop()
    total_s = sum(part.window_s for part in parts)
    return sum(part.offered_rps * part.window_s for part in parts) / total_s if total_s > 0.0 else 0.0


def _starved_s(parts: Sequence[Samples]) -> float | None:
    known = [part.generator_starved_s for part in parts if part.generator_starved_s is not None]
    return sum(known) if len(known) == len(parts) else None


def _busiest(parts: Sequence[Samples]) -> float | None:
    """Mean over the time of all windows; None where each had one generator process."""
    if all(part.busiest_cpu_ratio is None for part in parts):
        return None
    total_s = sum(part.generator_elapsed_s for part in parts)
    return sum(part.generator_cpu_ratio * part.generator_elapsed_s for part in parts) / total_s


def _optional(columns: Sequence[FloatArray | None], parts: Sequence[Samples]) -> FloatArray | None:
    """NaN for the rows of a part that lacks the column; None where all lack it."""
    if all(column is None for column in columns):
        return None
    rows = [
        np.full(len(part), np.nan) if column is None else column for column, part in zip(columns, parts, strict=True)
    ]
    joined: FloatArray = np.concatenate(rows)
    return joined


def _tokens(parts: Sequence[Samples], starts: Sequence[float]) -> Tokens | None:
    first = list(accumulate((len(part) for part in parts[:-1]), initial=0))
    known = [
        (part.tokens, row, start)
        for part, row, start in zip(parts, first, starts, strict=True)
        if part.tokens is not None
    ]
    if not known:
        return None
    return Tokens(
        row=np.concatenate([tokens.row + row for tokens, row, _ in known]),
        at_s=np.concatenate([tokens.at_s + start for tokens, _, start in known]),
    )


def _timings(parts: Sequence[Samples]) -> MappingProxyType[str, FloatArray]:
    names = dict.fromkeys(name for part in parts for name in part.server_timing_s)
    joined = {name: _optional([part.server_timing_s.get(name) for part in parts], parts) for name in names}
    return MappingProxyType({name: column for name, column in joined.items() if column is not None})
