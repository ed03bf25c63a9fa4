"""The first trials, before a model has anything to learn from: few, and far from each other and from the baseline.

Johnson, Moore and Ylvisaker 1990, "Minimax and maximin distance designs".
"""

from __future__ import annotations

import math

import numpy as np

from tuner.statistics.model import FloatArray, IntArray

_POOL = 24
"""Candidates that are looked at, drawn at random: of all, the farthest apart are corners, where servers die or idle."""


def design_size(knobs: int) -> int:
    """How many points beside the baseline: two, and one more for each doubling of the knobs from eight on."""
    return 2 + max(0, math.floor(math.log2(max(knobs, 1) / 4)))


def maximin(places: FloatArray, taken: FloatArray, count: int, rng: np.random.Generator) -> IntArray:
    """Rows of `places` (rows, columns), each as far as can be from those before it and from the rows of `taken`.

    They are chosen among a few drawn at random, each of the farthest tenth: no design consists of corners alone.
    """
    pool = np.sort(rng.choice(len(places), min(max(_POOL, count), len(places)), replace=False))
    apart = places[pool]
    nearest = np.full(len(pool), np.inf)
    for row in taken:
        nearest = np.minimum(nearest, _distances(apart, row))
    chosen: list[int] = []
    for _ in range(min(count, len(pool))):
        nearest[chosen] = -np.inf
        farthest = np.argsort(-nearest, kind="stable")[: math.ceil((len(pool) - len(chosen)) / 10)]
        chosen.append(int(rng.choice(farthest)))
        nearest = np.minimum(nearest, _distances(apart, apart[chosen[-1]]))
    return np.asarray(pool[chosen], dtype=np.int64)


def _distances(places: FloatArray, row: FloatArray) -> FloatArray:
    return np.asarray(np.abs(places - row).sum(1))
