"""How fast the servers' CPUs are while a window runs: a fixed piece of work, done again and again.

A probe before and after a window misses what shared hosts do: a sibling thread is busy for hundredths of a second at a
time, so that two moments say little of the seconds between. And arithmetic misses caches that others fill. Against the
CPU time that a request of a real server in Python took (1.04 to 2.04 ms, over 50 windows of 1.5 s on a shared host), two
probes of arithmetic at the ends correlated by 0.37, the mean of samples of it by 0.62, of reading documents by 0.7, of
visiting objects in memory by 0.88.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice
from random import Random
from statistics import fmean

_EVERY_S = 0.05
_MOST_CPUS = 4
"""So many CPUs are probed at most, evenly chosen, in turn."""
_OBJECTS = 40_000
"""Ten megabytes: more than a core's own caches hold."""
_VISITED = 400
_DOCUMENT = json.dumps(
    [{"name": f"feature-{row}", "values": [row / 7.0] * 6, "of": {"row": row, "kind": [row] * 3}} for row in range(40)]
)


@dataclass(frozen=True, slots=True)
class Probed:
    mean_s: float | None
    """CPU time of the work; None: no thread can be pinned there."""
    spent_s: float
    """CPU time of all of it: a hundredth of one CPU."""


class SpeedProbe:
    """Probes from when it is made until it is stopped, in a thread of its own: where the one that makes it runs, and what
    is started from that, stays as it is."""

    def __init__(self, cpus: Sequence[int]) -> None:
        self._cpus = tuple(cpus)[:: max(1, -(-len(cpus) // _MOST_CPUS))]
        self._taken: list[float] = []
        self._spent_s = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tuner-probe", daemon=True)
        self._thread.start()

    def stop(self) -> Probed:
        self._ended.set()
        self._thread.join()
        return Probed(fmean(self._taken) if self._taken else None, self._spent_s)

    def _run(self) -> None:
        visits = cycle(_objects())
        begin_s = time.thread_time()
        for cpu in cycle(self._cpus):
            try:
                os.sched_setaffinity(0, {cpu})
            except OSError:
                return
            self._taken.append(_work_s(visits))
            self._spent_s = time.thread_time() - begin_s
            if self._ended.wait(_EVERY_S):
                return


@cache
def _objects() -> tuple[dict[str, int], ...]:
    """In an order that no prefetcher guesses."""
    made = [{"value": row} for row in range(_OBJECTS)]
    return tuple(Random(0).sample(made, _OBJECTS))  # noqa: S311 - for variety, not for secrecy


def _work_s(objects: Iterator[dict[str, int]]) -> float:
    """Of reading a document and visiting objects, as a model server in Python does. A little of it first, uncounted: the
    CPU may have slept."""
    json.loads(_DOCUMENT)
    begin = time.thread_time()
    json.loads(_DOCUMENT)
    sum(one["value"] for one in islice(objects, _VISITED))
    return time.thread_time() - begin
