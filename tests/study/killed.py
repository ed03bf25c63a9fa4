"""A study in a process of its own, made to be killed; every trial it begins is noted in ``ran``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from tests.study.world import opened, serve, space_of, trial_of
from tuner.space.model import Budget
from tuner.study.model import OneByOne, Proposal, Summary
from tuner.trials.clock import RealClock
from tuner.trials.model import Trial

TRIALS = 10
SPACE = space_of(budget=Budget(trials=TRIALS))


def go(folder: Path, trials: int = TRIALS, say: Callable[[str], None] = lambda _: None) -> Summary:
    """Run the study in `folder`, or go on with it, to its end."""
    space = replace(SPACE, budget=Budget(trials=trials))
    ran = os.open(folder / "ran", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def run_trial(proposal: Proposal) -> Trial:
        os.write(ran, b"%d\n" % proposal.number)
        say("running")
        time.sleep(0.003)
        return trial_of(
            proposal.number, serve(proposal.configuration.values), proposal.configuration, purpose=proposal.purpose
        )

    try:
        with opened(space, folder, RealClock(), stored=True) as study:
            return study.run(OneByOne(run_trial))
    finally:
        os.close(ran)


def set_out(folder: Path, trials: int, parent: Connection) -> None:
    """Go, saying when it sets out and when it runs a trial."""
    parent.send("ready")
    go(folder, trials, parent.send)
