"""The events of a study's journal, besides its first line and its trials: their names, data, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.trials.model import Event

PROPOSED = "proposed"
"""A trial begins; data: an `Attempt`."""
EARLY = "early"
"""A trial ended while one of a lower number was still running; data: a `Trial`, which the journal finishes in its turn."""
RATE = "rate"
"""The common rate was fixed; data: ``rate_rps``."""
SEARCHED = "searched"
"""The search ended; data: ``because``, the ``budget`` it had, an `Outlook` or null as ``outlook``, and by why how many valid
configurations were never proposed as ``left_out``."""
CHOSEN = "chosen"
"""A configuration was chosen; data: ``trial``, ``pick``, ``reason``, ``note``, and since there is a race ``equals``, the
trials that could not be told from it. The last one counts."""
ENDED = "ended"
"""The study ended; data: ``because``."""
INTERRUPTED = "interrupted"
"""The user ended the study; data: the ``number`` of the trial that was running, or null."""
BUDGET = "budget"
"""`tune resume` changed the budget; data: a `Budget`."""
PARALLEL = "parallel"
"""`tune resume` changed how many trials run at a time; data: ``number``."""
KNOWLEDGE = "knowledge"
"""What the trials taught; data: a `tuner.search.knowledge.Knowledge` as plain JSON, and ``trials``, how many there were.
The last one counts, as long as no trial followed."""
RECORDER_DROPPED = "recorder_dropped"
"""A recorder failed and is told no more; data: ``recorder``, ``error``."""


def last(events: Sequence[Event], kind: str) -> Mapping[str, Any] | None:
    """Data of the last event of a kind."""
    return next((event.data for event in reversed(events) if event.kind == kind), None)


def since(events: Sequence[Event], kind: str) -> Sequence[Event]:
    """The events after the last one of a kind; all, where there is none."""
    place = next((index for index in reversed(range(len(events))) if events[index].kind == kind), -1)
    return events[place + 1 :]
