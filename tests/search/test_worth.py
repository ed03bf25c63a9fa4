"""From the baseline to the choice, a knob at a time: the order, what each step changes, what was measured."""

from __future__ import annotations

import math

import pytest

from tests.builders import parameter, space_of
from tests.search.beliefs import Sure
from tuner.search.worth import Z90, steps
from tuner.space.model import Choices, Condition, Configuration, IntRange, Objective

WORKERS = parameter("workers", IntRange(low=1, high=8))
CPU = parameter("cpu", Choices(values=("1", "2")))
THREADS = parameter("threads", IntRange(low=1, high=4))
MOST = (Objective(metric="throughput", direction="maximize"),)
SPACE = space_of((WORKERS, CPU, THREADS), objectives=MOST)
START = Configuration(values={"workers": 1, "cpu": "1", "threads": 1})
END = Configuration(values={"workers": 4, "cpu": "2", "threads": 1})
SERVER = Sure(throughput=lambda values: 100.0 * float(values["workers"]) ** 0.5 * float(values["cpu"]) ** 0.3)


def test_the_knob_that_gains_most_comes_first_and_the_steps_multiply_to_the_whole() -> None:
    found = steps(SPACE, START, END, SERVER, ["throughput"], {})
    assert [dict(step.knobs) for step in found] == [{"workers": (1, 4)}, {"cpu": ("1", "2")}]
    ratios = [step.changes[0].ratio.value for step in found]
    assert ratios == pytest.approx([2.0, 2.0**0.3])
    assert math.prod(ratios) == pytest.approx(found[-1].changes[0].after.value / 100.0)
    assert all(step.changes[0].measured is None for step in found)


def test_intervals_are_of_the_difference() -> None:
    (step, _) = steps(SPACE, START, END, SERVER, ["throughput"], {})
    half = Z90 * math.sqrt(2) * 0.01
    assert step.changes[0].ratio.low == pytest.approx(2.0 * math.exp(-half))
    assert step.changes[0].ratio.high == pytest.approx(2.0 * math.exp(half))


def test_what_was_measured_at_both_ends_is_told_beside() -> None:
    measured = {
        START.digest: {"throughput": 100.0},
        Configuration(values={"workers": 4, "cpu": "1", "threads": 1}).digest: {"throughput": 190.0},
    }
    found = steps(SPACE, START, END, SERVER, ["throughput"], measured)
    assert [step.changes[0].measured for step in found] == [pytest.approx(1.9), None]


def test_the_way_leads_through_what_the_rules_allow_where_it_can() -> None:
    space = space_of((WORKERS, CPU, THREADS), objectives=MOST, rules=["workers <= 2 * cpu"])
    found = steps(space, START, END, SERVER, ["throughput"], {})
    assert [list(step.knobs) for step in found] == [["cpu"], ["workers"]]
    assert all(step.allowed for step in found)
    barred = space_of((WORKERS, CPU, THREADS), objectives=MOST, rules=["workers + cpu == 2 or workers + cpu == 6"])
    assert [step.allowed for step in steps(barred, START, END, SERVER, ["throughput"], {})] == [False, True]


def test_a_knob_that_exists_only_with_another_moves_with_it() -> None:
    batching = parameter("batching", Choices(values=(True, False)))
    size = parameter("size", IntRange(low=1, high=8), when=Condition(parameter="batching", values=(True,)))
    space = space_of((batching, size, WORKERS), objectives=MOST)
    before = Configuration(values={"batching": False, "workers": 1})
    after = Configuration(values={"batching": True, "size": 4, "workers": 2})
    beliefs = Sure(throughput=lambda values: 10.0 * float(values.get("size", 1)) * float(values["workers"]))
    found = steps(space, before, after, beliefs, ["throughput"], {})
    assert [dict(step.knobs) for step in found] == [
        {"batching": (False, True), "size": (None, 4)},
        {"workers": (1, 2)},
    ]
    back = steps(space, after, before, beliefs, ["throughput"], {})
    assert {frozenset(step.knobs) for step in back} == {frozenset({"batching", "size"}), frozenset({"workers"})}


def test_no_steps_where_nothing_differs() -> None:
    assert steps(SPACE, START, START, SERVER, ["throughput"], {}) == ()
