"""How long a study takes and what it will not tell, from its search space alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from tests.cli.tune import Tune
from tuner.space.file.read import read
from tuner.space.model import Constraint
from tuner.targets.inputs import estimate, read_inputs
from tuner.targets.model import TargetOptions
from tuner.targets.workload import plain_http, with_options
from tuner.trials.traffic import Traffic

TOY = Path(__file__).parent.parent / "servers" / "toy"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A copy whose workload may be written anew."""
    copytree(TOY.parent, tmp_path / "servers")
    return tmp_path / "servers" / "toy" / "space.yaml"


def written(space: Path, old: str, new: str) -> Path:
    text = space.read_text()
    assert old in text
    space.write_text(text.replace(old, new))
    return space


def test_slow_answers_take_longer_and_no_less_is_told() -> None:
    inputs = read_inputs(TOY, "process")
    quick, slow = estimate(inputs), estimate(inputs, answer_s=2.5)
    assert quick.seconds_a_trial == pytest.approx(1.0 + 5.0 + 6 * 2.0 + 4.0)
    assert slow.seconds > 5 * quick.seconds
    assert quick.foreseen == ()


def test_a_rate_that_a_window_is_too_short_for_is_foreseen_with_its_line(toy: Path) -> None:
    written(toy, "rate: 100/s", "rate: 30/s\n  duration: 2s")
    (sentence,) = estimate(read_inputs(toy, "process")).foreseen
    assert "latency_p99 takes 100, that is a duration of 3.33 s or a rate of 50/s" in sentence
    done = Tune(toy.parent)("check", str(toy))
    assert done.status == 0
    assert sentence in done.out


def test_a_duration_that_nobody_gave_grows_with_what_the_bound_takes(toy: Path) -> None:
    inputs = read_inputs(written(toy, "rate: 100/s", "rate: 30/s"), "process")
    assert inputs.space.workload.said == frozenset()
    assert estimate(inputs).foreseen == ()
    assert estimate(inputs).seconds_a_trial > estimate(read_inputs(TOY, "process")).seconds_a_trial


def test_what_a_search_space_says_of_times_holds(toy: Path) -> None:
    written(toy, "rate: 100/s", "timeout: 3s\n  duration: {least: 2s, most: 4s}\n  connections: 8")
    space, problems = read(toy)
    assert problems == ()
    assert space is not None
    assert space.workload.said == {"timeout_s", "duration_s", "connections"}


def test_what_options_say_of_times_holds() -> None:
    options = TargetOptions(duration_s=8.0, timeout_s=3.0)
    workload, problems = with_options(plain_http(options), options)
    assert (problems, workload.said) == ((), {"duration_s", "timeout_s"})


def test_a_first_answer_is_waited_for_as_long_as_somebody_said_or_patiently() -> None:
    traffic = Traffic.of(read_inputs(TOY, "process").space.workload)
    assert traffic.patience_s == 60.0
    said = replace(traffic, workload=replace(traffic.workload, timeout_s=3.0, said=frozenset({"timeout_s"})))
    assert said.patience_s == 3.0


def test_bounds_of_seconds_are_foreseen_to_take_longer() -> None:
    inputs = read_inputs(TOY, "process")
    bounded = replace(inputs, space=replace(inputs.space, slo=(Constraint(metric="latency_p99", bound=10.0),)))
    assert estimate(bounded, 5.0).seconds > estimate(bounded).seconds
