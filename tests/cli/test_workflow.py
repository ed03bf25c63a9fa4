"""`tune workflow`, and what its steps run: a study that goes on by itself, and what it found in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.study import journal
from tests.cli.test_seldon_benchmark import VALUES
from tests.cli.tune import Tune
from tests.repository.checkout import ROOT

IRIS = ROOT / "search_spaces" / "iris"
REPLAY = ("--backend", "replay", "--table", "server.json", "--tracking-uri", "none")


@pytest.fixture
def tune(tmp_path: Path) -> Tune:
    (tmp_path / "server.json").write_text('{"simulated": {"memory_worker": "60Mi"}, "noise": 0.05}')
    return Tune(tmp_path)


def test_it_is_written_and_says_what_goes_with_it(tune: Tune) -> None:
    done = tune("workflow", IRIS, "--namespace", "tuning", "-o", "w.yaml", "--", "--trials", "8")
    assert done.status == 0, done.err
    assert "--claim or --artifacts keeps it" in done.err
    text = (tune.folder / "w.yaml").read_text()
    assert "kind: Workflow\n" in text
    assert '"--trials"\n' in text
    printed = tune("workflow", IRIS, "--cron", "0 3 * * 6", "--claim", "studies")
    assert "kind: CronWorkflow\n" in printed.out
    assert printed.err == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--", "--trails", "8"), "`tune run` does not take this"),
        (("--", "--name", "mine"), "--name is the Workflow's own"),
        (("--", "--mask", "{{x}}"), "{{ is the Workflow's own"),
        (("--cron", "daily"), "'daily' is no schedule"),
        (("--cron", "@daily", "--template"), "leave out --template"),
        (("--timezone", "Europe/Berlin"), "add --cron"),
        (("--approve",), "add --apply NAMESPACE"),
        (("--workers", "4"), "add --secret, with the database's address as TUNE_STUDIES"),
        (("--workers", "4", "--secret", "db", "--claim", "studies"), "the study is in a database"),
        (("--", "--workers"), "--workers is the Workflow's own"),
        (("--storage", "1GB"), "1GB"),
        (("--tracking-uri", "http://me:geheim@scores"), "http://***@scores has credentials"),
        (("--", "--storage", "postgresql://me:geheim@db/x"), "postgresql://***@db/x has credentials"),
        (("--namespace", "A"), "'A' is no name"),
    ],
)
def test_what_cannot_be_asked_is_told(tune: Tune, words: tuple[str, ...], told: str) -> None:
    done = tune("workflow", IRIS, *words)
    assert done.status == 2
    assert told in done.err
    assert "geheim" not in done.err
    assert done.out == ""


def test_a_study_goes_on_by_itself_and_its_outputs_are_files(tune: Tune) -> None:
    (tune.folder / "values.yaml").write_text(VALUES)
    assert tune("init", "--from-seldon-benchmark", "values.yaml").status == 0
    words = ("run", "space.yaml", *REPLAY, "--name", "nightly", "--resume", "--trials", "6", "--confirm", "1")
    first = tune(*words)
    assert first.status == 0, first.err
    before = len(journal(tune.folder, "nightly").trials)
    again = tune(*words)
    assert again.status == 0, again.err
    assert len(journal(tune.folder, "nightly").trials) == before
    assert [path.name for path in (tune.folder / "studies").iterdir()] == ["nightly"]

    more = tune(*words[:-4], "--trials", "8", "--confirm", "1")
    assert more.status == 0, more.err
    assert len(journal(tune.folder, "nightly").trials) > before

    done = tune("report", "nightly", "--outputs", "found")
    assert done.status == 0, done.err
    found = {path.name: path.read_text() for path in (tune.folder / "found").iterdir()}
    assert found["verdict"] in ("better", "no-gain")
    assert found["manifest"] == (tune.folder / "studies" / "nightly" / "best.yaml").read_text()
    assert found["report.html"].startswith("<!doctype html>")


def test_a_name_that_another_search_space_has_is_not_gone_on_with(tune: Tune) -> None:
    words = (*REPLAY, "--name", "n", "--resume", "--trials", "2", "--confirm", "0")
    assert tune("run", IRIS, *words).status in (0, 1)
    other = tune.folder / "other"
    other.mkdir()
    for name in ("space.yaml", "deployment.yaml", "request.json"):
        (other / name).write_text((IRIS / name).read_text())
    (other / "model").mkdir()
    (other / "space.yaml").write_text((other / "space.yaml").read_text().replace("trials: 20", "trials: 21"))
    done = tune("run", other, *words)
    assert done.status == 2
    assert "study n was begun with another search space" in done.err


def test_nothing_goes_on_from_a_study_in_which_nothing_was_measured(tune: Tune) -> None:
    done = tune("report", "nowhere", "--outputs", "found")
    assert done.status == 2
    assert not (tune.folder / "found").exists()
