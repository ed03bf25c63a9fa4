"""Results in words: one trial, and the chosen configuration against the baseline. Plain text; no terminal needed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from tuner.front.choose import knee_ties
from tuner.search.model import Outlook
from tuner.space.metrics import METRICS
from tuner.space.model import Configuration, Constraint, Objective
from tuner.statistics.model import Estimate
from tuner.study.hopeless import unmeasured
from tuner.study.model import BaselineComparison, Summary, display
from tuner.trials.ended import ended
from tuner.trials.model import Failed, Infeasible, Interrupted, Measured, Referenced, Stopped, Trial
from tuner.units import format_gain, format_metric, least

_NOTHING = 0.001
"""A share of the best that is not worth a word: 0.1 %."""
_UNKNOWN = 1.0
"""From a doubling on, what is to come is a matter of what is not known."""
_FAR = 10.0
"""From this excess on a bound is broken by a factor, not by a share."""
_FEW = 8
"""So many knobs are named whenever a configuration is."""
_NUMBER_AND_UNIT = re.compile(r"(-?[\d.]+(?:e[+-]?\d+)?)(.*)", re.DOTALL)


def estimate_text(metric: str, estimate: Estimate, currency: str) -> str:
    """``11 ms (9.9-13.2)``: the interval without the unit where it is the value's own. ``>= 120/s``: a lower bound."""
    unit = METRICS[metric].unit
    value = format_metric(unit, estimate.value, currency)
    if estimate.is_least:
        return least(value)
    if estimate.low is None or estimate.high is None:
        return value
    low, high = (format_metric(unit, end, currency) for end in (estimate.low, estimate.high))
    if low == high == value:
        return value
    (bottom, unit_of_low), (top, unit_of_high) = _number_and_unit(low), _number_and_unit(high)
    if unit_of_low == unit_of_high == _number_and_unit(value)[1]:
        low, high = bottom, top
    return f"{value} ({low}-{high})"


def columns(objectives: Sequence[Objective], slo: Sequence[Constraint], measured: Collection[str]) -> list[str]:
    """Metrics worth a column: the objectives, then what the SLO bounds; of those only what was measured."""
    wanted = [*(objective.metric for objective in objectives), *(constraint.metric for constraint in slo)]
    return [metric for metric in dict.fromkeys(wanted) if metric in measured]


def metric_text(trial: Trial, metric: str) -> str:
    """The metric of a trial, or ``-`` where it was not measured."""
    measurement = trial.measurement
    estimate = measurement.estimates().get(metric) if measurement else None
    return estimate_text(metric, estimate, measurement.currency) if measurement and estimate else "-"


def broken_text(broken: Iterable[tuple[str, float]]) -> str:
    """``latency_p99 by 30 %``: which bounds are broken, and how far relative to the bound."""
    return ", ".join(f"{metric} by {excess_text(excess)}" for metric, excess in broken)


def excess_text(excess: float) -> str:
    """Of what lies far beyond its bound, as of a server that drowns, how many times the bound it is."""
    return f"a factor of {1.0 + excess:,.0f}" if excess >= _FAR else f"{excess * 100:.3g} %"


def outcome_text(trial: Trial) -> str:
    """How a trial ended, with its reason; ``ok`` for one that met every bound."""
    match trial.outcome:
        case Measured(broken=broken, undecided=undecided):
            if not broken and undecided:
                return f"undecided: {', '.join(undecided)} could not be told"
            return f"breaks the SLO: {broken_text(broken)}" if broken else "ok"
        case other:
            return ended(other)


def outcome_word(trial: Trial) -> str:
    """The same in a word or two, for a narrow column."""
    match trial.outcome:
        case Measured(broken=broken, undecided=undecided):
            return "breaks SLO" if broken else "undecided" if undecided else "ok"
        case Stopped():
            return "cut short"
        case Referenced():
            return "reference"
        case Infeasible():
            return "cannot run"
        case Failed():
            return "failed"
        case Interrupted():
            return "interrupted"


def constraint_text(constraint: Constraint, currency: str = "USD") -> str:
    """``latency_p99 <= 100 ms``."""
    sign = ">=" if constraint.at_least else "<="
    return f"{constraint.metric} {sign} {format_metric(METRICS[constraint.metric].unit, constraint.bound, currency)}"


def objective_text(objective: Objective) -> str:
    """``maximize throughput``."""
    return f"{objective.direction} {objective.metric}"


def settings_text(configuration: Configuration, like: Configuration | None = None) -> str:
    """A configuration in a few words: of many knobs only those that differ from the one it is `like`, the baseline."""
    if like is None or len(configuration.values) <= _FEW:
        return display(configuration)
    return f"the baseline but for {differences_text(configuration, like) or 'nothing'}"


def differences_text(configuration: Configuration, like: Configuration) -> str:
    """``cpu=1 workers=4``: what is not as in `like`; a knob that exists there alone is ``no NAME``."""
    values, other = configuration.values, like.values
    told = [f"{name}={value}" for name, value in values.items() if name not in other or other[name] != value]
    return " ".join([*told, *(f"no {name}" for name in other if name not in values)])


def comparison_lines(summary: Summary) -> list[str]:
    """What was chosen and how it compares with the baseline, no more certain than the noise floor allows."""
    if summary.choice is None:
        return [_nothing_chosen(summary)]
    candidate = summary.choice.candidate
    configuration = _configuration(summary, candidate.trial)
    baseline = _configuration(summary, summary.baseline)
    shown = f" ({settings_text(configuration, baseline)})" if configuration else ""
    lines = [f"chosen ({summary.choice.pick}): trial {candidate.trial}{shown}, {summary.choice.reason}"]
    if baseline is None:
        lines.append(_no_baseline(summary))
    elif configuration is not None and _same_deployment(summary, candidate.trial):
        lines.append("the baseline was not beaten: the manifest as it stands is the choice")
    else:
        lines += [_comparison_line(summary, comparison) for comparison in summary.comparisons]
    return lines + tie_lines(summary) + equals_lines(summary)


def tie_lines(summary: Summary) -> list[str]:
    """That the knee is a tie, where others are as near to the ideal as what was chosen."""
    choice = summary.choice
    if choice is None or choice.pick != "knee":
        return []
    others = knee_ties(summary.front, choice.candidate.trial)
    if not others:
        return []
    two = ", the knee of two points: each is the best in one objective and the worst in the other"
    why = two if len(summary.front.members) == 2 else ""
    return [
        f"a tie: {trials_text(sorted(others))} {'are' if len(others) > 1 else 'is'} as near to the ideal{why}; --pick says which objective counts"
    ]


def equals_lines(summary: Summary) -> list[str]:
    """The configurations that are as good as the choice for all that could be told, cheapest first."""
    if summary.choice is None:
        return []
    found = {one.trial: one for one in summary.candidates}
    chosen = _configuration(summary, summary.choice.candidate.trial)
    lines = []
    for number in summary.choice.equals:
        configuration, candidate = _configuration(summary, number), found.get(number)
        if configuration is None or candidate is None:
            continue
        values = [
            estimate_text(
                one.metric,
                Estimate(value=candidate.metrics[one.metric], is_least=one.metric in candidate.least),
                currency_of(summary.trials),
            )
            for one in summary.start.objectives
            if one.metric in candidate.metrics
        ]
        told = display(configuration) if chosen is None else f"{differences_text(configuration, chosen)}, else the same"
        lines.append(f"as good within the noise: trial {number} ({told}): {', '.join(values)}")
    return lines


def outlook_text(outlook: Outlook, objectives: Sequence[Objective]) -> str:
    """``10 more trials would probably bring 0.4 % more throughput (up to 3 %)``."""
    probably = f"{outlook.trials} more trials would probably bring"
    if outlook.most < _NOTHING:
        return f"{probably} nothing"
    if outlook.most >= _UNKNOWN:
        return f"what {outlook.trials} more trials would bring cannot be told yet: it could be more than all so far"
    if len(objectives) == 1:
        word = "more" if objectives[0].direction == "maximize" else "less"
        of = f"{word} {objectives[0].metric}"
    else:
        of = "more of all objectives together (the hypervolume)"
    expected = "less than 0.1 %" if outlook.expected < _NOTHING else format_gain(outlook.expected)
    return f"{probably} {expected} {of} (up to {format_gain(outlook.most)})"


def ending_lines(summary: Summary) -> list[str]:
    """Why the study ended, and what more trials would probably bring where the model can tell."""
    lines = [f"ended: {summary.ended_because}"]
    if summary.outlook is not None:
        lines.append(outlook_text(summary.outlook, summary.start.objectives))
    return lines


def caveat_lines(summary: Summary) -> list[str]:
    """What the figures of the chosen configuration and of the baseline must be read with: what was not enforced, and
    every warning, each once with the trials it is of; and how many other trials have some."""
    shown = [
        number for number in (summary.baseline, summary.choice and summary.choice.candidate.trial) if number is not None
    ]
    digests = {trial.manifest_digest for trial in summary.trials if trial.number in shown}
    said: dict[str, list[int]] = {}
    others = 0
    for trial in summary.trials:
        measurement = trial.measurement
        if measurement is None or not (measurement.not_enforced or measurement.warnings or measurement.admitted):
            continue
        if trial.manifest_digest not in digests:
            others += bool(measurement.not_enforced or measurement.warnings)
            continue
        for sentence in [
            *(f"not enforced: {text}" for text in measurement.not_enforced),
            *(f"warning: {text}" for text in measurement.warnings),
            *(f"admission: {text}" for text in measurement.admitted),
        ]:
            said.setdefault(sentence, []).append(trial.number)
    lines = [f"{sentence} ({trials_text(numbers)})" for sentence, numbers in said.items()]
    if others:
        lines.append(
            f"{others} other trial{'s have' if others > 1 else ' has'} warnings: tune show {summary.start.name} --json"
        )
    return lines


def trials_text(numbers: Sequence[int]) -> str:
    """Rising numbers in a few words: ``trial 3``, ``trials 0, 2, 5 to 9``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return f"trial{'s' if len(numbers) > 1 else ''} {', '.join(parts)}"


def currency_of(trials: Sequence[Trial]) -> str:
    """Currency of the measured trials."""
    return next((trial.measurement.currency for trial in trials if trial.measurement), "USD")


def ratio_text(ratio: float) -> str:
    """``1.83x``."""
    return f"{ratio:.3g}x"


def _comparison_line(summary: Summary, comparison: BaselineComparison) -> str:
    metric, unit = comparison.metric, METRICS[comparison.metric].unit
    currency = currency_of(summary.trials)
    chosen = least(format_metric(unit, comparison.chosen, currency), is_least=comparison.chosen_is_least)
    baseline = least(format_metric(unit, comparison.baseline, currency), is_least=comparison.baseline_is_least)
    values = f"{metric}: {chosen}, baseline {baseline} ({comparison.ratio_text})"
    return f"{values}: {_verdict(comparison, summary.noise_floor.get(metric))}"


def _verdict(comparison: BaselineComparison, floor: float | None) -> str:
    told = "" if floor is None else ratio_text(floor)
    # what is the same at every start, as a cost is, has no noise to speak of
    restarts = "" if told in ("", ratio_text(1.0)) else f" (restarts of one configuration differ by {told})"
    match comparison.verdict:
        case "no difference":
            return f"no difference beyond the noise floor{restarts}"
        case "undecided" if comparison.chosen_is_least or comparison.baseline_is_least:
            return "undecided: a throughput that is a lower bound could be any higher one"
        case "undecided":
            return "undecided: the noise floor was not measured, and restarts of one configuration differ"
        case verdict:
            return f"{verdict}{restarts}"


def _nothing_chosen(summary: Summary) -> str:
    measured = sum(isinstance(trial.outcome, Measured | Stopped) for trial in summary.trials)
    if not measured:
        return f"nothing was chosen: {unmeasured(summary.trials) or 'no trial was run'}"
    undecided = sum(isinstance(trial.outcome, Measured) and trial.state == "undecided" for trial in summary.trials)
    of_some = f"; of {undecided} it is undecided whether they do: measure longer" if undecided else ""
    return f"nothing was chosen: none of the {_configurations(summary)} measured configurations certainly met the SLO{of_some}"


def _configurations(summary: Summary) -> int:
    """That were measured: restarts of one count once."""
    return len({t.configuration.digest for t in summary.trials if isinstance(t.outcome, Measured | Stopped)})


def _no_baseline(summary: Summary) -> str:
    tried = next((trial for trial in summary.trials if trial.purpose == "baseline"), None)
    why = f" ({outcome_text(tried)})" if tried and not isinstance(tried.outcome, Measured) else ""
    return f"there is no baseline to compare with: it was not measured{why}"


def _configuration(summary: Summary, number: int | None) -> Configuration | None:
    return next((trial.configuration for trial in summary.trials if trial.number == number), None)


def _same_deployment(summary: Summary, number: int) -> bool:
    digests = {trial.number: trial.manifest_digest for trial in summary.trials}
    return summary.baseline is not None and digests.get(number) == digests.get(summary.baseline)


def _number_and_unit(text: str) -> tuple[str, str]:
    match = _NUMBER_AND_UNIT.fullmatch(text)
    return (match[1], match[2]) if match else (text, "")
