"""The nouns of a replay: one recorded start of a configuration, and where such starts come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

from tuner.space.model import Configuration
from tuner.space.values import Operand, operand
from tuner.statistics.model import Estimate

Ending = Literal["measured", "stopped", "failed", "infeasible"]
"""`stopped`: measured at the common rate alone, since the SLO was broken there beyond doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start of one configuration, as it was recorded."""

    configuration: Configuration
    ending: Ending = "measured"
    metrics: Mapping[str, Estimate] = field(default_factory=lambda: MappingProxyType({}))
    """By metric name, in SI units; what was not recorded is absent."""
    beyond_s: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Latency quantiles that are at least so much: they fell on requests that nobody answered in time."""
    kind: str = ""
    """Of a failure: ``OOMKilled``, ``NotReady``, ..."""
    stage: str = ""
    reason: str = ""
    rate_rps: float | None = None
    """The common rate; None: not recorded."""
    duration_s: float | None = None
    speed: float | None = None
    """The machine's meanwhile: 1.0 is that of a quiet one; None: nobody looked."""
    study: str = ""
    trial: int | None = None
    started_at: str = ""
    """ISO 8601, UTC."""
    stands_for: Configuration | None = None
    """That which was asked for, where this is but the nearest one that was recorded; None: it is the same."""


class Source(Protocol):
    """Where a replay has its starts from. It remembers what it told: a restart is another start."""

    def infeasible(self, configuration: Configuration) -> str | None:
        """Why nothing can be told of it (a sentence), or None."""
        ...

    def start(self, configuration: Configuration) -> Start:
        """The next start of a configuration of which something can be told."""
        ...

    def take_up(self, configurations: Sequence[Configuration]) -> None:
        """These were started before, in this order."""
        ...

    def pass_time(self, seconds: float) -> None:
        """So much time went by on the machine."""
        ...

    @property
    def usual_s(self) -> float:
        """How long a start usually takes; 0: not known."""
        ...

    def describe(self) -> Mapping[str, str]:
        """What it is, for the record."""
        ...

    def foreseen(self) -> tuple[str, ...]:
        """What a study of it will meet, in sentences."""
        ...


Key = frozenset[tuple[str, bool, Operand]]
"""What makes two configurations the same."""


def key(configuration: Configuration) -> Key:
    """Equal for configurations whose values are, in whatever spelling: ``1`` and ``1000m`` are."""
    pairs = ((name, operand(value)) for name, value in configuration.values.items())
    return frozenset((name, isinstance(value, bool), value) for name, value in pairs)
