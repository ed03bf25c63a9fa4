"""The nouns of the search: what was observed of a configuration, and what is believed of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

import numpy as np

from tuner.space.model import Configuration
from tuner.statistics.model import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One start of one configuration; restarts are observations of their own."""

    configuration: Configuration
    metrics: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Raw, by metric name, in SI units; what was not measured is absent."""
    beyond: frozenset[str] = frozenset()
    """Metrics of which the truth is on the far side of the value: a throughput or a latency that is at least so
    much."""
    lived: bool | None = True
    """False: by its own fault it did not start, or died; None: nobody knows (pending, or the environment's fault)."""
    failure: str = ""
    """The kind, where it did not live: `OOMKilled`, `NotReady`, `Unschedulable`, ..."""
    at_s: float = 0.0
    """When it was measured, in seconds since the study began."""
    speed: float | None = None
    """The machine's speed meanwhile, as far as it could be observed: 1.0 is that of a quiet machine, 0.5 half of it;
    None: nobody looked."""
    speeds: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """The same by metric, where other windows decided one and the machine was not as fast in them."""
    source: str = ""
    """The earlier study that it comes from; empty: this one."""

    def speed_of(self, metric: str) -> float | None:
        """The machine's in the windows that a metric is of."""
        return self.speeds.get(metric, self.speed)

    @property
    def pending(self) -> bool:
        """It was proposed, and is not finished."""
        return self.lived is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What is believed of one metric at several configurations, in its natural logarithm: independent normals.

    Of a noiseless measurement on the quiet machine, at the study's reference time: what restarts, noise and drift add
    is taken out.
    """

    mean: FloatArray
    sd: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Configurations as the model sees them, a row each."""

    numbers: FloatArray
    """(rows, parameters that are numbers): 0 to 1 over the domain, in the logarithm where that is the natural scale."""
    words: IntArray
    """(rows, parameters that are not): the place of the value among the choices; -1: it does not exist there."""
    derived: FloatArray
    """(rows, derived features) of this field, such as the logarithm of all threads together; 0 to 1 over the space."""
    number_names: tuple[str, ...]
    word_names: tuple[str, ...]
    derived_names: tuple[str, ...]
    capacity: FloatArray = field(default_factory=lambda: np.zeros(0))
    """(rows,): the logarithm of the CPUs of all replicas, as far as knobs set them; empty: none does."""
    uneven: tuple[float, ...] = ()
    """Of each parameter that is a number, how much of what it does may be anything, from value to value; empty: nothing
    of any."""

    def __len__(self) -> int:
        return len(self.numbers)


class Encodes(Protocol):
    """What turns configurations into rows (`tuner.search.encoding.Encoding`)."""

    def points(self, configurations: Sequence[Configuration], /) -> Points: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What further trials would probably bring: by how much the best value of the one objective would improve, relative
    to it, or with several objectives the hypervolume (0.01: 1 %)."""

    trials: int
    """So many more."""
    expected: float
    """On the average."""
    most: float
    """Not exceeded in nine of ten cases."""
