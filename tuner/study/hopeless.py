"""When going on is of no use: what fails is not the configurations.

Pure. The first trial is the manifest as it stands. Where that and the next one fail alike, with nothing measured yet, a
missing model, a wrong request or a cluster that refuses is the reason, and so it will be for every trial to come.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tuner.trials.model import Failed, Infeasible, Trial

_OF_THIS_TRIAL = re.compile(
    r" within \S+ \S+ of its start|\b[\d.]+ (?:ms|s|min)\b|(?<=[\w\]]):\d{2,5}\b|\b(?:pid|replica) \d+"
    r"|[\w.]+-[\w.-]*\d[\w.-]*"
)
"""Times, ports, which replica, and names with a trial's number or a pod's letters in them."""


def failed_alike(trials: Sequence[Trial]) -> str | None:
    """Why no further trial would be measured either: the baseline and the last of these trials, the next that was
    deployed, failed alike by what they were, not by the environment's fault. None: that is not so.
    """
    if any(trial.measurement is not None for trial in trials):
        return None
    deployed = [trial for trial in trials if not isinstance(trial.outcome, Infeasible)]
    if len(deployed) < 2 or deployed[0].purpose != "baseline":
        return None
    first, second = deployed[0].outcome, deployed[-1].outcome
    if not isinstance(first, Failed) or not isinstance(second, Failed) or _what(first) != _what(second):
        return None
    if "environment" in (first.blame, second.blame):
        return None
    numbers = f"trial {deployed[0].number} (the baseline) and trial {deployed[-1].number}"
    return f"{numbers} failed alike at {second.stage}: {second.kind}, {second.reason}"


def unmeasured(trials: Sequence[Trial]) -> str | None:
    """Why nothing was measured, by the commonest of the reasons; None: something was, or nothing was tried."""
    if not trials or any(trial.measurement is not None for trial in trials):
        return None
    told: dict[str, list[str]] = {}
    for trial in trials:
        match trial.outcome:
            case Failed(stage=stage, kind=kind, reason=reason) as failed:
                told.setdefault(_what(failed), []).append(f"failed at {stage}: {kind}, {reason}")
            case Infeasible(reason=reason):
                told.setdefault("infeasible", []).append(f"cannot run here: {reason}")
    commonest = max(told.values(), key=len, default=[])
    often = f"{len(commonest)} of {len(trials)} trials " if len(trials) > 1 else "the trial "
    return f"nothing could be measured: {often}{commonest[-1]}" if commonest else None


def _what(failed: Failed) -> str:
    return f"{failed.stage} {failed.kind} {_OF_THIS_TRIAL.sub('…', failed.reason)}"
