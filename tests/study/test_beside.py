"""The loop with trials beside each other, on workers whose trials take simulated times."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.record.recording import Remembers
from tests.study.world import (
    BASELINE,
    crashed,
    lost,
    measured,
    opened,
    optuna_study,
    serve,
    space_of,
    start_of,
    trial_of,
)
from tuner.errors import EnvironmentFailure
from tuner.space.model import Budget
from tuner.study.events import EARLY
from tuner.study.model import Proposal, Summary
from tuner.study.stop import Spent, search_over, spent
from tuner.study.summary import current
from tuner.study.unfinished import busy_s, unfinished
from tuner.trials.clock import FakeClock
from tuner.trials.journal import Journal, read
from tuner.trials.model import Failed, Interrupted, Outcome, Trial

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
SPACE = space_of(budget=Budget(trials=12))


class Killed(BaseException):
    """As `kill -9`: nothing is written any more."""


class Beside:
    """Workers whose trials end in the order of their simulated times; dies before its `dies_at`-th call."""

    def __init__(
        self,
        number: int,
        *,
        seed: int = 0,
        outcome: Callable[[Proposal], Outcome] = lambda proposal: serve(proposal.configuration.values),
        clock: FakeClock | None = None,
        dies_at: int | None = None,
    ) -> None:
        self.number = number
        self.began: list[int] = []
        self.ended: list[int] = []
        self.most = 0
        self._rng = random.Random(seed)
        self._outcome = outcome
        self._clock = clock or FakeClock()
        self._calls = 0
        self._dies_at = dies_at
        self._running: list[tuple[float, float, Proposal]] = []

    def start(self, proposal: Proposal) -> None:
        self._call()
        assert len(self._running) < self.number
        self.began.append(proposal.number)
        took_s = self._rng.uniform(5.0, 50.0)
        self._running.append((self._clock.now() + took_s, took_s, proposal))
        self.most = max(self.most, len(self._running))

    def next(self) -> Trial:
        self._call()
        first = min(self._running, key=lambda one: one[0])
        self._running.remove(first)
        end_s, took_s, proposal = first
        self._clock.sleep(max(0.0, end_s - self._clock.now()))
        self.ended.append(proposal.number)
        return trial_of(
            proposal.number,
            self._outcome(proposal),
            proposal.configuration,
            purpose=proposal.purpose,
            duration_s=took_s,
            started_at=BEGAN + timedelta(seconds=end_s - took_s),
        )

    def _call(self) -> None:
        self._calls += 1
        if self._dies_at is not None and self._calls >= self._dies_at:
            raise Killed


def run(folder: Path, workers: Beside, clock: FakeClock | None = None, **changes: object) -> Summary:
    said = {"sampler": "random", "parallel": workers.number, **changes}
    with opened(SPACE, folder, clock or FakeClock(), **said) as study:  # type: ignore[arg-type]
        return study.run(workers)


@pytest.mark.parametrize("number", [1, 2, 4, 7])
@pytest.mark.parametrize("sampler", ["random", "tpe", "auto"])
def test_the_journal_has_all_trials_in_order_and_each_was_run_once(folder: Path, number: int, sampler: str) -> None:
    workers = Beside(number)
    summary = run(folder, workers, sampler=sampler, stored=True)
    assert [trial.number for trial in summary.trials] == list(range(len(summary.trials)))
    assert sorted(workers.began) == sorted(workers.ended) == list(range(len(summary.trials)))
    searched = [trial for trial in summary.trials if trial.searched]
    assert len(searched) == 12, "as many as the budget says, those under way counted"
    assert len({trial.manifest_digest for trial in searched}) == 12, "what is under way is not proposed again"
    assert summary.choice is not None
    assert summary.ended_because == "all 12 trials were run"
    assert workers.most == number
    assert len(optuna_study(SPACE, folder).get_trials()) == len(summary.trials)


def test_what_is_chosen_does_not_depend_on_how_many_run_at_a_time(new_folder: Callable[[], Path]) -> None:
    whole = space_of(budget=Budget(trials=30))
    chosen = set()
    for number in (1, 2, 4):
        folder, workers = new_folder(), Beside(number)
        with opened(whole, folder, FakeClock(), sampler="auto", parallel=number) as study:
            choice = study.run(workers).choice
        assert choice is not None
        chosen.add(read(folder / "journal.jsonl").trials[choice.candidate.trial].manifest_digest)
    assert len(chosen) == 1


def test_the_baseline_is_measured_alone(folder: Path) -> None:
    workers = Beside(4)

    class Ear(Remembers):
        def proposed(self, proposal: Proposal) -> None:
            if proposal.number:
                assert 0 in workers.ended

    with opened(SPACE, folder, FakeClock(), recorders=[Ear()], sampler="random", parallel=4) as study:
        study.run(workers)


def test_a_lost_baseline_is_measured_again_alone(folder: Path) -> None:
    """Nothing is compared with a baseline that the environment lost."""
    workers = Beside(3, outcome=lambda one: lost() if one.number == 0 else serve(one.configuration.values))
    with opened(SPACE, folder, FakeClock(), sampler="random", parallel=3, disturbed="remeasure") as study:
        summary = study.run(workers)
    assert [trial.purpose for trial in summary.trials[:2]] == ["baseline", "again"]
    assert workers.ended[:2] == [0, 1]


def test_what_ends_early_is_on_the_disk_before_the_next_trial_begins(folder: Path) -> None:
    class Watched(Beside):
        def start(self, proposal: Proposal) -> None:
            contents = read(folder / "journal.jsonl")
            known = {trial.number for trial in contents.trials}
            known |= {event.data["number"] for event in contents.events if event.kind == EARLY}
            assert known == set(self.ended)
            super().start(proposal)

    workers = Watched(4, seed=3)
    run(folder, workers)
    assert workers.ended != sorted(workers.ended), "or this would test nothing"


@pytest.mark.parametrize("dies_at", range(1, 48, 2))
def test_killed_at_any_moment_nothing_is_lost_and_nothing_that_ended_runs_again(folder: Path, dies_at: int) -> None:
    first = Beside(3, seed=dies_at, dies_at=dies_at)
    with contextlib.suppress(Killed):
        run(folder, first)
    second = Beside(3, seed=100 + dies_at)
    summary = run(folder, second)
    assert [trial.number for trial in summary.trials] == list(range(len(summary.trials)))
    assert Counter([*first.ended, *second.ended]) == Counter(range(len(summary.trials)))
    assert not {*first.ended} & {*second.began}
    assert sum(trial.searched for trial in summary.trials) == 12
    with Journal.open(folder / "journal.jsonl") as journal:
        assert unfinished(journal).attempts == ()


@pytest.mark.parametrize("dies_at", range(2, 18, 3))
def test_killed_between_two_lines_of_the_journal(folder: Path, dies_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as between a trial that was waited for and the one that waited for it."""
    write, count = Journal._write, 0

    def dying(journal: Journal, kind: str, data: dict[str, Any]) -> None:
        nonlocal count
        count += kind == "trial"
        if count == dies_at:
            raise Killed
        write(journal, kind, data)

    first = Beside(4, seed=3)
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "_write", dying)
        with pytest.raises(Killed):
            run(folder, first, stored=True)
    contents = read(folder / "journal.jsonl")
    known = {trial.number for trial in contents.trials}
    known |= {event.data["number"] for event in contents.events if event.kind == EARLY}
    second = Beside(4)
    summary = run(folder, second, stored=True)
    assert [trial.number for trial in summary.trials] == list(range(len(summary.trials)))
    assert sorted(second.began) == sorted({*range(len(summary.trials))} - known)


@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_study_is_taken_up_by_fewer_or_more_workers(folder: Path, number: int) -> None:
    first = Beside(3, dies_at=14)
    with pytest.raises(Killed):
        run(folder, first, stored=True)
    second = Beside(number)
    summary = run(folder, second, stored=True)
    assert Counter([*first.ended, *second.ended]) == Counter(range(len(summary.trials)))
    assert current(read(folder / "journal.jsonl")).parallel == number


def test_killed_in_the_race_it_goes_on(folder: Path) -> None:
    whole = Beside(3)
    trials = len(run(folder, whole).trials)
    assert trials > 13
    # with the same times the race begins at the same call
    for dies_at in range(2 * 13, 2 * trials, 3):
        place = folder / str(dies_at)
        place.mkdir()
        first = Beside(3, dies_at=dies_at)
        with pytest.raises(Killed):
            run(place, first)
        second = Beside(2)
        summary = run(place, second)
        assert Counter([*first.ended, *second.ended]) == Counter(range(len(summary.trials)))
        assert summary.choice is not None


def test_an_interrupt_leaves_the_study_to_be_resumed(folder: Path) -> None:
    def outcome(proposal: Proposal) -> Outcome:
        return Interrupted(reason="SIGINT") if proposal.number == 5 else serve(proposal.configuration.values)

    first = Beside(3, outcome=outcome)
    with pytest.raises(KeyboardInterrupt):
        run(folder, first)
    with Journal.open(folder / "journal.jsonl") as journal:
        assert journal.events[-1].kind == "interrupted"
        assert 5 in {attempt.number for attempt in unfinished(journal).attempts}
    summary = run(folder, Beside(3))
    assert [trial.number for trial in summary.trials] == list(range(len(summary.trials)))


def test_a_baseline_that_fails_ends_the_study_before_anything_else_begins(folder: Path) -> None:
    workers = Beside(3, outcome=lambda _: crashed())
    summary = run(folder, workers)
    assert "the manifest as it stands" in summary.ended_because
    assert workers.began == [0]


def test_three_lost_in_a_row_for_each_worker_end_it(folder: Path) -> None:
    """What goes wrong once may strike all that run at a time."""
    workers = Beside(2, outcome=lambda one: lost() if one.number > 2 else serve(one.configuration.values))
    with pytest.raises(EnvironmentFailure, match="6 trials in a row"):
        run(folder, workers)


def test_what_is_no_number_is_a_failed_trial_wherever_it_stands(folder: Path) -> None:
    def outcome(proposal: Proposal) -> Outcome:
        if proposal.number in (4, 5, 6):
            return measured(throughput=float("nan"), latency_p99=0.01)
        return serve(proposal.configuration.values)

    summary = run(folder, Beside(3, outcome=outcome))
    kinds = [trial.outcome.kind for trial in summary.trials if isinstance(trial.outcome, Failed)]
    assert kinds == ["NotANumber"] * 3


def test_trials_under_way_count_against_the_budget() -> None:
    so_far = replace(spent([trial_of(0, serve(BASELINE.values))], 10.0, lambda _: 36.0, "USD"), under_way=3)
    assert search_over(Budget(trials=5), so_far) is None
    assert search_over(Budget(trials=4), so_far) == "all 4 trials were run"
    each = so_far.usual_cost or 0.0
    assert search_over(Budget(trials=None, cost=4.6 * each, confirm=0), so_far) is None
    assert "money" in str(search_over(Budget(trials=None, cost=4.4 * each, confirm=0), so_far))
    assert Spent(trials=1, time_s=0.0).under_way == 0


def test_the_time_that_a_study_was_busy_counts_trials_beside_each_other_once() -> None:
    def trial(number: int, began_s: float, took_s: float) -> Trial:
        return trial_of(
            number, serve(BASELINE.values), started_at=BEGAN + timedelta(seconds=began_s), duration_s=took_s
        )

    trials = [trial(0, 0.0, 10.0), trial(1, 10.0, 20.0), trial(2, 12.0, 5.0), trial(3, 25.0, 10.0), trial(4, 99.0, 1.0)]
    assert busy_s(trials, parallel=2) == pytest.approx(36.0)
    assert busy_s(trials, parallel=1) == pytest.approx(46.0)
    assert busy_s([], parallel=2) == 0.0


def test_the_start_says_how_many_run_at_a_time(folder: Path) -> None:
    run(folder, Beside(3))
    assert read(folder / "journal.jsonl").start.parallel == 3
    assert start_of(SPACE, folder).parallel == 1
