"""What a trial of a configuration is worth, by what is believed of it.

All is in the logarithm and to be minimised: a metric of which more is better comes with its sign turned. What is
improved is improved by a ratio: a tenth of the time is worth as much at a second as at a millisecond.
"""

from __future__ import annotations

import math

import numpy as np

from tuner.statistics.model import BoolArray, FloatArray

_LOG_ROOT_TWO_PI = 0.5 * math.log(2 * math.pi)
_EXACT_SD = 1e-6
"""Below it a belief is knowledge."""


def log_expected_improvement(mean: FloatArray, sd: FloatArray, best: float) -> FloatArray:
    """(rows,): the logarithm of how far below `best` a normal is expected to fall, without cancellation in its tail
    (Ament et al. 2023, "Unexpected improvements to expected improvement for Bayesian optimization")."""
    sd = np.maximum(sd, _EXACT_SD)
    return np.asarray(np.log(sd) + _log_improvement((best - mean) / sd))


def expected_improvement(mean: FloatArray, sd: FloatArray, best: float) -> FloatArray:
    """(rows,): how far below `best` a normal is expected to fall; exact where `sd` is 0."""
    from scipy.special import ndtr  # type: ignore[import-untyped]

    gap = best - mean
    safe = np.maximum(sd, _EXACT_SD)
    z = gap / safe
    expected = gap * ndtr(z) + safe * np.exp(-0.5 * z * z - _LOG_ROOT_TWO_PI)
    return np.asarray(np.where(sd > _EXACT_SD, np.maximum(expected, 0.0), np.maximum(gap, 0.0)))


def _log_improvement(z: FloatArray) -> FloatArray:
    from scipy.special import erfcx, ndtr

    near = np.maximum(z, -1.0)
    direct = np.log(np.exp(-0.5 * near * near - _LOG_ROOT_TWO_PI) + near * ndtr(near))
    away = np.maximum(-z, 1.0)
    # 1 - away * Mills' ratio; far out, where that cancels, its asymptotic series.
    rest = 1.0 - away * erfcx(away / math.sqrt(2)) * math.sqrt(math.pi / 2)
    tail = np.where(away < 1e3, np.log(np.maximum(rest, 1e-300)), -2 * np.log(away))
    return np.asarray(np.where(z > -1.0, direct, -0.5 * away * away - _LOG_ROOT_TWO_PI + tail))


def log_probability_below(mean: FloatArray, sd: FloatArray, bound: float) -> FloatArray:
    """(rows,): the logarithm of the probability that a normal is at most `bound`; -inf where it is known not to be."""
    from scipy.special import log_ndtr

    z = (bound - mean) / np.maximum(sd, _EXACT_SD)
    known = np.where(mean <= bound, 0.0, -np.inf)
    return np.asarray(np.where(sd > _EXACT_SD, log_ndtr(z), known))


def expected_hypervolume_improvement(
    mean: FloatArray, sd: FloatArray, front: FloatArray, reference: FloatArray
) -> FloatArray:
    """(rows,): by how much a row is expected to add to the volume that the front dominates up to the reference.

    `mean` and `sd` are (rows, objectives): independent normals, exact where `sd` is 0; `front` is (points, objectives).
    What is not dominated is cut into boxes, over which the expectation is a product (Yang et al. 2019, "Efficient
    computation of expected hypervolume improvement using box decomposition algorithms").
    """
    inside = front[(front < reference).all(1)] if len(front) else front.reshape(0, len(reference))
    return _box_sum(mean, sd, inside, reference, mean.shape[1] - 1)


def _box_sum(mean: FloatArray, sd: FloatArray, front: FloatArray, reference: FloatArray, axis: int) -> FloatArray:
    """Over the axes up to `axis`: the slabs between the front's places on it, each with those below it in force."""
    if axis == 0:
        return expected_improvement(
            mean[:, 0], sd[:, 0], float(min([reference[0], *front[:, 0]]) if len(front) else reference[0])
        )
    ordered = front[np.argsort(front[:, axis], kind="stable")]
    places = [*ordered[:, axis], reference[axis]]
    total = np.zeros(len(mean))
    below = np.zeros(len(mean))
    for place, edge in enumerate(places):
        above = expected_improvement(mean[:, axis], sd[:, axis], float(edge))
        if place == 0 or edge > places[place - 1]:
            total += (above - below) * _box_sum(mean, sd, ordered[:place], reference, axis - 1)
        below = above
    return total


def non_dominated(points: FloatArray) -> BoolArray:
    """(rows,): no other row is as small in all columns and smaller in one; of equal rows the first stays."""
    rows = len(points)
    kept = np.ones(rows, dtype=np.bool_)
    for row in range(rows):
        no_worse = (points <= points[row]).all(1)
        better = no_worse & (points < points[row]).any(1)
        equal_before = no_worse & ~better & (np.arange(rows) < row)
        kept[row] = not (better | equal_before).any()
    return kept


def hypervolume(points: FloatArray, reference: FloatArray) -> float:
    """What the points dominate, up to the reference; one that is infinitely bad dominates nothing."""
    import moocore  # type: ignore[import-untyped]

    inside = points[(points < reference).all(1)]
    return float(moocore.hypervolume(inside, ref=reference)) if len(inside) else 0.0
