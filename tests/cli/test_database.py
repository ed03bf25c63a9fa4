"""Studies kept in a real PostgreSQL: run on one machine, read, gone on with and exported from another."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.tune import Tune
from tests.cli.workers_killed import OneOfSeveral
from tests.repository.checkout import ROOT
from tests.trials.database.place import url

__all__ = ["url"]

IRIS = ROOT / "search_spaces" / "iris"


def machine(folder: Path, url: str) -> OneOfSeveral:
    folder.mkdir()
    (folder / "server.json").write_text('{"simulated": {}, "noise": 0.05}')
    return OneOfSeveral(folder, url=url)


@pytest.fixture
def one(tmp_path: Path, url: str) -> OneOfSeveral:
    return machine(tmp_path / "one", url)


@pytest.fixture
def other(tmp_path: Path, url: str) -> OneOfSeveral:
    return machine(tmp_path / "other", url)


def run(tune: Tune, name: str, *more: str) -> None:
    replayed = ("--backend", "replay", "--table", "server.json", "--tracking-uri", "none")
    done = tune("run", IRIS, *replayed, "--name", name, "--trials", "6", *more)
    assert done.status == 0, done.err


def test_a_study_is_read_and_gone_on_with_from_elsewhere(one: OneOfSeveral, other: OneOfSeveral) -> None:
    run(one, "far")
    assert not (one.folder / "studies").exists()
    listed = {row["name"]: row for row in other("list", "--json").json}
    assert listed["far"]["state"] == "ended"
    shown, own = other("show", "far", "--json"), one("show", "far", "--json")
    assert shown.json == own.json
    assert other("export", "far", "-o", "best.yaml").status == 0
    assert one("export", "far", "-o", "best.yaml").status == 0
    assert (other.folder / "best.yaml").read_text() == (one.folder / "best.yaml").read_text()
    assert other("report", "far", "-o", "report.html").status == 0
    assert (other.folder / "report.html").stat().st_size > 10_000

    more = other("resume", "far", "--trials", "9")
    assert more.status == 0, more.err
    assert len(one("show", "far", "--json").json["trials"]) > len(own.json["trials"])


def test_a_name_that_is_taken_there_is_refused_or_counted_on(one: OneOfSeveral, other: OneOfSeveral) -> None:
    run(one, "taken")
    replayed = ("--backend", "replay", "--table", "server.json", "--tracking-uri", "none", "--trials", "2")
    refused = other("run", IRIS, *replayed, "--name", "taken")
    assert (refused.status, "a study taken is there already" in refused.err) == (2, True)
    for number in ("", "-2"):
        counted = other("run", IRIS, *replayed)
        assert counted.status in (0, 1), counted.err
        assert f"study iris{number}:" in counted.err


def test_an_unknown_study_is_told_with_those_there_are(one: OneOfSeveral, other: OneOfSeveral) -> None:
    run(one, "known")
    missing = other("show", "unknown")
    assert missing.status == 2
    assert "known" in missing.err


def test_its_address_is_shown_without_a_password_and_written_nowhere(one: OneOfSeveral, url: str) -> None:
    secret = "my-password-1234"
    with_password = url.replace("tuner@", f"tuner:{secret}@")
    tune = OneOfSeveral(one.folder, url=with_password)
    run(tune, "guarded")
    away = tune("list", "--studies", re.sub(r":\d+/", ":1/", with_password))
    assert away.status == 3
    assert "postgresql://***@127.0.0.1:1/" in away.err
    written = [path for path in one.folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert written == []


def test_a_worker_wants_a_database_and_a_cluster(tmp_path: Path, one: OneOfSeveral) -> None:
    alone = Tune(tmp_path)("worker", "iris")
    assert (alone.status, "--studies postgresql://USER@HOST/DATABASE" in alone.err) == (2, True)
    here = one("run", IRIS, "--workers")
    assert (here.status, "--backend kubernetes" in here.err) == (2, True)


def test_the_journal_there_is_the_one_here(one: OneOfSeveral, url: str) -> None:
    run(one, "same")
    import psycopg

    with psycopg.connect(url) as session:
        rows = session.execute("SELECT line FROM tuner_line WHERE study = 'same' ORDER BY number").fetchall()
    kinds = [json.loads(bytes(line))["kind"] for (line,) in rows]
    assert kinds[0] == "start"
    assert kinds[-1] == "knowledge"
    (copy,) = (one.folder / "cache").glob("tuner/studies/*/same/journal.jsonl")
    assert copy.read_bytes() == b"".join(bytes(line) for (line,) in rows)
