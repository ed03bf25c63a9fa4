"""A study that was moved: every command that reads it does as before, without what it was made from."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.cli.study import journal
from tests.cli.tune import Tune
from tests.repository.checkout import ROOT
from tuner.trials.folder import StudyFolder
from tuner.trials.journal import read

IRIS = ROOT / "search_spaces" / "iris"
RUN = ("run", "iris", "--backend", "replay", "--table", "server.json", "--trials", "5", "--confirm", "0")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Tune:
    """A project with a study in it; tests only read it."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(IRIS, folder / "iris")
    (folder / "server.json").write_text('{"simulated": {"memory_worker": "60Mi"}, "noise": 0.05}')
    tune = Tune(folder)
    done = tune(*RUN, "--tracking-uri", "none")
    assert done.status == 0, done.err
    return tune


@pytest.fixture
def moved(whole: Tune, tmp_path: Path) -> Tune:
    """Its study alone, in another folder and by another name."""
    (tmp_path / "mailed").mkdir()
    shutil.copytree(whole.folder / "studies" / "iris", tmp_path / "mailed" / "theirs")
    start = (tmp_path / "mailed" / "theirs" / "journal.jsonl").read_text().splitlines()[0]
    assert str(whole.folder) in start, "it says where it was; that is told, and not gone to"
    return Tune(tmp_path)


STUDY = "mailed/theirs"


def test_it_is_shown_and_exported_as_before(whole: Tune, moved: Tune) -> None:
    assert moved("show", STUDY, "--json").json == whole("show", "iris", "--json").json
    for form in ("manifest", "patch", "json-patch"):
        for_trial = ("--trial", "1", "--format", form)
        assert moved("export", STUDY, *for_trial).out == whole("export", "iris", *for_trial).out
    assert moved("report", STUDY, "-o", "page.html").status == 0
    assert "tune export mailed/theirs -o best.yaml" in (moved.folder / "page.html").read_text()
    assert moved("export", STUDY, "--trial", "1", "--diff").out.startswith("--- a/deployment.yaml\n")


def test_it_goes_on(whole: Tune, moved: Tune, tmp_path: Path) -> None:
    before = journal(whole.folder, "iris")
    hidden = whole.folder.rename(whole.folder.parent / "hidden")
    try:
        done = moved("resume", STUDY, "--trials", "7")
    finally:
        hidden.rename(whole.folder)
    assert done.status == 0, done.err
    after = read(StudyFolder(tmp_path / STUDY).journal)
    assert after.start == before.start
    assert after.trials[: len(before.trials)] == before.trials
    assert len([one for one in after.trials if one.purpose in ("baseline", "search")]) == 7
    assert json.loads((tmp_path / STUDY / "report.json").read_text())


def test_others_learn_from_it(whole: Tune, moved: Tune, tmp_path: Path) -> None:
    shutil.copytree(IRIS, tmp_path / "iris")
    shutil.copy(whole.folder / "server.json", tmp_path)
    done = moved(*RUN, "--tracking-uri", "none", "--warm-start", STUDY)
    assert done.status == 0, done.err
    assert "trials of study iris" in done.err
    assert "request" not in done.err.split("trials of study iris")[1].split("study iris:")[0], "its bodies were found"


def test_it_is_mailed_in_one_file_and_goes_on(whole: Tune, tmp_path: Path) -> None:
    file = tmp_path / "iris.zip"
    assert whole("export", "iris", "--bundle", file).out == f"written: {file}\n"
    with zipfile.ZipFile(file) as archive:
        archive.extractall(tmp_path / "theirs")
    there = Tune(tmp_path / "theirs")
    shown = whole("show", "iris", "--json").json
    assert there("show", "./iris", "--json").json == shown
    readme = (tmp_path / "theirs" / "README.md").read_text()
    assert readme.startswith("# Study iris\n")
    page = (tmp_path / "theirs" / "report.html").read_text()
    assert "tune export ./iris -o best.yaml" in page
    assert "/tmp/tmp" not in page
    assert f"trial {shown['choice']['candidate']['trial']}" in readme
    resumed = there("resume", "./iris", "--trials", "6")
    assert resumed.status == 0, resumed.err
    assert file.stat().st_mode & 0o077 == 0
