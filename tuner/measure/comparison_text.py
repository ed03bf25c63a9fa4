"""What a comparison found, in plain words; no terminal and no page needed."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tuner.measure.paired import Assessment, Comparison, Effect, Terms
from tuner.space.metrics import METRICS
from tuner.statistics.model import Estimate
from tuner.units import format_metric, format_ratio, format_seconds

_MANIFOLD = 2.0
"""From this ratio on, times say more than percents."""
_BOUNDLESS = 100.0
"""Ratio of an interval's ends from which on it says nothing."""
_SPARE = 1.1
"""Load for windows that have to be measured again."""
_WORDS = {
    "latency": ("slower", "faster"),
    "throughput": ("more throughput", "less throughput"),
    "cpu": ("more CPU", "less CPU"),
    "memory": ("more memory", "less memory"),
    "startup": ("slower to start", "faster to start"),
}
"""By the ratio B / A: above 1, below 1."""
_VERBS = {"throughput": "has", "cpu": "uses", "memory": "uses"}


def headline(comparison: Comparison) -> str:
    """The verdict in a sentence: ``B is 12 % slower than A at p99 (9 % to 15 %, 8 pairs of restarts)``."""
    assessment, terms = comparison.assessment, comparison.terms
    if assessment.by == "error_ratio":
        return _errors(assessment, terms)
    effect = assessment.effect(terms.metric)
    if effect is None or effect.ratio.low is None:
        return f"undecided: {why_not(comparison)}"
    found = f"{difference(effect)} than A{_at(terms.metric)} ({_range(effect)}, {pairs(assessment.pairs, terms)})"
    if assessment.verdict == "no difference":
        return f"no difference: B {found}; the smallest difference of interest is {format_ratio(terms.smallest)}"
    if assessment.verdict == "undecided":
        return f"undecided: B {found}; {why_not(comparison)}"
    return f"B {found}"


def why_not(comparison: Comparison) -> str:
    """Why there is no verdict, and what would bring one."""
    assessment, terms = comparison.assessment, comparison.terms
    effect = assessment.effect(terms.metric)
    if comparison.given_up:
        return f"{comparison.ended_because}: {comparison.refused[-1]}"
    if effect is None:
        return f"{terms.metric} was not measured on both sides; a longer --time makes longer windows"
    if effect.ratio.low is None:
        return f"only {pairs(effect.pairs, terms)} measured {terms.metric} on both sides; give more --pairs and --time"
    spread = spread_text(effect, terms)
    if assessment.told:
        return f"the difference is about the smallest of interest, {format_ratio(terms.smallest)}; no load tells these apart"
    count, load_s = assessment.would_tell, load_that_tells(comparison)
    if count is None or load_s is None:
        return f"{spread}: give more --pairs and --time, or a larger --smallest"
    if count <= assessment.pairs:
        return f"{spread}: a few more --pairs would tell, or a larger --smallest"
    more = f"--time {math.ceil(load_s)}s" if terms.until_told else f"--pairs {count} --time {math.ceil(load_s)}s"
    options = f"give {more}{'' if terms.until_told else ' or --until-told'}, or a larger --smallest"
    would = f"about {format_seconds(load_s)} a side would tell {format_ratio(terms.smallest)}"
    return f"{spread}: {would}; {options}"


def load_that_tells(comparison: Comparison) -> float | None:
    """Load for each side, in seconds, under which it could probably be told; None: nobody knows."""
    assessment = comparison.assessment
    if assessment.would_tell is None or not assessment.pairs:
        return None
    a_pair_s = max(comparison.load_s) / assessment.pairs
    return assessment.would_tell * a_pair_s * _SPARE


def rows(comparison: Comparison) -> Iterator[tuple[str, str, str, str]]:
    """Metric, A, B and B / A, a metric a row, the one that decides first."""
    for effect in comparison.assessment.effects:
        unit = METRICS[effect.metric].unit
        yield effect.metric, format_metric(unit, effect.a), format_metric(unit, effect.b), ratio_text(effect)
    errors = comparison.assessment.errors
    if errors is not None:
        yield "error_ratio", format_ratio(errors.a), format_ratio(errors.b), ""


def ratio_text(effect: Effect) -> str:
    """``1.100 (1.078 to 1.122)``."""
    ratio = effect.ratio
    between = "" if ratio.low is None or ratio.high is None else f" ({ratio.low:.3f} to {ratio.high:.3f})"
    return f"{ratio.value:.3f}{between}"


def spread_text(effect: Effect, terms: Terms) -> str:
    """``starts of one side differ by 9 %, windows of one start by 3 %``, as standard deviations; empty: not known."""
    found = []
    if effect.restarts_differ is not None:
        of = "starts" if terms.restarted else "windows"
        found.append(f"{of} of one side differ by {format_ratio(effect.restarts_differ)}")
    if terms.restarted and effect.windows_differ is not None:
        found.append(f"windows of one start differ by {format_ratio(effect.windows_differ)}")
    return ", ".join(found)


def difference(effect: Effect) -> str:
    """``is 12 % slower``, ``has 2.3 times the throughput``: what follows "B", and is followed by "than A"."""
    kind = effect.metric.partition("_")[0]
    return f"{_VERBS.get(kind, 'is')} {amount(effect.metric, effect.ratio.value)}"


def amount(metric: str, ratio: float) -> str:
    """``12 % slower``; from twice on ``2.3 times slower``, which is 2.3 times the latency."""
    more, less = _WORDS[metric.partition("_")[0]]
    word = more if ratio >= 1.0 else less
    if ratio >= _MANIFOLD or ratio <= 1.0 / _MANIFOLD:
        return f"{_short(max(ratio, 1.0 / ratio))} times {word}"
    return f"{_percent(ratio)} {word}"


def pairs(count: int, terms: Terms) -> str:
    """``8 pairs of restarts``."""
    return f"{count} pair{'' if count == 1 else 's'} of {'restarts' if terms.restarted else 'windows'}"


def terms_text(terms: Terms) -> str:
    """The equal terms in a sentence."""
    load = "a closed loop" if terms.rate_rps is None else f"{terms.rate_rps:.4g}/s ({terms.arrival}, {terms.rate_from})"
    return (
        f"{load}, {terms.connections} connections; each start {terms.windows} x {format_seconds(terms.window_s)}"
        if terms.restarted
        else f"{load}, {terms.connections} connections; windows of {format_seconds(terms.window_s)} in turn"
    )


def _errors(assessment: Assessment, terms: Terms) -> str:
    errors = assessment.errors
    if errors is None:
        raise ValueError("an assessment decided by error ratios has none")
    word = "more" if errors.b > errors.a else "fewer"
    return (
        f"B fails {word} requests than A: {format_ratio(errors.b)} against {format_ratio(errors.a)} "
        f"({pairs(assessment.pairs, terms)}), so its latencies do not count"
    )


def _at(metric: str) -> str:
    kind, _, quantile = metric.partition("_")
    return f" at {quantile}" if kind == "latency" else ""


def _range(effect: Effect) -> str:
    """The interval: the direction is said only where its ends differ in it."""
    low, high = _ends(effect.ratio)
    if high > _BOUNDLESS * low:
        return "too wide an interval to say"
    if low > 1.0 or high < 1.0:
        near, far = (low, high) if low > 1.0 else (high, low)
        if max(far, 1.0 / far) < _MANIFOLD:
            return f"{_percent(near)} to {_percent(far)}"
    return f"{amount(effect.metric, low)} to {amount(effect.metric, high)}"


def _ends(ratio: Estimate) -> tuple[float, float]:
    if ratio.low is None or ratio.high is None:
        raise ValueError("an effect without an interval")
    return ratio.low, ratio.high


def _percent(ratio: float) -> str:
    return f"{_short(abs(ratio - 1.0) * 100.0)} %"


def _short(value: float) -> str:
    """Two digits that count, never an exponent; nothing finer than a hundredth."""
    return f"{float(f'{round(value, 2):.2g}'):g}"
