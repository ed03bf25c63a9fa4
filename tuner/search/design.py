"""The first trials, before a model has anything to learn from: few, and far from each other and from the baseline.

Johnson, Moore and Ylvisaker 1990, "Minimax and maximin distance designs".
"""

from __future__ import annotations

import math

import numpy as np

from tuner.statistics.model import FloatArray, IntArray

_POOL = 3000
"""Candidates that are looked at: in a larger space, so many drawn at random."""


def design_size(knobs: int) -> int:
    """How many points beside the baseline: two, and one more for each doubling of the knobs from eight on."""
    return 2 + max(0, math.floor(math.log2(max(knobs, 1) / 4)))


def maximin(places: FloatArray, taken: FloatArray, count: int, rng: np.random.Generator) -> IntArray:
    """Rows of `places` (rows, columns), each as far as can be from those before it and from the rows of `taken`.

    Among the farthest tenth one is drawn, so that seeds differ and no design consists of corners alone.
    """
    pool = np.arange(len(places))
    if len(pool) > _POOL:
        pool = np.sort(rng.choice(pool, _POOL, replace=False))
    chosen: list[int] = []
    nearest = np.full(len(pool), np.inf)
    for row in taken:
        nearest = np.minimum(nearest, _distances(places[pool], row))
    for _ in range(min(count, len(pool))):
        free = nearest.copy()
        free[np.isin(pool, chosen)] = -np.inf
        if np.isinf(free.max()) and free.max() > 0:
            place = int(rng.integers(len(pool)))
        else:
            best = np.argsort(-free, kind="stable")[: max(1, math.ceil((len(pool) - len(chosen)) / 10))]
            place = int(rng.choice(best))
        chosen.append(int(pool[place]))
        nearest = np.minimum(nearest, _distances(places[pool], places[pool[place]]))
    return np.asarray(chosen, dtype=np.int64)


def _distances(places: FloatArray, row: FloatArray) -> FloatArray:
    return np.asarray(np.abs(places - row).sum(1))
