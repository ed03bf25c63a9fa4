"""Rules over parameters; to be filled in."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.errors import Where


@dataclass(frozen=True, slots=True)
class Rule:
    text: str
    where: Where
