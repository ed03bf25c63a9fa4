from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.record import examples
from tuner.record import rows
from tuner.trials.model import Measured


def test_the_front_so_far_holds_the_feasible_trials_that_no_other_beats() -> None:
    assert rows.undominated(examples.trials(), examples.OBJECTIVES) == {1, 2}
    assert rows.undominated((), examples.OBJECTIVES) == set()


def test_equal_trials_do_not_push_each_other_off_the_front() -> None:
    one = examples.trials()[0]
    assert rows.undominated((one, replace(one, number=9)), examples.OBJECTIVES) == {0, 9}


values = st.floats(min_value=0.1, max_value=1e3)


@given(st.lists(st.tuples(values, values), min_size=1, max_size=12))
def test_no_member_of_the_front_so_far_is_beaten_and_every_other_trial_is(points: list[tuple[float, float]]) -> None:
    trials = [
        examples.trial(n, {"workers": n}, Measured(measurement=examples.measurement(rate, 0.01, cost)))
        for n, (rate, cost) in enumerate(points)
    ]
    best = rows.undominated(trials, examples.OBJECTIVES)
    assert best
    for number, (rate, cost) in enumerate(points):
        beaten = any(r >= rate and c <= cost and (r, c) != (rate, cost) for r, c in points)
        assert (number in best) is not beaten


@given(st.lists(st.tuples(values, values), max_size=12), st.integers(1, 4))
def test_the_front_so_far_grows_to_that_of_all_trials_at_once(points: list[tuple[float, float]], step: int) -> None:
    trials = [
        examples.trial(n, {"workers": n}, Measured(measurement=examples.measurement(rate, 0.01, cost)))
        for n, (rate, cost) in enumerate(points)
    ]
    front = rows.FrontSoFar()
    for end in range(0, len(trials) + step, step):
        front.add(trials[:end], examples.OBJECTIVES)
        assert front.numbers == rows.undominated(trials[:end], examples.OBJECTIVES)
