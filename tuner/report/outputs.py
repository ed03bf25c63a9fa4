"""What a study found, a small file each: for whatever goes on from it, such as the steps of a workflow.

`verdict` is ``better``, ``no-gain`` or ``nothing-met``. What there is none of (a manifest, where nothing was chosen) is an
empty file, so that whoever reads them need not ask which are there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from tuner.report.data import plain
from tuner.study.model import Summary
from tuner.trials.model import measured

Verdict = Literal["better", "no-gain", "nothing-met"]

OUTPUTS: Mapping[str, str] = {
    "verdict": "better, no-gain (the manifest as it stands, or nothing better beyond doubt) or nothing-met (the SLO)",
    "trial": "the chosen trial's number",
    "gain": "the first objective, chosen against baseline, such as 1.83x",
    "numbers": "JSON: of each metric the baseline's value, the chosen one's, their ratio and the verdict; SI units",
    "manifest": "the manifest of the choice",
}
"""Names of the files, and what is in them."""


def verdict(summary: Summary) -> Verdict:
    """Of what was chosen against the baseline, in the objectives."""
    if summary.choice is None:
        return "nothing-met"
    if summary.baseline is None:
        return "better"  # the manifest as it stands could not be measured, or breaks the SLO
    digests = {trial.number: trial.manifest_digest for trial in summary.trials}
    if digests.get(summary.choice.candidate.trial) == digests.get(summary.baseline):
        return "no-gain"
    aimed_at = {objective.metric for objective in summary.start.objectives}
    told = [one.verdict for one in summary.comparisons if one.metric in aimed_at]
    return "better" if "better" in told else "no-gain"


def is_measured(summary: Summary) -> bool:
    """Whether it has ended, and anything was measured: else there is nothing to go on from."""
    return summary.state == "ended" and any(measured(trial) is not None for trial in summary.trials)


def outputs(summary: Summary, manifest: str) -> dict[str, str]:
    """The texts by name. `manifest`: of the choice; empty where there is none."""
    objectives = [objective.metric for objective in summary.start.objectives]
    first = next((one for one in summary.comparisons if one.metric == objectives[0]), None) if objectives else None
    chosen = summary.choice
    return {
        "verdict": verdict(summary),
        "trial": "" if chosen is None else str(chosen.candidate.trial),
        "gain": "" if first is None else first.ratio_text,
        "numbers": json.dumps({one.metric: plain(one) for one in summary.comparisons}, allow_nan=False),
        "manifest": "" if chosen is None else manifest,
    }
