"""A study in a real PostgreSQL: one holds it, its journal keeps the guarantees that it has in a file."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.study.world import BASELINE, serve, space_of, start_of, trial_of
from tests.trials.database.broken import cut_sessions
from tuner.errors import InputError, StoreFailure
from tuner.trials.database.connection import Database
from tuner.trials.database.copies import folder_of, pull, pull_journals
from tuner.trials.database.study import DatabaseStudy, held, names
from tuner.trials.folder import StudyFolder
from tuner.trials.journal import Journal, read


def begun(database: Database, name: str, folder: Path) -> DatabaseStudy:
    study = DatabaseStudy(database, name)
    with study.held(), Journal.open(folder / "journal.jsonl", study) as journal:
        journal.begin(start_of(space_of(), folder))
        journal.append("rate", {"rate_rps": 120.0})
    return study


def test_lines_are_in_the_database_and_the_file_is_a_copy(database: Database, name: str, tmp_path: Path) -> None:
    study = begun(database, name, tmp_path)
    lines = study.lines()
    assert lines == (tmp_path / "journal.jsonl").read_bytes()
    assert lines.count(b"\n") == 2
    assert name in names(database)
    (tmp_path / "journal.jsonl").write_bytes(b"something else")
    with study.held(), Journal.open(tmp_path / "journal.jsonl", study) as journal:
        assert [event.kind for event in journal.events] == ["rate"]
        journal.append("rate", {"rate_rps": 130.0})
    assert study.lines() == (tmp_path / "journal.jsonl").read_bytes()
    assert read(tmp_path / "journal.jsonl").events[-1].data == {"rate_rps": 130.0}


def test_one_holds_a_study_and_the_other_is_told_who(database: Database, name: str, url: str) -> None:
    told = r"process \d+ on \S+ runs this study, heard of .* ago"
    with DatabaseStudy(database, name).held(), Database(url) as other:
        assert name in held(other)
        with pytest.raises(InputError, match=told):
            DatabaseStudy(other, name).held().__enter__()
    with Database(url) as other, DatabaseStudy(other, name).held():
        pass
    assert name not in held(database)


def test_who_was_not_heard_of_can_be_followed_and_writes_no_more(
    database: Database, name: str, url: str, tmp_path: Path
) -> None:
    """Suspended, say, it wakes when another has the study."""
    first = DatabaseStudy(database, name, lives_s=1e9)
    with first.held(), Journal.open(tmp_path / "journal.jsonl", first) as journal, Database(url) as other:
        journal.begin(start_of(space_of(), tmp_path))
        with DatabaseStudy(other, name, lives_s=0.0).held():
            before = first.lines()
            with pytest.raises(StoreFailure, match="another tuner took study"):
                journal.append("rate", {"rate_rps": 120.0})
            assert first.lines() == before


def test_one_that_died_a_moment_ago_is_waited_for(database: Database, name: str, url: str) -> None:
    with Database(url) as other, DatabaseStudy(other, name).held():
        other.change("UPDATE tuner_study SET beat = now() - interval '29 seconds' WHERE name = %s", [name])
        with DatabaseStudy(database, name).held(patience_s=20.0):
            pass


def test_its_heart_beats(database: Database, name: str) -> None:
    study = DatabaseStudy(database, name, lives_s=0.3)
    with study.held():
        ((first,),) = database.rows("SELECT beat FROM tuner_study WHERE name = %s", [name])
        end = time.monotonic() + 30.0
        while database.rows("SELECT beat FROM tuner_study WHERE name = %s", [name]) == [(first,)]:
            assert time.monotonic() < end


def test_a_broken_session_loses_no_line_and_doubles_none(
    database: Database, name: str, url: str, tmp_path: Path
) -> None:
    study = DatabaseStudy(database, name)
    with study.held(), Journal.open(tmp_path / "journal.jsonl", study) as journal:
        journal.begin(start_of(space_of(), tmp_path))
        stop = threading.Event()
        cutting = threading.Thread(target=cut_sessions, args=(url, stop))
        cutting.start()
        try:
            for number in range(150):
                journal.append("rate", {"rate_rps": float(number)})
        finally:
            stop.set()
            cutting.join()
        assert [event.data["rate_rps"] for event in journal.events] == list(map(float, range(150)))
    assert study.lines() == (tmp_path / "journal.jsonl").read_bytes()


def test_a_line_that_is_missing_is_said(database: Database, name: str, tmp_path: Path) -> None:
    study = begun(database, name, tmp_path)
    database.change("DELETE FROM tuner_line WHERE study = %s AND number = 0", [name])
    with pytest.raises(StoreFailure, match=f"lines of study {name} are missing"):
        study.lines()


def test_a_copy_is_brought_up_to_date(
    database: Database, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    mine = StudyFolder(tmp_path / "mine" / name)
    study = begun(database, name, mine.root)
    for path, content in (
        (mine.inputs / "space.yaml", "name: iris"),
        (mine.inputs / "elsewhere" / "0" / "request.json", "{}"),
        (mine.best_manifest, "kind: Deployment"),
        (mine.manifest(3), "kind: Deployment"),
        (mine.root / "optuna.db", "made again"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    with study.held():
        study.push(mine)
        study.push(mine)
    copies = folder_of(database)
    pull(database, name, copies)
    copy = StudyFolder(copies / name)
    for path in (mine.inputs / "space.yaml", mine.best_manifest, mine.manifest(3), mine.journal):
        assert (copy.root / path.relative_to(mine.root)).read_bytes() == path.read_bytes()
    assert not (copy.root / "optuna.db").exists()
    mine.best_manifest.write_text("kind: StatefulSet")
    with study.held():
        study.push(mine)
    pull(database, name, copies)
    assert copy.best_manifest.read_text() == "kind: StatefulSet"
    database.change("DELETE FROM tuner_study WHERE name = %s", [name])
    pull_journals(database, copies)
    assert not copy.journal.exists(), "what is not there any more is no study"


def test_files_of_a_trial_are_kept_with_its_outcome(database: Database, name: str, tmp_path: Path) -> None:
    mine = StudyFolder(tmp_path / "mine" / name)
    study = DatabaseStudy(database, name)
    with study.held(mine), Journal.open(mine.journal, study) as journal:
        journal.begin(start_of(space_of(), mine.root))
        for number in (0, 1):
            mine.trial(number).mkdir(parents=True)
            mine.log(number).write_text(f"log of {number}")
        mine.answers.write_text("{}")
        journal.finish(trial_of(0, serve(BASELINE.values)))
    copy = StudyFolder(tmp_path / "copy")
    study.pull(copy)
    assert copy.log(0).read_text() == "log of 0"
    assert copy.answers.read_text() == "{}"
    assert not copy.log(1).exists(), "it did not end"
    few = StudyFolder(tmp_path / "few")
    study.pull(few, [])
    assert not few.log(0).exists()
    assert few.answers.exists()
    study.pull(few, [0, 1])
    assert few.log(0).exists()


def test_a_file_of_the_database_lies_below_the_study(database: Database, name: str, tmp_path: Path) -> None:
    study = begun(database, name, tmp_path / "mine")
    insert = "INSERT INTO tuner_file (study, path, content, digest) VALUES (%s, %s, '', '')"
    database.change(insert, [name, "../../.bashrc"])
    with pytest.raises(StoreFailure, match="no file of a study is called so"):
        study.pull(StudyFolder(tmp_path / "copy"))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("postgresql://tuner:secret@127.0.0.1:1/none", r"postgresql://\*\*\*@127.0.0.1:1/none: .*refused"),
        ("postgresql://h/db?nonsense=1", "is no address of a database"),
    ],
)
def test_what_cannot_be_reached_is_named_without_its_password(address: str, words: str) -> None:
    with pytest.raises((StoreFailure, InputError), match=words) as failure, Database(address) as database:
        names(database)
    assert "secret" not in str(failure.value)
