"""Going on after an interruption at any moment: the journal is the truth, everything else is brought to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.study.model import Advisor, Proposal
from tuner.trials.codec import decode, encode
from tuner.trials.journal import Journal

PROPOSED = "proposed"


def proposed(proposal: Proposal) -> Mapping[str, Any]:
    """The journal's event that a trial begins."""
    return encode(proposal)


def pending(journal: Journal) -> Proposal | None:
    """The trial that was begun last, where it never finished."""
    begun = [event.data for event in journal.events if event.kind == PROPOSED]
    if not begun:
        return None
    last = decode(Proposal, begun[-1])
    return last if last.number >= len(journal.trials) else None


def reconcile(advisor: Advisor, journal: Journal) -> Proposal | None:
    """Give the advisor and its store all that the journal has; returns the interrupted trial, to be run again.

    Raises StoreFailure.
    """
    interrupted = pending(journal)
    advisor.restore(journal.trials, interrupted)
    return interrupted
