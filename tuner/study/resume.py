"""Going on after an interruption at any moment: the journal is the truth, everything else is brought to it."""

from __future__ import annotations

from tuner.study.events import PROPOSED, last
from tuner.study.model import Advisor, Proposal
from tuner.trials.codec import decode
from tuner.trials.journal import Journal


def pending(journal: Journal) -> Proposal | None:
    """The trial that was begun last, where it never finished."""
    begun = last(journal.events, PROPOSED)
    if begun is None:
        return None
    proposal = decode(Proposal, begun)
    return proposal if proposal.number >= len(journal.trials) else None


def reconcile(advisor: Advisor, journal: Journal) -> Proposal | None:
    """Give the advisor and its store all that the journal has; returns the interrupted trial, to be run again.

    Raises StoreFailure.
    """
    interrupted = pending(journal)
    advisor.restore(journal.trials, interrupted)
    return interrupted
