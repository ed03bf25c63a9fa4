"""Killed at any moment, a study goes on: the journal wins, Optuna's store follows, nothing runs twice for nothing."""

from __future__ import annotations

import math
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from tests.study.killed import SPACE, TRIALS, go, set_out
from tests.study.world import (
    BASELINE,
    advisor_of,
    measured,
    opened,
    optuna_study,
    serve,
    start_of,
    trial_of,
)
from tuner.errors import InputError, StoreFailure
from tuner.study.advisor import SamplingAdvisor
from tuner.study.model import OneByOne, Proposal
from tuner.study.optuna_trial import finished
from tuner.study.store import Store
from tuner.study.unfinished import unfinished
from tuner.trials.clock import FakeClock
from tuner.trials.codec import encode
from tuner.trials.journal import Journal, read
from tuner.trials.model import Attempt, Measured, Trial


def agree(folder: Path) -> None:
    """Journal and store hold the same trials: numbers, states, values, constraints, manifests."""
    trials, kept = read(folder / "journal.jsonl").trials, optuna_study(SPACE, folder).get_trials()
    assert [trial.number for trial in kept] == [trial.number for trial in trials] == list(range(len(trials)))
    for trial, found in zip(trials, kept, strict=True):
        told = finished(SPACE, trial.configuration, trial.manifest_digest, trial.outcome)
        assert (found.state, found.values, found.params) == (told.state, told.values, told.params)
        assert (found.constraints, found.user_attrs) == (told.constraints, told.user_attrs)


def ran(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "ran").read_text().split()]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """A study that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copy(empty_store, folder)
    go(folder)
    return folder


@pytest.fixture
def expected(undisturbed: Path) -> tuple[Trial, ...]:
    return read(undisturbed / "journal.jsonl").trials


@pytest.fixture
def whole(undisturbed: Path, tmp_path: Path) -> Path:
    """A copy of it, to be harmed."""
    return shutil.copytree(undisturbed, tmp_path / "whole")


# SIGKILL


@pytest.fixture(scope="module")
def fork_server() -> Iterator[None]:
    """It and the resource tracker beside it would stay children of this process, and other tests count those."""
    yield
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]


def kill_and_go_on(folder: Path, trials: int, moments: Iterable[float]) -> None:
    """Run the study in a process that is killed, again and again; at last to its end.

    The moments are seconds from when it sets out and, in every other life, from when it runs its first trial.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.study.warm"])
    for life, moment in enumerate(moments):
        here, there = context.Pipe()
        child: Any = context.Process(target=set_out, args=(folder, trials, there))
        child.start()
        there.close()
        with suppress(EOFError):  # it came to its end
            for _ in range(1 + life % 2):
                here.recv()
        child.join(moment)
        with suppress(ProcessLookupError):  # it came to its end
            os.kill(child.pid, signal.SIGKILL)
        child.join()
    go(folder, trials)


def finished_trials(folder: Path) -> tuple[Trial, ...]:
    try:
        return read(folder / "journal.jsonl").trials
    except InputError:  # killed before it began
        return ()


@pytest.mark.usefixtures("fork_server")
def test_twenty_kills_at_random_moments(new_folder: Callable[[], Path]) -> None:
    undisturbed, folder, dice = new_folder(), new_folder(), random.Random(2)
    go(undisturbed, 24)
    kill_and_go_on(folder, 24, [dice.uniform(0.0, 0.15) for _ in range(20)])
    assert finished_trials(folder) == finished_trials(undisturbed)
    agree(folder)
    runs = ran(folder)
    assert runs == sorted(runs), "a trial that was finished ran again"
    assert len(runs) <= len(set(runs)) + 20, "a life ran more again than the trial that was interrupted"


@pytest.mark.usefixtures("fork_server")
def test_kills_while_the_store_is_made(expected: tuple[Trial, ...], tmp_path: Path) -> None:
    dice = random.Random(3)
    kill_and_go_on(tmp_path, TRIALS, [dice.uniform(0.0, 0.2) for _ in range(10)])
    assert finished_trials(tmp_path) == expected
    agree(tmp_path)


# every step in between


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the tuner catches it."""


STEPS = [
    (SamplingAdvisor, "ask"),
    (Journal, "append"),
    (Journal, "finish"),
    (SamplingAdvisor, "tell"),
    (Store, "put"),
    (Store, "cut"),
    (SamplingAdvisor, "repeat"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("owner", "step"), STEPS, ids=lambda part: part if isinstance(part, str) else "")
def test_killed_before_and_after_every_step(
    owner: type,
    step: str,
    when: str,
    expected: tuple[Trial, ...],
    new_folder: Callable[[], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = getattr(owner, step)
    for at in (1, 8):
        folder, calls = new_folder(), 0

        def deadly(*arguments: Any, at: int = at) -> Any:
            nonlocal calls
            calls += 1
            if calls == at and when == "before":
                raise Killed
            result = real(*arguments)
            if calls == at:
                raise Killed
            return result

        monkeypatch.setattr(owner, step, deadly)
        try:
            go(folder)
        except Killed:
            pass
        else:
            assert calls < at
        monkeypatch.setattr(owner, step, real)
        go(folder)
        assert finished_trials(folder) == expected
        agree(folder)
        assert len(ran(folder)) <= len(set(ran(folder))) + 1


# what the store may look like


def missing(path: Path) -> None:
    path.unlink()


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database at all, but long enough to look like one" * 40)


def half_made(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE trial_params")
    database.close()


def half_a_trial(path: Path) -> None:
    optuna_study(SPACE, path.parent).ask().suggest_int("workers", 1, 8)


def too_many(path: Path) -> None:
    study = optuna_study(SPACE, path.parent)
    study.add_trial(create_trial(state=TrialState.PRUNED))
    study.add_trial(create_trial(values=[1.0, 2.0]))


def other_values(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE trial_values SET value = value + 1 WHERE trial_id = 5")
    database.close()


def twice_in_it(path: Path) -> None:
    """Of a table that was killed before it had its index, Optuna does not see that the study is there."""
    with sqlite3.connect(path) as database:
        database.execute("DROP INDEX ix_studies_study_name")
        database.execute("INSERT INTO studies (study_name) SELECT study_name FROM studies")
    database.close()


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    "harm", [missing, garbage, half_made, half_a_trial, too_many, other_values, twice_in_it, empty]
)
def test_whatever_became_of_the_store_it_follows_the_journal(
    harm: Callable[[Path], None], whole: Path, undisturbed: Path
) -> None:
    harm(whole / "optuna.db")
    go(whole)
    assert finished_trials(whole) == finished_trials(undisturbed)
    agree(whole)


def test_an_older_store_is_brought_up_to_date(whole: Path, empty_store: Path) -> None:
    shutil.copy(empty_store, whole / "optuna.db")
    go(whole)
    agree(whole)


def test_a_store_of_which_nothing_can_be_said_is_left_alone(folder: Path) -> None:
    """Locked is not damaged."""
    start = start_of(SPACE, folder, stored=True)
    with sqlite3.connect(folder / "optuna.db", isolation_level=None) as database:
        database.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreFailure, match="database is locked"):
            Store.open(replace(start, storage_url=f"{start.storage_url}?timeout=0"))
    database.close()
    assert not list(folder.glob("*.damaged"))


# the trial that is pending


def journal_with(path: Path, trials: int, proposed: int | None) -> Journal:
    journal = Journal.open(path)
    journal.begin(start_of(SPACE, path.parent, stored=True))
    for number in range(trials):
        journal.finish(one(number))
    if proposed is not None:
        journal.append("proposed", encode(Attempt(number=proposed, purpose="search", configuration=BASELINE)))
    return journal


def one(number: int) -> Trial:
    return trial_of(number, serve(BASELINE.values))


@pytest.mark.parametrize(("trials", "proposed", "expected"), [(0, None, []), (2, 1, []), (2, 2, [2]), (0, 0, [0])])
def test_which_trial_is_pending(trials: int, proposed: int | None, expected: list[int], tmp_path: Path) -> None:
    with journal_with(tmp_path / "journal.jsonl", trials, proposed) as journal:
        found = unfinished(journal)
    assert [attempt.number for attempt in found.attempts] == expected


def test_the_pending_trial_keeps_its_number_and_the_next_follows_it(folder: Path) -> None:
    advisor = advisor_of(start_of(SPACE, folder, stored=True), SPACE)
    interrupted = Attempt(number=1, purpose="search", configuration=BASELINE)
    advisor.restore([one(0)], [interrupted])
    following = advisor.ask()
    assert following is not None
    assert following.number == 2
    advisor.tell(1, serve(BASELINE.values))
    assert len(optuna_study(SPACE, folder).get_trials()) == 2


# what Optuna's own tools show


def test_the_store_shows_the_study_s_name_its_times_and_what_was_measured(undisturbed: Path) -> None:
    (summary,) = optuna.get_all_study_summaries(start_of(SPACE, undisturbed, stored=True).storage_url)
    assert summary.study_name == start_of(SPACE, undisturbed, stored=True).name
    for trial, kept in zip(finished_trials(undisturbed), optuna_study(SPACE, undisturbed).get_trials(), strict=True):
        assert kept.datetime_start is not None
        assert kept.datetime_start.astimezone() == trial.started_at
        assert kept.duration == timedelta(seconds=trial.duration_s)
        assert trial.measurement is not None
        metrics = trial.measurement.metrics()
        assert kept.user_attrs["latency_p99_ms"] == 1e3 * metrics["latency_p99"]
        assert kept.user_attrs["throughput"] == metrics["throughput"]


def test_of_two_studies_of_one_name_in_one_store_the_second_has_its_id(folder: Path) -> None:
    first = start_of(SPACE, folder, stored=True)
    second = replace(first, study_id="feedbeef")
    for start in (first, second, first, second):
        store = Store.open(start)
        store.cut(0)
        store.close()
    assert sorted(optuna.get_all_study_names(first.storage_url)) == [first.name, f"{first.name}-feedbeef"]


def test_what_was_killed_before_its_journal_began_leaves_no_study(folder: Path) -> None:
    first = start_of(SPACE, folder, stored=True)
    advisor_of(first, SPACE)  # and no journal after it
    again = replace(first, study_id="feedbeef")
    advisor_of(again, SPACE).restore([], [])
    (study,) = optuna.get_all_study_summaries(first.storage_url)
    assert (study.study_name, study.user_attrs["tuner.study_id"]) == (first.name, "feedbeef")


def test_a_study_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    start = start_of(SPACE, tmp_path, stored=True)
    theirs = optuna.create_study(storage=start.storage_url, study_name=start.name)
    theirs.add_trial(create_trial(value=1.0))
    store = Store.open(start)
    store.put(0, finished(SPACE, BASELINE, "x", serve(BASELINE.values)))
    assert [trial.values for trial in theirs.get_trials()] == [[1.0]]
    assert len(optuna.get_all_study_names(start.storage_url)) == 2


def test_optuna_s_front_is_the_study_s_own(new_folder: Callable[[], Path]) -> None:
    """Whatever restarts measured, also those that were lucky, or of which the SLO is unsure."""
    rng = random.Random(3)
    differed = 0
    for _ in range(3):
        folder = new_folder()
        with opened(SPACE, folder, FakeClock(), stored=True) as study:
            summary = study.run(OneByOne(lambda proposal: _scattered(proposal, rng)))
        before = {trial.number for trial in optuna_study(SPACE, folder).best_trials}
        store = Store.open(start_of(SPACE, folder, stored=True))
        store.conclude(SPACE, summary)
        complete = [one for one in optuna_study(SPACE, folder).get_trials() if one.state == TrialState.COMPLETE]
        assert {one.number for one in complete} == {one.trial for one in summary.candidates if one.feasible}
        shown = {trial.number: trial for trial in optuna_study(SPACE, folder).best_trials}
        assert shown.keys() == {member.trial for member in summary.front.members}
        for member in summary.front.members:
            assert shown[member.trial].values == [member.metrics[one.metric] for one in SPACE.objectives]
        differed += before != shown.keys()
        agreeing = Store.open(start_of(SPACE, folder, stored=True))
        agreeing.conclude(SPACE, summary)
    assert differed, "or this would test nothing"


def _scattered(proposal: Proposal, rng: random.Random) -> Trial:
    """A trial whose throughput and latency differ by a few percent from start to start."""
    found = serve(proposal.configuration.values)
    assert isinstance(found, Measured)
    metrics = found.measurement.metrics()
    noisy = measured(
        throughput=metrics["throughput"] * math.exp(rng.gauss(0.0, 0.1)),
        latency_p99=metrics["latency_p99"] * math.exp(rng.gauss(0.0, 0.1)),
        cost=metrics["cost"],
    )
    return trial_of(proposal.number, noisy, proposal.configuration, purpose=proposal.purpose)
