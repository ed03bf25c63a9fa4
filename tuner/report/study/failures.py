"""What failed, by reason, and what could not run here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tuner.report.study.found import Found, counted
from tuner.report.study.trials import Hidden
from tuner.trials.model import Failed, Infeasible, Stopped, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    title: str
    """``OOMKilled at ready, 3 trials``."""
    example: str
    """One trial's own words."""
    trials: tuple[int, ...]
    log: str
    """The end of the last one's log; empty: it wrote none."""


def reasons(found: Found) -> Iterator[Reason]:
    """The most frequent first."""
    kinds: dict[tuple[str, str], list[Trial]] = {}
    for trial in found.summary.trials:
        match trial.outcome:
            case Failed(stage=stage, kind=kind):
                kinds.setdefault((kind, f" at {stage}"), []).append(trial)
            case Infeasible():
                kinds.setdefault(("cannot run here", ""), []).append(trial)
            case Stopped():
                kinds.setdefault(("cut short: the SLO was broken beyond doubt", ""), []).append(trial)
    hidden = Hidden(found)
    for (kind, at), of_kind in sorted(kinds.items(), key=lambda pair: -len(pair[1])):
        last = of_kind[-1]
        yield Reason(
            title=f"{kind}{at}: {counted(len(of_kind), 'trial')}",
            example=hidden.text(getattr(last.outcome, "reason", "")),
            trials=tuple(trial.number for trial in of_kind),
            log=hidden.log(last) if isinstance(last.outcome, Failed) else "",
        )
