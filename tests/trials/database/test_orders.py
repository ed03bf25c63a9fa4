"""Trials that workers elsewhere run, by a real PostgreSQL: workers, whoever decides, and sessions die on the way."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.record.mlflow.stores import Postgres, postgres_programs, running
from tests.study.world import BASELINE, advisor_of, render, serve, space_of, start_of, trial_of
from tests.trials.database.broken import cut_sessions
from tuner.errors import EnvironmentFailure, StoreFailure
from tuner.space.model import Budget
from tuner.study.loop import Study
from tuner.study.model import Proposal, Summary
from tuner.trials.clock import RealClock
from tuner.trials.codec import encode
from tuner.trials.database.connection import Database
from tuner.trials.database.orders import LOST_AFTER_S, Offered, Taken, Withdrawn
from tuner.trials.database.study import DatabaseStudy
from tuner.trials.folder import StudyFolder
from tuner.trials.journal import Journal, read
from tuner.trials.model import Measured

SOON_S = 3.0
"""In tests in which workers die: so long after it was heard of last one has lost its trial."""
FOREVER_S = 3600.0
SPACE = space_of(budget=Budget(trials=12, confirm=1))

WORKS = """
import random, sys, time
from contextlib import suppress
from pathlib import Path
from tests.study.world import serve, trial_of
from tuner.errors import StoreFailure
from tuner.trials.codec import decode, encode
from tuner.trials.database.connection import Database
from tuner.trials.database.orders import Taken, Withdrawn
from tuner.trials.database.study import DatabaseStudy
from tuner.trials.folder import StudyFolder
from tuner.trials.model import Attempt

url, name, folder, lost_after_s = sys.argv[1], sys.argv[2], StudyFolder(Path(sys.argv[3])), float(sys.argv[4])
with Database(url, patience_s=30.0) as database:
    study = DatabaseStudy(database, name)
    while not study.is_there():
        time.sleep(0.05)
    while not study.is_over():
      taken = Taken(database, study, folder, lost_after_s=lost_after_s)
      with taken.joined(), suppress(StoreFailure, Withdrawn):  # on a busy machine it may lose its trial
        for order in taken.orders():
            attempt = decode(Attempt, order["attempt"])
            taken.say({"stage": [attempt.number, "deploy"]})
            folder.manifest(attempt.number).parent.mkdir(parents=True, exist_ok=True)
            folder.manifest(attempt.number).write_text(taken.worker)
            time.sleep(random.uniform(0.0, 0.15))
            if attempt.number == 0:
                taken.say({"rate": 120.0})
            trial = trial_of(
                attempt.number, serve(attempt.configuration.values), attempt.configuration, purpose=attempt.purpose
            )
            taken.say({"trial": encode(trial)})
"""


class Team:
    """Worker processes, each of which is replaced when it is killed, as a cluster does."""

    def __init__(self, url: str, name: str, folder: Path, number: int, lost_after_s: float) -> None:
        self._command = [sys.executable, "-c", WORKS, url, name]
        self._lost_after_s = lost_after_s
        self._folder = folder
        self._count = 0
        self.running = [self._one() for _ in range(number)]

    def _one(self) -> subprocess.Popen[bytes]:
        self._count += 1
        return subprocess.Popen([*self._command, str(self._folder / str(self._count)), str(self._lost_after_s)])

    def kill(self, which: int) -> None:
        self.running[which].kill()
        self.running[which].wait()
        self.running[which] = self._one()

    def ended(self) -> list[int]:
        """Their exit statuses, once all have ended by themselves."""
        return [one.wait(60) for one in self.running]

    def end(self) -> None:
        for one in self.running:
            one.kill()
            one.wait()


@contextmanager
def team(url: str, name: str, folder: Path, number: int, lost_after_s: float = LOST_AFTER_S) -> Iterator[Team]:
    found = Team(url, name, folder, number, lost_after_s)
    try:
        yield found
    finally:
        found.end()


def decide(
    database: Database,
    name: str,
    folder: StudyFolder,
    stages: list[tuple[int, str]],
    lost_after_s: float = LOST_AFTER_S,
) -> Summary:
    """Run the study, or go on with it, to its end."""
    number = 3
    study = DatabaseStudy(database, name, lives_s=2.0)
    start = start_of(SPACE, folder.root, sampler="random", parallel=number, run_by="workers")
    with study.held(), Journal.open(folder.journal, study) as journal:
        loop = Study(
            start=start,
            advisor=advisor_of(start, SPACE),
            journal=journal,
            recorders=(),
            clock=RealClock(),
            notice=lambda _: None,
        )
        offered = Offered(
            database,
            study,
            folder,
            number,
            on_stage=lambda *told: stages.append(told),
            on_rate=loop.fix_rate,
            notice=lambda _: None,
            lost_after_s=lost_after_s,
        )
        try:
            summary = loop.run(offered)
        finally:
            offered.withdraw()
        study.end()
    return summary


def check(summary: Summary, folder: StudyFolder) -> None:
    """Nothing is lost, nothing is there twice, and each trial's files are those of the worker whose outcome counts."""
    assert [trial.number for trial in summary.trials] == list(range(len(summary.trials)))
    assert sum(trial.searched for trial in summary.trials) == 12
    lines = folder.journal.read_bytes().splitlines()
    kinds = Counter(json.loads(line)["kind"] for line in lines)
    assert kinds["trial"] == len(summary.trials)
    assert all(folder.manifest(trial.number).exists() for trial in summary.trials)


def test_a_study_by_three_workers(database: Database, url: str, name: str, tmp_path: Path) -> None:
    folder, stages = StudyFolder(tmp_path / "mine" / name), list[tuple[int, str]]()
    with team(url, name, tmp_path, 3) as workers:
        summary = decide(database, name, folder, stages)
        assert workers.ended() == [0, 0, 0], "they leave when the study has ended"
    check(summary, folder)
    assert summary.rate_rps == 120.0
    assert (0, "deploy") in stages
    assert len({folder.manifest(trial.number).read_text() for trial in summary.trials}) == 3, "all took part"
    ((last,),) = database.rows("SELECT number FROM tuner_order WHERE study = %s", [name])
    assert last in {trial.number for trial in summary.trials}, "the one that ended last, not the last that began"


@pytest.mark.parametrize("seed", range(3))
def test_workers_and_sessions_that_die_at_random_lose_nothing_and_run_nothing_twice(
    database: Database, url: str, name: str, tmp_path: Path, seed: int
) -> None:
    folder, rng, over = StudyFolder(tmp_path / "mine" / name), random.Random(seed), threading.Event()
    with team(url, name, tmp_path, 3, SOON_S) as workers:

        def harm() -> None:
            for _ in range(6):
                if over.wait(rng.uniform(0.1, 0.6)):
                    return
                workers.kill(rng.randrange(3))

        harming = [threading.Thread(target=harm), threading.Thread(target=cut_sessions, args=(url, over, 4.0))]
        for one in harming:
            one.start()
        try:
            summary = decide(database, name, folder, [], SOON_S)
        finally:
            over.set()
            for one in harming:
                one.join()
    check(summary, folder)


DECIDES = """
import sys
from pathlib import Path
from tests.trials.database.test_orders import decide
from tuner.trials.database.connection import Database
from tuner.trials.folder import StudyFolder

with Database(sys.argv[1]) as database:
    decide(database, sys.argv[2], StudyFolder(Path(sys.argv[3])), [])
"""


def test_whoever_decides_is_killed_and_what_ended_meanwhile_is_not_run_again(
    database: Database, url: str, name: str, tmp_path: Path
) -> None:
    folder, rng = StudyFolder(tmp_path / "mine" / name), random.Random(5)
    command = [sys.executable, "-c", DECIDES, url, name, str(folder.root)]
    with team(url, name, tmp_path, 3) as workers:
        for _ in range(3):
            deciding = subprocess.Popen(command)
            time.sleep(rng.uniform(1.5, 3.0))  # at a random moment
            deciding.kill()
            deciding.wait()
            database.change("UPDATE tuner_study SET holder = '' WHERE name = %s", [name])
            kept = read(folder.journal).trials if folder.journal.exists() and folder.journal.read_bytes() else ()
        summary = decide(database, name, folder, [])
        assert summary.trials[: len(kept)] == kept
        assert workers.ended() == [0, 0, 0]
    check(summary, folder)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A database of the test's own, which it may stop."""
    found = postgres_programs()
    if found is None:
        pytest.skip("no PostgreSQL is installed here (Debian: postgresql)")
    with running(found) as server:
        yield server


def proposal(number: int) -> Proposal:
    return Proposal(number=number, purpose="search", configuration=BASELINE, rendered=render(BASELINE))


@pytest.fixture
def study(database: Database, name: str, tmp_path: Path) -> Iterator[DatabaseStudy]:
    """One that has begun, held by this process."""
    found = DatabaseStudy(database, name)
    with found.held(), Journal.open(tmp_path / name / "journal.jsonl", found) as journal:
        journal.begin(start_of(SPACE, tmp_path))
        yield found


def offered(
    database: Database,
    study: DatabaseStudy,
    folder: Path,
    notices: list[str],
    lost_after_s: float = 0.2,
    stages: list[tuple[int, str]] | None = None,
) -> Offered:
    return Offered(
        database,
        study,
        StudyFolder(folder / study.name),
        2,
        on_stage=lambda *told: None if stages is None else stages.append(told),
        on_rate=lambda _: None,
        notice=notices.append,
        lost_after_s=lost_after_s,
    )


def test_the_outcome_of_a_worker_that_lost_its_trial_is_not_taken(
    database: Database, url: str, study: DatabaseStudy, tmp_path: Path
) -> None:
    notices: list[str] = []
    offers = offered(database, study, tmp_path, notices, lost_after_s=3.0)
    offers.start(proposal(0))
    with Database(url) as theirs, Database(url) as others:
        late = Taken(theirs, DatabaseStudy(theirs, study.name), StudyFolder(tmp_path / "late"))
        order = next(late.orders())  # it has not joined: its heart does not beat
        assert order["attempt"]["number"] == 0
        outcome = {"trial": encode(trial_of(0, serve(BASELINE.values)))}
        prompt = Taken(others, DatabaseStudy(others, study.name), StudyFolder(tmp_path / "prompt"))
        heard: list[object] = []
        hearing = threading.Thread(target=lambda: heard.append(offers.next()))
        hearing.start()
        assert next(prompt.orders()) == order, "offered again once it was not heard of"
        with pytest.raises(StoreFailure, match="its outcome is not taken"):
            late.say(outcome)
        prompt.say(outcome)
        hearing.join()
    assert isinstance(heard[0].outcome, Measured)  # type: ignore[attr-defined]
    assert any("trial 0 is offered to others" in one for one in notices)


def test_a_trial_that_workers_are_lost_with_ends_the_study(
    database: Database, url: str, study: DatabaseStudy, tmp_path: Path
) -> None:
    offers = offered(database, study, tmp_path, [])
    offers.start(proposal(0))
    failures: list[BaseException] = []

    def hear() -> None:
        try:
            offers.next()
        except EnvironmentFailure as failure:
            failures.append(failure)

    hearing = threading.Thread(target=hear)
    hearing.start()
    with Database(url) as theirs:
        while hearing.is_alive():
            taken = Taken(theirs, DatabaseStudy(theirs, study.name), StudyFolder(tmp_path / "late"))
            theirs.transact(taken._take)
            hearing.join(0.05)
    assert str(failures[0]).startswith("3 workers were lost with trial 0: worker ")


def test_a_worker_takes_down_what_is_withdrawn(
    database: Database, url: str, study: DatabaseStudy, tmp_path: Path
) -> None:
    offers = offered(database, study, tmp_path, [])
    offers.start(proposal(0))
    with Database(url) as theirs:
        taken = Taken(theirs, DatabaseStudy(theirs, study.name), StudyFolder(tmp_path / "theirs"), lost_after_s=0.3)
        with taken.joined():
            next(taken.orders())
            offers.withdraw()
            with pytest.raises(Withdrawn):
                time.sleep(60.0)
            offers.start(proposal(1))
            assert next(taken.orders())["attempt"]["number"] == 1, "and goes on"
    assert database.rows("SELECT state FROM tuner_order WHERE study = %s", [study.name]) == [("open",)], (
        "left to others"
    )


def test_a_worker_that_cannot_run_its_trial_ends_the_study(
    database: Database, url: str, study: DatabaseStudy, tmp_path: Path
) -> None:
    offers = offered(database, study, tmp_path, [])
    offers.start(proposal(0))
    with Database(url) as theirs:
        taken = Taken(theirs, DatabaseStudy(theirs, study.name), StudyFolder(tmp_path / "theirs"))
        next(taken.orders())
        for number in range(200):
            taken.say({"stage": [0, f"stage {number}"]})
        taken.say({"failed": "the cluster is gone"})
        with pytest.raises(EnvironmentFailure, match="the cluster is gone"):
            offers.next()


def test_while_the_database_is_away_a_worker_goes_on_with_its_trial_and_what_it_said_comes_with_the_outcome(
    tmp_path: Path,
) -> None:
    with postgres() as server:
        url = f"postgresql://tuner@127.0.0.1:{server.port}/postgres"
        with Database(url) as here, Database(url, patience_s=FOREVER_S) as theirs:
            study, heard = DatabaseStudy(here, "away"), list[tuple[int, str]]()
            with study.held(), Journal.open(tmp_path / "away" / "journal.jsonl", study) as journal:
                journal.begin(start_of(SPACE, tmp_path))
                offers = offered(here, study, tmp_path, [], lost_after_s=FOREVER_S, stages=heard)
                offers.start(proposal(0))
                taken = Taken(theirs, DatabaseStudy(theirs, "away"), StudyFolder(tmp_path / "theirs"))
                next(taken.orders())
                server.stop(signal.SIGQUIT)
                taken.say({"stage": [0, "deploy"]})
                server.start()
                taken.say({"trial": encode(trial_of(0, serve(BASELINE.values)))})
                assert isinstance(offers.next().outcome, Measured)
                assert heard == [(0, "deploy")]


def test_a_worker_can_leave_while_the_database_is_away(tmp_path: Path) -> None:
    with postgres() as server:
        url = f"postgresql://tuner@127.0.0.1:{server.port}/postgres"
        with Database(url, patience_s=FOREVER_S) as theirs:
            taken = Taken(theirs, DatabaseStudy(theirs, "away"), StudyFolder(tmp_path / "theirs"))
            with taken.joined():
                server.stop(signal.SIGQUIT)


def test_a_worker_that_nobody_needs_any_more_leaves(
    database: Database, url: str, study: DatabaseStudy, tmp_path: Path
) -> None:
    with Database(url) as theirs:
        mine = DatabaseStudy(theirs, study.name)
        taken = Taken(theirs, mine, StudyFolder(tmp_path / "theirs"), abandoned_s=-1.0)
        with pytest.raises(EnvironmentFailure, match="nobody has decided what study"):
            next(taken.orders())
