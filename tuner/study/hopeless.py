"""When going on is of no use: what fails is not the configurations.

Pure. The first trial is the manifest as it stands. Where that does not start, or does not answer, a missing model, a
wrong request or a cluster that refuses is the reason, and so it will be for every trial to come: the study ends there. A
baseline that lacks room may be followed by one that has it; where the next trial fails alike, it ends, too.
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


_MAY_PASS = frozenset({"OOMKilled", "Evicted", "Unschedulable", "QuotaExceeded", "Failed"})
"""Kinds of failure that a configuration of another size may not run into; and that of which a record tells no more."""
_STAGES = ("deploy", "ready", "verify")
"""Of a trial's life, those before any load."""
_ADVICE = {
    "WrongAnswer": "change the request or the path (workload.request, workload.path) to one that it answers",
    "NoAnswer": "give the port and path that it answers at (workload.port, workload.path), and a request that it takes",
    "NotReady": "change what its readiness probe asks for, or give it longer (workload.ready_timeout)",
    "Crashed": "make the manifest start as it stands; what it wrote last stands in the study's trials/0000/server.log",
    "ErrImagePull": "name an image that can be pulled, or the secret to pull it with",
    "MissingObject": "create what the manifest refers to, or put it into the manifest",
    "AdmissionRefused": "change the manifest to what the cluster admits",
    "ConfigurationDiffers": "end what changes the pods on their way, or write its values into the manifest",
}
"""What to change, by kind of failure."""


def baseline_failed(trials: Sequence[Trial]) -> str | None:
    """Why no trial is worth running after the first: the manifest as it stands does not start or does not answer, by
    what it is; and what to change. None: that is not so, or another size might help."""
    first = trials[0].outcome if len(trials) == 1 and trials[0].purpose == "baseline" else None
    if not isinstance(first, Failed) or first.blame == "environment":
        return None
    if first.stage not in _STAGES or first.kind in _MAY_PASS:
        return None
    what = "answers wrongly" if first.kind == "WrongAnswer" else "does not start or does not answer"
    return f"the manifest as it stands {what} ({first.stage}: {first.kind}, {first.reason}); {advice(first.kind)}"


def advice(kind: str) -> str:
    """What to change where the manifest as it stands fails so."""
    return _ADVICE.get(kind, "put that right")


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
    if not isinstance(first, Failed) or not isinstance(second, Failed) or alike(first) != alike(second):
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
                told.setdefault(alike(failed), []).append(f"failed at {stage}: {kind}, {reason}")
            case Infeasible(reason=reason):
                told.setdefault("infeasible", []).append(f"cannot run here: {reason}")
    commonest = max(told.values(), key=len, default=[])
    often = f"{len(commonest)} of {len(trials)} trials " if len(trials) > 1 else "the trial "
    return f"nothing could be measured: {often}{commonest[-1]}" if commonest else None


def alike(failed: Failed) -> str:
    """Equal for failures of the same kind and reason, whatever their times, ports and names."""
    return f"{failed.stage} {failed.kind} {_OF_THIS_TRIAL.sub('…', failed.reason)}"
