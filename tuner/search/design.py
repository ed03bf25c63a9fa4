"""The first trials, before a model has anything to learn from: few, and far from each other and from the baseline.

Johnson, Moore and Ylvisaker 1990, "Minimax and maximin distance designs".
"""

from __future__ import annotations

import math

import numpy as np

from tuner.statistics.model import FloatArray, IntArray

_POOL = 30
"""Candidates that are looked at, drawn at random: of all, the farthest apart are corners, where servers die or idle."""
_POOLED = 100
"""The same times the knobs, at most. Of many knobs all points are about as far from each other (Beyer et al. 1999,
"When is 'nearest neighbor' meaningful?"): what is farther is the odd one out, and a draw is as good a design."""


def design_size(knobs: int) -> int:
    """How many points beside the baseline: two, and one more for each doubling of the knobs from eight on."""
    return 2 + max(0, math.floor(math.log2(max(knobs, 1) / 4)))


def pool_size(knobs: int) -> int:
    """How many candidates the farthest is chosen among."""
    return min(_POOL, math.ceil(_POOLED / max(knobs, 1)))


def maximin(
    places: FloatArray, taken: FloatArray, count: int, rng: np.random.Generator, pooled: int = _POOL
) -> IntArray:
    """Rows of `places` (rows, columns), each as far as can be from those before it and from the rows of `taken`.

    They are chosen among the first of those drawn at random, `pooled` of them, each of the farthest tenth: no design
    consists of corners alone. Should `count` be more, the others follow as they were drawn.
    """
    drawn = rng.permutation(len(places))[: max(pooled, count)]
    pool, rest = np.sort(drawn[:pooled]), drawn[pooled:]
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
    return np.asarray(np.concatenate([pool[chosen], rest])[:count], dtype=np.int64)


def _distances(places: FloatArray, row: FloatArray) -> FloatArray:
    return np.asarray(np.abs(places - row).sum(1))
