"""The requests of a target with every template drawn, many times over: what a window really sends."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np

from tuner.load.model import Request
from tuner.load.templates import parse_template


class Variants:
    """Numbers every body that a window may send. A request without a template is the one variant of itself."""

    def __init__(self, requests: Sequence[Request]) -> None:
        """Raises ValueError for a template with a placeholder that is none."""
        self._requests = tuple(requests)
        self._templates = [parse_template(request.template) if request.template else None for request in requests]
        self._counts = np.array([each.bodies if each else 1 for each in self._templates], dtype=np.int64)
        self._first = np.cumsum(self._counts) - self._counts
        self.origin: Sequence[int] = np.repeat(np.arange(len(requests)), self._counts).tolist()
        """By variant: which request it is drawn from."""

    @property
    def differ(self) -> bool:
        """Some request has a template: each window is to have bodies of its own."""
        return any(template is not None for template in self._templates)

    def draw(self, *seed: int) -> list[Request]:
        """All variants, in order. Equal seeds, equal bodies."""
        drawn: list[Request] = []
        for index, (request, template, count) in enumerate(
            zip(self._requests, self._templates, self._counts, strict=True)
        ):
            if template is None:
                drawn.append(request)
                continue
            random = Random(repr((*seed, index)))  # noqa: S311 - for variety, not for secrecy
            drawn += [replace(request, body=template.render(random)) for _ in range(count)]
        return drawn

    def spread(self, picks: Sequence[int]) -> Sequence[int]:
        """Variants to send instead of these requests, which are sent round and round.

        Those of one request follow in turn, not by chance: a cache with room for fewer answers than there are variants
        never holds the one that comes next.
        """
        if not self.differ:
            return picks
        requests = np.asarray(picks)
        if len(requests) == 1:
            requests = np.repeat(requests, self._counts[requests])
        chosen = self._first[requests]
        for index, count in enumerate(self._counts):
            rows = np.flatnonzero(requests == index)
            chosen[rows] += np.arange(len(rows)) % count
        return array("l", chosen.tobytes())
