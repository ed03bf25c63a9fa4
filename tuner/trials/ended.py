"""How a trial ended that did not measure all it was asked for, in words: for every page and table alike."""

from __future__ import annotations

from tuner.trials.model import Failed, Infeasible, Interrupted, Referenced, Stopped


def ended(outcome: Stopped | Referenced | Infeasible | Failed | Interrupted) -> str:
    """With its reason."""
    match outcome:
        case Stopped(reason=reason):
            return f"cut short: {reason}"
        case Referenced():
            return "a reference: how fast the machine is"
        case Infeasible(reason=reason):
            return f"cannot run here: {reason}"
        case Failed(stage=stage, kind=kind, reason=reason, blame=blame):
            blamed = " (not the configuration's fault)" if blame == "environment" else ""
            return f"failed at {stage}: {kind}, {reason}{blamed}"
        case Interrupted(reason=reason):
            return f"interrupted: {reason}"
