"""Verdicts in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.measure.test_paired import pairs
from tuner.measure.comparison_text import amount, headline, terms_text
from tuner.measure.paired import Comparison, Pair, Terms, assess

TERMS = Terms(
    metric="latency_p50",
    smallest=0.05,
    rate_rps=120.0,
    rate_from="as asked",
    arrival="poisson",
    connections=32,
    pairs=12,
    windows=3,
    window_s=1.5,
    warm_up_s=0.5,
    load_s=60.0,
    seed=0,
    restarted=True,
)


def comparison(measured: list[Pair], *, last: bool = False, refused: tuple[str, ...] = ()) -> Comparison:
    return Comparison(
        a="a.yaml",
        b="b.yaml",
        terms=TERMS,
        assessment=assess(measured, metric="latency_p50", smallest=0.05, most=12, last=last),
        pairs=tuple(measured),
        load_s=(20.0, 20.0),
        ended_because="2 of 2 pairs could not be trusted" if refused else "all 12 pairs were measured",
        refused=refused,
        given_up=bool(refused),
    )


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ([1.12, 1.13, 1.11, 1.12], "B is 12 % slower than A at p50 (9.6 % to 14 %, 4 pairs of restarts)"),
        ([0.8, 0.81, 0.79, 0.8], "B is 20 % faster than A at p50 (18 % to 22 %, 4 pairs of restarts)"),
        ([2.3, 2.32, 2.28, 2.3], "B is 2.3 times slower than A at p50 (2.2 times slower to 2.4 times slower, 4 pairs"),
        ([1.8, 1.9, 1.7, 1.8], "B is 80 % slower than A at p50 (58 % slower to 2 times slower, 4 pairs of restarts)"),
        (
            [1.0, 1.01, 0.99, 1.006],
            "no difference: B is 0.15 % slower than A at p50 (2.4 % faster to 2.7 % slower, 4 pairs of restarts); "
            "the smallest difference of interest is 5 %",
        ),
    ],
)
def test_headlines(ratios: list[float], expected: str) -> None:
    assert headline(comparison(pairs(ratios))).startswith(expected)


def test_what_cannot_be_told_says_what_it_would_take() -> None:
    text = headline(comparison(pairs([1.0, 1.3, 0.9, 1.1]), last=True))
    assert text.startswith("undecided: B is 6.5 % slower than A at p50 (")
    assert "starts of one side differ by" in text
    assert text.endswith(
        "about 1h41m56s a side would tell 5 %; give --pairs 1112 --time 6117s or --until-told, or a larger --smallest"
    )


def test_more_load_is_not_asked_for_where_it_would_not_tell() -> None:
    measured = pairs([1.049, 1.051, 1.05, 1.048])
    found = comparison(measured)
    found = replace(found, assessment=assess(measured, metric="latency_p50", smallest=0.05, most=12, until_told=True))
    assert found.assessment.told
    assert found.assessment.verdict == "undecided"
    assert headline(found).endswith("the difference is about the smallest of interest, 5 %; no load tells these apart")


def test_too_few_pairs() -> None:
    text = headline(comparison(pairs([1.0, 1.0]), last=True))
    assert text.startswith("undecided: only 2 pairs of restarts measured latency_p50 on both sides")


def test_nothing_measured() -> None:
    assert "latency_p50 was not measured on both sides" in headline(comparison([], last=True))


def test_refused_windows() -> None:
    text = headline(comparison([], refused=("A: the generator was late", "B: the generator was late")))
    assert text == "undecided: 2 of 2 pairs could not be trusted: B: the generator was late"


def test_errors_that_decide() -> None:
    text = headline(comparison(pairs([0.5] * 4, errors=0.2)))
    assert text.startswith("B fails more requests than A: 20 % against 0 % (4 pairs of restarts)")


@pytest.mark.parametrize(
    ("metric", "ratio", "expected"),
    [
        ("throughput", 0.88, "12 % less throughput"),
        ("cpu", 1.5, "50 % more CPU"),
        ("memory", 0.25, "4 times less memory"),
        ("startup", 1.001, "0.1 % slower to start"),
        ("latency_p99", 150.0, "150 times slower"),
        ("latency_p99", 1.0, "0 % slower"),
    ],
)
def test_amounts(metric: str, ratio: float, expected: str) -> None:
    assert amount(metric, ratio) == expected


def test_terms() -> None:
    assert terms_text(TERMS) == "120/s (poisson, as asked), 32 connections; each start 3 x 1.5 s"
    turns = replace(TERMS, rate_rps=None, restarted=False)
    assert terms_text(turns) == "a closed loop, 32 connections; windows of 1.5 s in turn"
