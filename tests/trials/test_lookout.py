"""Windows that were disturbed, measured again when it is quiet: over a machine that is told how quiet it is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from tests.measure.test_conditions import conditions
from tuner.measure.conditions import Conditions
from tuner.trials.clock import FakeClock
from tuner.trials.lookout import LEAST_WAIT_S, REPEATS, STUDY_S, TRIAL_S, WAIT_S, Allowance, MachineLookout, Untrusted

QUIET, NOISY = conditions(), conditions(others_cores=0.5, own_cores=0.5)


class Machine:
    """Each watch ends with the next of these conditions, the last one for ever."""

    def __init__(self, *told: Conditions, then: Conditions = QUIET) -> None:
        self._told: Iterator[Conditions] = chain(told, repeat(then))
        self.watched = 0

    def watch_conditions(self) -> Machine:
        self.watched += 1
        return self

    def stop(self) -> Conditions:
        self.watched -= 1
        return next(self._told)


class Trial:
    """Windows of two seconds, each of which yields its number."""

    def __init__(self, machine: Machine, allowance: Allowance | None = None) -> None:
        self.clock = FakeClock()
        self.stages: list[str] = []
        self.allowance = allowance or Allowance(measured_s=1000.0)
        self.windows = 0
        self.lookout = MachineLookout(machine, allowance=self.allowance, clock=self.clock, on_stage=self.stages.append)

    def window(self) -> tuple[int, Conditions | None]:
        return self.lookout.watched("the window", self._measure)

    def _measure(self) -> int:
        self.clock.sleep(2.0)
        self.windows += 1
        return self.windows


def test_a_quiet_window_stands_and_costs_nothing() -> None:
    trial = Trial(Machine())
    found, told = trial.window()
    assert found == 1
    assert told is not None
    assert told.speed == 1.0
    assert (trial.clock.now(), trial.stages, trial.lookout.spent_s) == (2.0, [], 0.0)


def test_a_disturbed_window_is_measured_again_when_it_is_quiet() -> None:
    trial = Trial(Machine(NOISY, NOISY, NOISY))
    found, told = trial.window()
    assert found == 2
    assert told is not None
    assert not told.disturbance
    assert trial.lookout.spent_s == pytest.approx(1.5 + 2.0), "three looks, and the window"
    assert trial.lookout.told == [
        "the window was measured again after 1.5 s: other programs took 50 % of the servers' CPUs"
    ]
    assert trial.stages == [
        "the window: other programs took 50 % of the servers' CPUs; put back: waits up to 10 s for quiet "
        "(30 s left for it)"
    ]


def test_where_it_does_not_become_quiet_the_window_stands_with_its_conditions() -> None:
    trial = Trial(Machine(then=NOISY))
    found, told = trial.window()
    assert found == 1
    assert told is not None
    assert told.speed == pytest.approx(0.5)
    assert trial.clock.now() == pytest.approx(2.0 + WAIT_S)
    assert trial.stages[-1].startswith("the window: not quiet within 10 s; accepted")


def test_waits_in_vain_become_shorter_and_end() -> None:
    trial = Trial(Machine(then=NOISY))
    for _ in range(50):
        trial.window()
    assert trial.windows == 50, "nothing was measured again"
    assert trial.lookout.spent_s <= TRIAL_S
    assert trial.allowance.wait_s == LEAST_WAIT_S
    assert trial.stages[-1].endswith("accepted, no time is left to measure it again")


def test_what_is_soon_measured_is_not_waited_for_long() -> None:
    trial = Trial(Machine(then=NOISY))
    trial.lookout.watched("the window", lambda: trial.clock.sleep(0.1))
    assert trial.lookout.spent_s == pytest.approx(LEAST_WAIT_S)


def test_a_success_makes_the_next_wait_whole_again() -> None:
    trial = Trial(Machine(NOISY, QUIET), Allowance(wait_s=LEAST_WAIT_S + 5.0))
    trial.window()
    assert trial.allowance.wait_s == WAIT_S


def test_the_least_disturbed_of_a_few_tries_counts() -> None:
    worse = conditions(others_cores=0.7, own_cores=0.3)
    trial = Trial(Machine(NOISY, QUIET, worse, QUIET, worse))
    found, told = trial.window()
    assert trial.windows == 1 + REPEATS
    assert found == 1
    assert told is not None
    assert told.speed == pytest.approx(0.5)


def test_a_study_has_its_own_bound() -> None:
    allowance = Allowance()
    spent = []
    for _ in range(20):
        trial = Trial(Machine(then=NOISY), allowance)
        allowance.wait_s = WAIT_S
        trial.window()
        spent.append(trial.lookout.spent_s)
    assert allowance.spent_s <= STUDY_S + 0.5 * allowance.measured_s
    assert spent[-1] < spent[0], "in the end it hardly waits any more"


def test_what_measuring_raises_passes() -> None:
    machine = Machine(then=NOISY)
    trial = Trial(machine)

    def fail() -> int:
        raise RuntimeError("the generator ended")

    with pytest.raises(RuntimeError, match="the generator ended"):
        trial.lookout.watched("the window", fail)
    assert machine.watched == 0, "nothing of it runs on"


def test_a_window_that_could_not_be_trusted_is_measured_again_where_the_machine_was_disturbed() -> None:
    late = Untrusted("the load generator was late")

    def lookout(*told: Conditions) -> tuple[MachineLookout, list[str]]:
        trial = Trial(Machine(*told))
        return trial.lookout, trial.stages

    answers: Iterator[Untrusted | str] = iter([late, "measured"])

    def measure() -> str:
        answer = next(answers)
        if isinstance(answer, Untrusted):
            raise answer
        return answer

    disturbed, _ = lookout(NOISY)
    assert disturbed.watched("the window", measure)[0] == "measured"
    answers = iter([late])
    quiet, stages = lookout()
    with pytest.raises(Untrusted, match="was late"):
        quiet.watched("the window", measure)
    assert stages == [], "it was not the machine that others disturbed"


def test_the_probe_is_held_against_the_best_of_the_study() -> None:
    slow, quick = conditions(probe_s=0.0022, best_probe_s=None), conditions(probe_s=0.002, best_probe_s=None)
    trial = Trial(Machine(slow, quick, slow))
    told = [trial.window()[1] for _ in range(3)]
    assert [one and one.pace for one in told] == [1.0, 1.0, pytest.approx(1 / 1.1)]
    resumed = Trial(Machine(slow), trial.allowance).window()[1]
    assert resumed is not None
    assert resumed.pace == pytest.approx(1 / 1.1)


def test_one_lucky_probe_of_many_is_not_what_the_others_are_held_against() -> None:
    allowance = Allowance()
    assert allowance.best_probe_s is None
    for cpu_s in (1.4, *(1.5 + 0.001 * place for place in range(19))):
        allowance.probed(cpu_s)
    assert allowance.best_probe_s == 1.501
