"""Verdicts of paired comparisons: the arithmetic by hand, and how often they err on servers of known service times."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import window
from tests.measure.queues import Server, constant
from tuner.measure.model import Usage
from tuner.measure.paired import (
    MISS,
    Pair,
    Verdict,
    Visit,
    assess,
    effect,
    error_difference,
    judge,
    looks,
    tells,
    would_tell,
)
from tuner.measure.window import summarize
from tuner.statistics.model import Estimate
from tuner.statistics.student import student_point

Start = Callable[[int], Visit]
"""The visit of a pair, by the pair's number."""


def visit(*p50_s: float, startup_s: float | None = None, errors: float = 0.0, cpu: float | None = None) -> Visit:
    return Visit(
        windows=tuple(
            window(
                latency_s={"latency_p50": Estimate(value=value)},
                error_ratio=Estimate(value=errors, low=errors, high=errors),
            )
            for value in p50_s
        ),
        usage=Usage(cpu_cores=cpu),
        startup_s=startup_s,
    )


def pair(a: Visit, b: Visit) -> Pair:
    return Pair(a=a, b=b, first="A")


def pairs(ratios: Sequence[float], **of_b: float) -> list[Pair]:
    return [pair(visit(0.01), visit(0.01 * ratio, **of_b)) for ratio in ratios]


def verdict(found: Sequence[Pair], **changes: object) -> Verdict:
    given = {"metric": "latency_p50", "smallest": 0.05, "most": 12} | changes
    return assess(found, **given).verdict  # type: ignore[arg-type]


def play(a: Start, b: Start, *, most: int = 12, metric: str = "latency_p50") -> tuple[Verdict, int]:
    """Pair after pair until it can be told, as `tuner.commands.compare` does; the verdict, and the number of pairs."""
    measured: list[Pair] = []
    while len(measured) < most:
        number = len(measured)
        measured.append(pair(a(number), b(number)))
        found = assess(measured, metric=metric, smallest=0.05, most=most)
        if found.verdict != "undecided":
            return found.verdict, len(measured)
    return assess(measured, metric=metric, smallest=0.05, most=most, last=True).verdict, most


def test_looks_are_few_and_end_with_the_most() -> None:
    assert looks(12) == (4, 6, 9, 12)
    assert looks(4) == (4,)
    assert looks(3) == (3,)
    assert looks(40) == (4, 6, 9, 13, 19, 28, 40)


def test_an_effect_is_the_mean_of_log_ratios_with_students_interval() -> None:
    ratios = [1.08, 1.12, 1.10, 1.11]
    found = effect("latency_p50", pairs(ratios), 0.01)
    logs = np.log(ratios)
    half = student_point(0.01, 3) * logs.std(ddof=1) / 2
    assert found is not None
    assert found.ratio.value == pytest.approx(math.exp(logs.mean()))
    assert found.ratio.low == pytest.approx(math.exp(logs.mean() - half))
    assert found.ratio.high == pytest.approx(math.exp(logs.mean() + half))
    assert (found.a, found.pairs, found.windows_differ) == (pytest.approx(0.01), 4, None)


def test_a_start_counts_once_by_the_median_of_its_windows() -> None:
    """One window that was disturbed changes nothing; and many windows do not make many replicates."""
    disturbed = [pair(visit(0.01, 0.01, 0.01), visit(0.011, 0.05, 0.011)) for _ in range(4)]
    found = effect("latency_p50", disturbed, 0.01)
    assert found is not None
    assert found.ratio.value == pytest.approx(1.1)
    assert found.pairs == 4


def test_fewer_than_three_pairs_have_no_interval_and_no_verdict() -> None:
    found = effect("latency_p50", pairs([1.5, 1.5]), 0.01)
    assert found is not None
    assert (found.ratio.low, found.ratio.high) == (None, None)
    assert verdict(pairs([1.5, 1.5]), last=True) == "undecided"
    one = effect("latency_p50", pairs([1.5]), 0.01)
    assert one is not None
    assert (one.restarts_differ, one.windows_differ) == (None, None)


def test_pairs_in_which_a_side_lacks_the_metric_do_not_count() -> None:
    found = effect("latency_p50", [*pairs([1.1, 1.1, 1.1]), pair(visit(), visit(0.01))], 0.01)
    assert found is not None
    assert found.pairs == 3
    assert effect("latency_p99", pairs([1.1, 1.1, 1.1]), 0.01) is None


def test_a_quantile_beyond_the_time_out_counts_as_the_time_out() -> None:
    stalled = replace(window(), latency_s={}, beyond_s={"latency_p50": 5.0})
    b = Visit(windows=(stalled,), usage=Usage(), startup_s=None)
    assert verdict([pair(visit(0.01), b)] * 4) == "worse"


def test_metrics_of_the_whole_visit() -> None:
    found = assess(
        [pair(visit(0.01, startup_s=2.0, cpu=0.5), visit(0.01, startup_s=3.0, cpu=0.25)) for _ in range(4)],
        metric="latency_p50",
        smallest=0.05,
        most=12,
        also=("startup", "cpu", "memory", "latency_p50"),
    )
    assert [e.metric for e in found.effects] == ["latency_p50", "startup", "cpu"]
    assert [e.ratio.value for e in found.effects] == pytest.approx([1.0, 1.5, 0.5])


@pytest.mark.parametrize(
    ("low", "value", "high", "last", "expected"),
    [
        (0.97, 1.0, 1.03, False, "no difference"),
        (1.01, 1.03, 1.049, False, "no difference"),  # a difference for sure, and for sure too small to matter
        (0.94, 1.0, 1.06, False, "undecided"),
        (0.94, 1.0, 1.06, True, "undecided"),  # not seeing a difference is not seeing that there is none
        (1.06, 1.1, 1.15, False, "worse"),
        (1.04, 1.1, 1.15, False, "undecided"),
        (1.04, 1.1, 1.15, True, "worse"),
        (1.01, 1.04, 1.09, True, "undecided"),
        (0.85, 0.9, 0.94, False, "better"),
        (0.85, 0.9, 0.96, False, "undecided"),
        (0.85, 0.9, 0.96, True, "better"),
    ],
)
def test_the_verdict_of_an_interval(low: float, value: float, high: float, last: bool, expected: Verdict) -> None:
    found = effect("latency_p50", pairs([1.0, 1.0, 1.0]), 0.01)
    assert found is not None
    found = replace(found, ratio=Estimate(value=value, low=low, high=high))
    assert judge(found, 0.05, last=last) == expected
    turned = {"better": "worse", "worse": "better"}.get(expected, expected)
    assert judge(replace(found, metric="throughput"), 0.05, last=last) == turned


def test_between_looks_nothing_is_decided() -> None:
    sure = [1.5, 1.5, 1.5, 1.5, 1.5, 1.5]
    assert [verdict(pairs(sure[:count])) for count in (3, 4, 5, 6)] == ["undecided", "worse", "undecided", "worse"]
    assert verdict(pairs(sure[:5]), last=True) == "worse"


def test_a_side_that_fails_more_requests_is_worse_however_fast() -> None:
    found = assess(pairs([0.5] * 4, errors=0.2), metric="latency_p50", smallest=0.05, most=12)
    assert (found.verdict, found.by) == ("worse", "error_ratio")
    assert found.errors is not None
    assert (found.errors.a, found.errors.b) == (0.0, 0.2)
    turned = [Pair(a=p.b, b=p.a, first="A") for p in pairs([0.5] * 4, errors=0.2)]
    assert assess(turned, metric="latency_p50", smallest=0.05, most=12).verdict == "better"


def test_a_few_errors_do_not_decide() -> None:
    found = assess(pairs([1.0, 1.01, 0.99, 1.0], errors=0.005), metric="latency_p50", smallest=0.05, most=12)
    assert (found.verdict, found.by) == ("no difference", "latency_p50")


def test_a_side_that_answers_nothing_has_no_effect_but_a_verdict() -> None:
    silent = Visit(
        windows=(window(latency_s={}, error_ratio=Estimate(value=1.0, low=0.99, high=1.0)),),
        usage=Usage(),
        startup_s=None,
    )
    found = assess([pair(visit(0.01), silent)] * 4, metric="latency_p50", smallest=0.05, most=12)
    assert (found.verdict, found.by, found.effects) == ("worse", "error_ratio", ())


def test_no_pairs_no_verdict() -> None:
    found = assess([], metric="latency_p50", smallest=0.05, most=12, last=True)
    assert (found.verdict, found.effects, found.errors, found.pairs) == ("undecided", (), None, 0)
    assert error_difference([], 0.01) is None


def test_the_spread_is_divided_between_starts_and_windows() -> None:
    rng = np.random.default_rng(1)

    def start(ratio: float) -> Visit:
        level = 0.01 * ratio * math.exp(rng.normal(0.0, 0.2))
        return visit(*(level * np.exp(rng.normal(0.0, 0.05, 3))))

    found = effect("latency_p50", [pair(start(1.0), start(1.3)) for _ in range(400)], 0.05)
    assert found is not None
    assert found.restarts_differ == pytest.approx(0.2, rel=0.1)
    assert found.windows_differ == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize("spread", [0.01, 0.03, 0.1])
def test_all_looks_together_err_no_more_often_than_promised(spread: float) -> None:
    """Of repetitions without a difference, those with an interval that ever misses 1, at any look."""
    rng = np.random.default_rng(2)
    runs, missed = 1000, 0
    for _ in range(runs):
        logs = rng.normal(0.0, spread, 12)
        for count in looks(12):
            mean, half = logs[:count].mean(), logs[:count].std(ddof=1) / math.sqrt(count)
            if abs(mean) > student_point(MISS / len(looks(12)), count - 1) * half:
                missed += 1
                break
    assert missed / runs <= MISS + 3 * math.sqrt(MISS * (1 - MISS) / runs)


@pytest.mark.parametrize(
    ("slower", "least"), [(1.0, ("no difference", 0.95)), (1.1, ("worse", 0.90)), (1 / 1.1, ("better", 0.90))]
)
def test_forty_comparisons_of_queues(slower: float, least: tuple[Verdict, float]) -> None:
    """Of a server with a constant service time whose starts differ by 1 %, at half load, by its p50."""
    rng = np.random.default_rng(3)

    def starts(run: int, mean_s: float) -> Start:
        def start(number: int) -> Visit:
            server = Server(constant(mean_s * math.exp(rng.normal(0.0, 0.01))), overhead_s=0.0003)
            seeds = [1000 * run + 2 * number + index for index in (0, 1)]  # both sides meet the same arrivals
            windows = (summarize(server.open_loop(np.random.default_rng(seed), 250.0, 2.0)) for seed in seeds)
            return Visit(windows=tuple(windows), usage=Usage(), startup_s=0.1)

        return start

    found = [play(starts(run, 0.002), starts(run, 0.002 * slower)) for run in range(40)]
    verdicts = Counter(verdict for verdict, _ in found)
    assert verdicts[least[0]] / 40 >= least[1], verdicts
    assert np.median([count for _, count in found]) <= 9, found


@given(
    logs=st.lists(st.floats(-0.3, 0.3), min_size=4, max_size=12, unique=True),
    smallest=st.floats(0.01, 0.5),
    most=st.integers(12, 400),
)
def test_what_would_tell_is_more_where_it_is_not_told_and_no_more_where_it_is(
    logs: list[float], smallest: float, most: int
) -> None:
    found = effect("latency_p50", pairs([math.exp(one) for one in logs]), MISS / len(looks(most)))
    assert found is not None
    wanted = would_tell(found, smallest, most)
    assert wanted is not None
    if tells(found, smallest):
        assert wanted == len(logs)
    else:
        assert wanted > len(logs)
    larger = would_tell(found, 1.5 * smallest, most)
    assert larger is not None
    assert larger <= wanted


def test_nobody_knows_what_would_tell_before_there_is_an_interval() -> None:
    assert assess(pairs([1.1, 1.2]), metric="latency_p50", smallest=0.05, most=12).would_tell is None
    assert assess([], metric="latency_p50", smallest=0.05, most=12).would_tell is None


@pytest.mark.parametrize("spread", [0.05, 0.1])
def test_what_is_said_to_tell_does(spread: float) -> None:
    """Planned from the first 12 pairs, the interval is narrow enough after as many as that in four of five cases or some more."""
    rng = np.random.default_rng(4)
    enough, runs = 0, 200
    for _ in range(runs):
        first = rng.normal(0.0, spread, 12)
        found = effect("latency_p50", pairs(list(np.exp(first))), MISS / len(looks(12)))
        assert found is not None
        wanted = would_tell(found, 0.05, 12)
        assert wanted is not None
        logs = np.concatenate([first, rng.normal(0.0, spread, wanted - 12)])
        half = student_point(MISS / len(looks(wanted)), wanted - 1) * logs.std(ddof=1) / math.sqrt(wanted)
        enough += half <= math.log1p(0.05) / 2.0
    assert 0.75 <= enough / runs <= 0.95


@pytest.mark.parametrize(
    ("truth", "verdicts"),
    [(0.0, {"no difference"}), (0.1, {"worse"}), (-0.1, {"better"}), (math.log(1.05), {"undecided", "worse"})],
)
def test_going_on_until_told_tells_and_errs_no_more_often_than_promised(truth: float, verdicts: set[Verdict]) -> None:
    """Of pairs that differ by 5 %: what is clear is told; what lies at the edge ends, too."""
    rng = np.random.default_rng(5)
    runs, most, wrong = 200, 400, 0
    for _ in range(runs):
        logs = rng.normal(truth, 0.05, most)
        for count in looks(most):
            found = assess(
                pairs(list(np.exp(logs[:count]))), metric="latency_p50", smallest=0.05, most=most, until_told=True
            )
            if found.verdict != "undecided" or found.told:
                break
        assert count < most
        wrong += found.verdict not in verdicts
    assert wrong / runs <= MISS
