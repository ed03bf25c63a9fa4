"""Going on after an interruption at any moment: the journal is the truth, everything else is brought to it."""

from __future__ import annotations

from tuner.study.events import PROPOSED, last
from tuner.study.model import Advisor, Proposal
from tuner.trials.codec import decode
from tuner.trials.journal import Journal
from tuner.trials.model import Attempt


def pending(journal: Journal) -> Attempt | None:
    """The trial that was begun last, where it never finished."""
    begun = last(journal.events, PROPOSED)
    if begun is None:
        return None
    attempt = decode(Attempt, begun)
    return attempt if attempt.number >= len(journal.trials) else None


def reconcile(advisor: Advisor, journal: Journal) -> Proposal | None:
    """Give the advisor and its store all that the journal has; returns the interrupted trial, to be run again.

    Raises StoreFailure.
    """
    return advisor.restore(journal.trials, pending(journal))
