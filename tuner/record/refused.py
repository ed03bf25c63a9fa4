"""What was refused and why: the trials that are no candidates, like ones together, and what was never tried."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.record.wording import excess_text, outcome_text, trials_text
from tuner.study.hopeless import alike
from tuner.study.model import Summary
from tuner.trials.model import Failed, Infeasible, Measured, Referenced, Trial


def refusal_lines(summary: Summary) -> list[str]:
    """A line for all trials that ended alike, and one for the valid configurations that were never proposed."""
    groups: dict[str, list[Trial]] = {}
    for trial in summary.trials:
        if not trial.feasible:
            groups.setdefault(_what(trial), []).append(trial)
    return [*(f"{trials_text(_numbers(group))} {_why(group)}" for group in groups.values()), *_never(summary)]


def _what(trial: Trial) -> str:
    """Equal for trials that are told of together."""
    match trial.outcome:
        case Failed() as failed:
            return f"failed {failed.blame} {alike(failed)}"
        case Infeasible(reason=reason):
            return f"infeasible {reason}"
        case Measured(broken=broken, undecided=undecided):
            return f"measured {[metric for metric, _ in broken]} {undecided if not broken else ()}"
        case outcome:
            return type(outcome).__name__


def _why(group: Sequence[Trial]) -> str:
    """Of one trial its own words; of several what they share."""
    first, several = group[0], len(group) > 1
    match first.outcome:
        case Measured(broken=broken) if several and broken:
            spans = []
            for place, (metric, _) in enumerate(broken):
                excesses = [one.outcome.broken[place][1] for one in group if isinstance(one.outcome, Measured)]
                least, most = excess_text(min(excesses)), excess_text(max(excesses))
                spans.append(f"{metric} by {least}" if least == most else f"{metric} by {least} to {most}")
            return f"break the SLO: {', '.join(spans)}"
        case Referenced() if several:
            return "are references: how fast the machine is"
        case Referenced():
            return "is a reference: how fast the machine is"
        case Measured(undecided=undecided) if several:
            return f"are undecided: {', '.join(undecided)} could not be told"
    text = outcome_text(group[-1])
    return f"{text} (as the last of them says)" if several and not _same_words(group) else text


def _same_words(group: Sequence[Trial]) -> bool:
    return len({outcome_text(one) for one in group}) == 1


def _never(summary: Summary) -> list[str]:
    told = [f"{count:,} for {reason}" for reason, count in summary.left_out.items()]
    return [f"valid, but never proposed: {'; '.join(told)}"] if told else []


def _numbers(group: Sequence[Trial]) -> list[int]:
    return [trial.number for trial in group]
