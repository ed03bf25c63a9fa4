from __future__ import annotations

import json
import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.record import examples
from tuner.record import rows
from tuner.space.metrics import METRICS
from tuner.trials.model import Measured


def test_every_metric_has_a_name_that_mlflow_takes() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"[/\w.\- :]+", rows.metric_name(metric))


@given(st.text(min_size=1))
def test_any_name_is_made_safe(name: str) -> None:
    assert re.fullmatch(r"[\w.\-]+", rows.safe(name))


def test_a_number_knob_stays_a_number_in_text() -> None:
    trial = examples.trial(1, {"rate": 0.25, "on": True, "n": 3, "cpu": "500m"}, examples.trials()[0].outcome)
    assert rows.trial_params(trial) == {"rate": "0.25", "on": "True", "n": "3", "cpu": "500m"}


def test_points_are_unique_by_name_and_step() -> None:
    for trial in examples.trials():
        keys = [(point.name, point.step) for point in rows.trial_points(trial)]
        assert len(keys) == len(set(keys))


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


def test_tables_are_plain_json() -> None:
    summary = examples.summary()
    measurement = summary.trials[0].measurement
    assert measurement is not None
    for table in (rows.curve_table(measurement), rows.front_table(summary), rows.comparison_table(summary)):
        assert json.loads(json.dumps(table, allow_nan=False)) == table
        assert {len(row) for row in table["data"]} == {len(table["columns"])}


def test_a_study_without_a_choice_has_no_chosen_run() -> None:
    summary = replace(examples.summary(), choice=None, front=replace(examples.summary().front, members=()))
    assert {tags["chosen"] for tags in rows.verdict_tags(summary).values()} == {"false"}
    assert rows.front_table(summary)["data"] == []


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
