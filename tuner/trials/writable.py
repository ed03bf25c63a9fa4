"""What of a trial can be written down: a measurement that yielded what is no number is none."""

from __future__ import annotations

from dataclasses import replace

from tuner.trials.codec import CodecError, encode
from tuner.trials.model import Failed, Trial


def writable(trial: Trial) -> Trial:
    """The trial itself; where JSON cannot hold it, that it failed so, by no fault of its configuration."""
    try:
        encode(trial)
    except CodecError as error:
        reason = f"it yielded what is no number: {error}"
        return replace(trial, outcome=Failed(stage="measure", kind="NotANumber", reason=reason, blame="environment"))
    return trial
