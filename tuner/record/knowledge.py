"""What a study has taught, and what is believed of a configuration, in lines of text.

Made of the plain JSON that stands in the journal and in ``report.json``, so that what is shown is what was written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.space.metrics import METRICS
from tuner.units import format_gain, format_metric

Data = Mapping[str, Any]
_SMALL = 0.02
"""A knob that explains less is not named."""
_BAR = 20
"""Characters of a bar for the whole variance."""
_EIGHTHS = "▏▎▍▌▋▊▉"
_TOLD = 0.2
"""The trials tell of a knob that matters where some knob explains so much at least."""
_NO_RATIO, _NONE = 1e-4, 1.5e-4
"""The model tells no ratios below the first apart; nor do these lines, a little above it."""
_CERTAIN = 1e-3
"""An interval whose ends are closer than that is none."""


def knowledge_lines(knowledge: Data, currency: str) -> list[str]:
    """Which knobs mattered, what each was worth, and what holds the choice back."""
    if knowledge["too_few"]:
        return [f"which knobs mattered: {knowledge['too_few']}"]
    return [
        *_matters(knowledge),
        *_steps(knowledge["steps"], currency),
        *_held_back(knowledge["bounds"], knowledge["edges"], currency),
    ]


def prediction_lines(prediction: Data) -> list[str]:
    """What is believed of one configuration, and how far it is from anything tried."""
    currency = prediction["currency"]
    values = " ".join(f"{name}={_value(value)}" for name, value in prediction["configuration"]["values"].items())
    lines = [f"predicted: {values}", f"what {prediction['said']} leaves open is as in {prediction['rest']}"]
    lines.append(_nearest(prediction["nearest"], currency))
    lines.append("believed of a quiet machine (90 % intervals; in brackets where one start of it would measure):")
    width = max(map(len, prediction["metrics"]), default=0)
    for metric, believed in prediction["metrics"].items():
        start = prediction["starts"][metric]
        if metric == "cost" and prediction["cost_known"] is not None:
            lines.append(f"  {metric:{width}}  {_amount(metric, prediction['cost_known'], currency)}, known")
            continue
        value, interval = _amount(metric, believed["value"], currency), _interval(metric, believed, currency)
        told = value if interval == value else f"{value}, {interval} [{_interval(metric, start, currency)}]"
        lines.append(f"  {metric:{width}}  {told}")
    if prediction["meets"] is not None:
        lines.append(f"  meets the SLO with a probability of {_percent(prediction['meets'])}")
    if prediction["lives"] is not None and prediction["lives"] < 1.0:
        lines.append(f"  starts and lives with a probability of {_percent(prediction['lives'])}")
    return lines


def _matters(knowledge: Data) -> Iterator[str]:
    if not knowledge["matters"]:
        return
    sample = ", over a sample of the space" if knowledge["sampled"] else ""
    yield (
        f"what mattered, by the model after {knowledge['configurations']} configurations: shares of the variance{sample} "
        "(90 % intervals)"
    )
    width = max(len(one["metric"]) for one in knowledge["matters"])
    knobs_width = max(
        (len(knob["knob"]) for one in knowledge["matters"] for knob in _of_weight(one["knobs"])), default=0
    )
    for one in knowledge["matters"]:
        bars = [
            f"{knob['knob']:{knobs_width}}  {_bar(share['value']):{_BAR}}  {_share(share)}"
            for knob in _of_weight(one["knobs"])
            for share in [_in_all(knob)]
        ]
        for place, text in enumerate(bars or ["no knob to speak of"]):
            yield f"  {one['metric'] if place == 0 else '':{width}}  {text}"
        if still_open := _open(one["knobs"]):
            yield f"  {'':{width}}  {still_open}"
        pairs = [f"{' and '.join(pair['knobs'])} {_share(pair['share'])}" for pair in one["pairs"]]
        if pairs:
            yield f"  {'':{width}}  only together: {', '.join(pairs)}"
        for method, shares in one["others"].items():
            named = [f"{knob} {_percent(share)}" for knob, share in _largest(shares) if share >= _SMALL]
            yield f"  {'':{width}}  Optuna's {method}: {', '.join(named)}"


def _of_weight(knobs: Sequence[Data]) -> list[Data]:
    """Those to speak of, the weightiest first."""
    return sorted((one for one in knobs if _in_all(one)["value"] >= _SMALL), key=lambda one: -_in_all(one)["value"])


def _in_all(knob: Data) -> Data:
    """Its share in all it takes part in."""
    share: Data = knob["in_all"] or knob["alone"]
    return share


def _bar(share: float) -> str:
    """In eighths of a character."""
    eighths = round(min(max(share, 0.0), 1.0) * _BAR * 8)
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8 - 1] if eighths % 8 else "")


def _open(knobs: Sequence[Data]) -> str:
    """That the trials do not tell yet: any of the knobs may be without weight."""
    least = max(_in_all(one)["low"] for one in knobs)
    return "which matters most is still open" if least < _TOLD else ""


def _largest(shares: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(shares.items(), key=lambda pair: -pair[1])


def _steps(steps: Sequence[Data], currency: str) -> Iterator[str]:
    if not steps:
        return
    yield "from the baseline to the choice, by what is believed of a quiet machine (90 % intervals):"
    moves = [
        ", ".join(f"{name} {_value(old)} -> {_value(new)}" for name, (old, new) in s["knobs"].items()) for s in steps
    ]
    told = [
        (move, step, [text for change in step["changes"] if (text := _change(change, currency)) is not None])
        for move, step in zip(moves, steps, strict=True)
    ]
    width = max((len(move) for move, _, changes in told if changes), default=0)
    for move, step, changes in told:
        barred = "" if step["allowed"] else "  (on the way only: it breaks a rule)"
        for place, text in enumerate(changes):
            yield f"  {move if place == 0 else '':{width}}  {text}{barred if place == 0 else ''}"
    for_nothing = [move for move, _, changes in told if not changes]
    if for_nothing:
        yield f"  nothing to speak of: {'; '.join(for_nothing)}"


def _change(change: Data, currency: str) -> str | None:
    """None: what changes cannot be told apart from nothing."""
    metric, ratio = change["metric"], change["ratio"]
    before, after = (_amount(metric, change[end]["value"], currency) for end in ("before", "after"))
    if before == after and (before.startswith("under") or ratio["high"] / ratio["low"] <= 1.0 + _CERTAIN):
        return None
    text = f"{metric} {before} -> {after}, {_gain(ratio['value'])}"
    low, high = _gain(ratio["low"]), _gain(ratio["high"])
    if ratio["high"] / ratio["low"] > 1.0 + _CERTAIN and low != high:
        text += f" ({low} to {high})"
    return text if change["measured"] is None else f"{text}; measured {_gain(change['measured'])}"


def _held_back(bounds: Sequence[Data], edges: Sequence[Data], currency: str) -> Iterator[str]:
    told = []
    for bound in bounds:
        metric = bound["metric"]
        value, interval = (
            _amount(metric, bound["believed"]["value"], currency),
            _interval(metric, bound["believed"], currency),
        )
        sign = ">=" if bound["at_least"] else "<="
        at = value if value == interval else f"{value}, {interval}"
        text = f"{metric} {sign} {_amount(metric, bound['bound'], currency)}: believed {at}"
        met = _percent(bound["probability"]) if metric == "cost" else _belief(bound["probability"])
        text += f", met with a probability of {met}"
        if bound["gain"] is not None:
            text += f"; without this bound {bound['objective']} could be {format_gain(bound['gain'] - 1.0)} better"
        told.append(text)
    for edge in edges:
        better = f"{edge['objective']} is believed to get better towards it"
        at = f"{edge['knob']}={_value(edge['value'])} is the {edge['end']} value offered"
        told.append(f"{at}, and {better} (probability {_belief(edge['probability'])}): a wider range may hold more")
    if told:
        yield "what holds the choice:"
        yield from (f"  {text}" for text in told)


def _nearest(near: Data | None, currency: str) -> str:
    if near is None:
        return "nothing was tried yet"
    starts = f"{near['starts']} start{'s' if near['starts'] > 1 else ''}"
    if not near["differs"]:
        return f"it was tried: {starts}"
    there = ", ".join(f"{name}={_value(tried)}" for name, (_, tried) in near["differs"].items())
    tried = f"nearest that was tried: {there}, else the same ({starts})"
    told = [
        f"{name} {_amount(name, value, currency)}" for name, value in near["measured"].items() if name == "throughput"
    ]
    return f"{tried}, which measured {told[0]}" if told else tried


def _share(share: Data) -> str:
    return f"{_percent(share['value'])} ({share['low'] * 100:.0f}-{share['high'] * 100:.0f})"


def _interval(metric: str, believed: Data, currency: str) -> str:
    low, high = (_amount(metric, believed[end], currency) for end in ("low", "high"))
    return low if low == high else f"{low} to {high}"


def _amount(metric: str, value: float, currency: str) -> str:
    if metric not in METRICS:
        return f"{value:.3g}"
    unit = METRICS[metric].unit
    return (
        f"under {format_metric(unit, _NO_RATIO)}"
        if unit == "ratio" and value < _NONE
        else format_metric(unit, value, currency)
    )


def _gain(ratio: float) -> str:
    """``+55 %``, ``-20 %``; ``x 12`` beyond tenfold."""
    if ratio >= 10.0:
        return f"x {ratio:.3g}"
    change = (ratio - 1.0) * 100
    return "no change" if abs(change) < 0.5 else f"{change:+.0f} %"


def _belief(probability: float) -> str:
    """Of what is modelled nothing is certain, whatever is left of it after rounding."""
    return _percent(min(max(probability, 1e-9), 1.0 - 1e-9))


def _percent(share: float) -> str:
    if 0.0 < share < 0.01 or 0.99 < share < 1.0:
        return "< 1 %" if share < 0.5 else "> 99 %"
    return f"{math.floor(share * 100 + 0.5)} %"


def _value(value: Any) -> str:
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)
