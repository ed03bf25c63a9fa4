"""The experiment of disturbed studies: what disturbs them, and how their choices are judged."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import builders
from tests.repository.checkout import ROOT
from tuner.measure.model import Measurement
from tuner.space.model import Choices, Configuration, Constraint
from tuner.statistics.model import Estimate
from tuner.trials.model import Failed, Measured, Trial

sys.path.insert(0, str(ROOT / "scripts" / "benchmark"))

import disturber
import wander

SPACE = builders.space_of(
    [builders.parameter("workers", Choices(values=(1, 2, 4)))], slo=(Constraint(metric="latency_p99", bound=0.05),)
)


def configured(workers: int) -> Configuration:
    return Configuration(values={"workers": workers})


def row(workers: int, throughput: str, latency: str, outcome: str = "measured") -> dict[str, str]:
    return {"workers": str(workers), "throughput": throughput, "latency_p99": latency, "outcome": outcome}


def trial(workers: int, throughput: float, latency_s: float | None) -> Trial:
    if latency_s is None:
        return builders.trial(0, Failed(stage="ready", kind="NotReady", reason="slow"), configured(workers))
    window = builders.window(latency_s={"latency_p99": Estimate(value=latency_s)})
    found: Measurement = builders.measurement(window, throughput_rps=Estimate(value=throughput))
    return builders.trial(0, Measured(measurement=found), configured(workers))


@given(st.integers(0, 1000), st.floats(0.0, 300.0))
def test_a_disturbance_is_bounded_and_goes_on_where_it_was(seed: int, offset_s: float) -> None:
    whole = list(islice(disturber.spells(seed), 80))
    assert all(5.0 <= length_s <= 40.0 and 0.0 <= share <= 0.8 for length_s, share in whole)
    assert any(share == 0.0 for _, share in whole)
    rest = list(islice(disturber.from_then(seed, offset_s), 10))
    shares = [share for _, share in whole]
    at = next(index for index in range(80) if sum(length_s for length_s, _ in whole[: index + 1]) > offset_s)
    assert [share for _, share in rest] == shares[at : at + 10]
    assert rest[0][0] == pytest.approx(sum(length_s for length_s, _ in whole[: at + 1]) - offset_s)


def test_a_disturber_ends_by_itself() -> None:
    script = ROOT / "scripts" / "benchmark" / "disturber.py"
    command = [sys.executable, script, "--seed", "1", "--cpu", str(min(os.sched_getaffinity(0)))]
    subprocess.run([*command, "--seconds", "0.2"], check=True, timeout=30)


def test_a_space_is_made_one_of_throughput_alone() -> None:
    text = "name: x\nobjectives: {throughput: maximize, cost: minimize}\nbudget: {trials: 3}\n"
    assert wander.for_throughput(text, "accept") == (
        "name: x\nobjectives: {throughput: maximize}\nbudget: {trials: 3}\ndisturbed: accept\n"
    )
    with pytest.raises(SystemExit, match="on one line"):
        wander.for_throughput("objectives:\n  throughput: maximize\nobjectives: {}\ndisturbed: accept\n", "accept")


def test_the_best_of_a_table_meet_the_slo_by_their_medians() -> None:
    rows = [
        row(1, "100", "0.02"),
        row(1, ">=140", "0.02"),
        row(2, "900", "0.09"),
        row(2, "900", "0.02"),
        row(4, "110", "0.01"),
        row(8, "999", "0.01"),
    ]  # the last is not of this space
    assert wander.best_of(rows, SPACE, 5) == [configured(1), configured(4)]
    assert wander.best_of([*rows, row(1, "", "", "failed")], SPACE, 5) == [configured(4)]
    assert wander.best_of(rows, SPACE, 1) == [configured(1)]


def test_medians_on_the_quiet_machine_count_a_failure_as_nothing() -> None:
    trials = [
        *(trial(1, rate, 0.02) for rate in (100.0, 120.0, 300.0)),
        *(trial(2, 500.0, late) for late in (0.02, 0.06, 0.07)),
        trial(4, 900.0, 0.02),
        trial(4, 0.0, None),
    ]
    medians = wander.quiet_medians(trials, SPACE)
    assert medians[configured(1).digest] == (120.0, True)
    assert medians[configured(2).digest] == (500.0, False)
    assert medians[configured(4).digest] == (450.0, False)


def test_the_best_is_known_by_starts_that_had_no_say_in_it() -> None:
    lucky_once = [trial(1, rate, 0.02) for rate in (100.0, 100.0, 190.0)]
    steady = [trial(2, 105.0, 0.02) for _ in range(3)]
    good = {configured(1).digest, configured(2).digest}
    assert wander.best_unseen([*lucky_once, *steady], good) == 100.0  # twice the lucky start speaks for the other
    assert wander.best_unseen([*lucky_once, *steady], {configured(1).digest}) == 100.0
    assert wander.best_unseen([lucky_once[2], steady[0]], good) == 190.0  # there are no others
    assert wander.best_unseen([], good) == 0.0


@given(st.lists(st.lists(st.floats(1.0, 1000.0), min_size=3, max_size=3), min_size=1, max_size=2))
def test_the_best_is_the_worth_of_a_start_that_was_seen(values: list[list[float]]) -> None:
    trials = [trial(workers, rate, 0.02) for workers, rates in zip((1, 2), values, strict=False) for rate in rates]
    best = wander.best_unseen(trials, {configured(1).digest, configured(2).digest})
    assert best in {rate for rates in values for rate in rates}


def test_the_ways_of_one_seed_follow_each_other(tmp_path: Path) -> None:
    experiment = wander.Experiment(tmp_path, SPACE, studies=2, trials=3, seed=5, starts=3)
    assert list(experiment.names) == ["remeasured-5", "accepted-5", "remeasured-6", "accepted-6"]
    assert experiment.quiet == ("quiet-1", "quiet-2", "quiet-3")
    assert wander.foretold_s(experiment, 10.0) == 10.0 * (4 * 4.5 + 3 * 4)


def test_a_report_says_how_near_each_way_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = wander.Experiment(tmp_path, SPACE, studies=2, trials=3, seed=1, starts=1)
    picks = {"remeasured-1": 1, "remeasured-2": 4, "accepted-1": 2}  # of accepted-2 nothing met the SLO
    quiet = [trial(1, 98.0, 0.02), trial(2, 500.0, 0.09), trial(4, 100.0, 0.02)]

    def trials(_: object, names: tuple[str, ...]) -> list[Trial]:
        return quiet if names == experiment.quiet else quiet[:2]

    def chosen(_: object, name: str) -> Configuration | None:
        return configured(picks[name]) if name in picks else None

    monkeypatch.setattr(wander.Studies, "trials", trials)
    monkeypatch.setattr(wander, "chosen", chosen)
    text = wander.report(experiment)
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert ["remeasured", "2 of 2", "99.0%", "98.0%", "2 of 2", "0.3"] in cells
    assert ["accepted", "0 of 2", "0.0%", "0.0%", "0 of 2", "0.3"] in cells
    assert ["accepted-1", "workers=2", "500.0%", "no", "2"] in cells
    assert ["accepted-2", "nothing", "0.0%", "no", "2"] in cells
    assert "The best: 100/s, of 3 configurations" in text
