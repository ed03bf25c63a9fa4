"""A rate that changes: piecewise linear in time, and how many requests it makes due."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Profile = tuple[tuple[float, float], ...]
"""Corners (seconds since the start, requests/s), ascending in time, two at one instant where the rate jumps."""
FloatArray = npt.NDArray[np.float64]
_HAIR = 1e-9


class Intensity:
    """The rate between the corners of a profile, and its integral. Before the first and after the last corner the rate
    is that corner's."""

    def __init__(self, profile: Sequence[tuple[float, float]]) -> None:
        """Raises ValueError for corners that are no rate: none, out of order, negative, or all zero."""
        corners = np.asarray(profile, dtype=np.float64).reshape(-1, 2)
        if not len(corners) or not np.isfinite(corners).all() or (corners < 0.0).any():
            raise ValueError(f"a profile has corners of finite, non-negative times and rates, not {profile!r}")
        if (np.diff(corners[:, 0]) < 0.0).any():
            raise ValueError("the corners of a profile ascend in time")
        if not corners[:, 1].any():
            raise ValueError("a rate of 0 requests/s throughout cannot be offered; give a positive number")
        if corners[0, 0] > 0.0:
            corners = np.vstack([[0.0, corners[0, 1]], corners])
        self._at, self._rate = corners[:, 0], corners[:, 1]
        steps = np.diff(self._at) * (self._rate[:-1] + self._rate[1:]) / 2.0
        self._due = np.concatenate([[0.0], np.cumsum(steps)])
        width = np.diff(self._at)
        rise = np.divide(np.diff(self._rate), width, out=np.zeros_like(width), where=width > 0.0)
        self._slope = np.append(rise, 0.0)
        """Of the piece that begins at the corner."""

    def rate(self, at_s: npt.ArrayLike) -> FloatArray:
        """Requests/s at each instant; at a jump the rate after it."""
        piece, into = self._piece(np.asarray(at_s, dtype=np.float64))
        rates: FloatArray = self._rate[piece] + self._slope[piece] * into
        return rates

    def due(self, at_s: npt.ArrayLike) -> FloatArray:
        """Requests due until each instant: the integral of the rate."""
        piece, into = self._piece(np.asarray(at_s, dtype=np.float64))
        counts: FloatArray = self._due[piece] + (self._rate[piece] + self._slope[piece] * into / 2.0) * into
        return counts

    def instant(self, due: npt.ArrayLike) -> FloatArray:
        """The first instant until which so many requests are due, the inverse of `due`; inf where that never comes."""
        wanted = np.asarray(due, dtype=np.float64)
        if self._rate[-1] == 0.0:  # a sum that misses the last request by its rounding still reaches it
            wanted = np.where(wanted <= self._due[-1] + _HAIR, np.minimum(wanted, self._due[-1]), wanted)
        piece = np.maximum(np.searchsorted(self._due, wanted, side="left") - 1, 0)
        left = wanted - self._due[piece]
        # solved for the root that stays exact where the slope is small or the piece begins at a rate of 0
        root = np.sqrt(np.maximum(self._rate[piece] ** 2 + 2.0 * self._slope[piece] * left, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            into = np.where(left > 0.0, 2.0 * left / (self._rate[piece] + root), 0.0)
        instants: FloatArray = self._at[piece] + into
        return instants

    def mean(self, duration_s: float) -> float:
        """Requests/s over the first `duration_s` seconds."""
        return float(self.due(duration_s)) / duration_s

    def _piece(self, at_s: FloatArray) -> tuple[npt.NDArray[np.intp], FloatArray]:
        """Which corner each instant comes after, and by how many seconds."""
        piece = np.maximum(np.searchsorted(self._at, at_s, side="right") - 1, 0)
        return piece, np.asarray(at_s - self._at[piece], dtype=np.float64)
