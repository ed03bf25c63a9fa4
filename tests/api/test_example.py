"""The example of the documentation, run as it stands; and what it leaves out."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

import tuner
from tests.repository.checkout import ROOT
from tuner.api.runs import Told

BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text(), re.M | re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a study of the documentation in it."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "search_spaces").symlink_to(ROOT / "search_spaces")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec("".join(BLOCKS), {})
    return folder


@pytest.fixture
def study(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuner.Study:
    monkeypatch.chdir(folder)
    return tuner.open_study("iris")


def test_the_example_leaves_what_it_says(folder: Path, study: tuner.Study) -> None:
    best = study.best
    assert best is not None
    assert (folder / "best.yaml").read_text() == best.manifest()
    assert (folder / "tuned" / "kustomization.yaml").is_file()
    assert study.state == "ended"
    assert [one.name for one in tuner.studies()] == ["iris"]
    assert tuner.open_study(folder / "studies" / "iris").records() == study.records()


def test_records(study: tuner.Study) -> None:
    records = study.records()
    assert [one["trial"] for one in records] == list(range(len(records)))
    assert records[0]["purpose"] == "baseline"
    assert {one["manifest"] for one in records if one["chosen"]} <= {
        one["manifest"] for one in records if one["pareto"]
    }
    manifests = {one["trial"]: one["manifest"] for one in records}
    on_front = [manifests[one.trial] for one in study.front()]
    assert len(on_front) == len(set(on_front))
    assert {one["manifest"] for one in records if one["pareto"]} == set(on_front)
    measured = next(one for one in records if one["outcome"] == "measured")
    assert measured["metrics"]["throughput"] > 0.0
    assert set(measured["low"]) <= measured["metrics"].keys()
    assert list(study.watch()) == records


def test_what_is_chosen(study: tuner.Study, tmp_path: Path) -> None:
    best, cheapest = study.best, study.choose(pick="cost")
    assert best is not None
    assert cheapest is not None
    assert cheapest.metrics["cost"] == min(one.metrics["cost"] for one in study.front())
    assert f'tuner.dev/trial: "{best.trial}"' in best.manifest().replace("'", '"')
    assert f"tuner.dev/chosen-by: 'knee: {best.reason}" in best.manifest().replace('"', "'")
    assert "tuner.dev/chosen-by: 'cost: " in cheapest.manifest().replace('"', "'")
    assert best.reason
    throughput = best.against_baseline()["throughput"]
    assert throughput.value == pytest.approx(best.metrics["throughput"])
    assert throughput.ratio == pytest.approx(throughput.value / throughput.baseline)
    assert study.choose(where=["latency_p99 <= 1us"]) is None
    other = next(one for one in study.front() if one.trial not in (best.trial, 0))
    assert f"trial {other.trial} was asked for" in other.manifest()
    assert other.export(tmp_path / "patch.yaml", form="patch").read_text().startswith("# study: iris")


def test_a_study_is_watched_while_it_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    space = tuner.check("search_spaces/iris", backend="replay", table="server.json")
    seen: list[int] = []
    heard: list[int] = []
    begun = threading.Event()
    watched = threading.Thread(target=lambda: begun.wait() and seen.extend(_numbers("watched")))

    def on_trial(one: tuner.Record) -> None:
        heard.append(one["trial"])
        if not begun.is_set():
            begun.set()
            watched.start()

    study = tuner.run(space, trials=4, confirm=0, name="watched", studies="others", on_trial=on_trial)
    watched.join(timeout=60)
    assert seen == heard == [one["trial"] for one in study.records()]


def _numbers(name: str) -> list[int]:
    return [one["trial"] for one in tuner.open_study(name, "others").watch(every_s=0.01)]


def test_more_is_given_to_one_that_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    space = tuner.check("search_spaces/iris", backend="replay", table="server.json")
    study = tuner.run(space, trials=2, confirm=0, studies="others", sampler="random")
    assert len(study.records()) == 2
    assert len(tuner.resume(study, trials=3).records()) == 3


def test_what_is_wrong_is_told_at_once(tmp_path: Path, study: tuner.Study) -> None:
    (tmp_path / "space.yaml").write_text("name: x\nmanifest: none.yaml\nparameters: {a: {int: [3, 1], set: env/A}}\n")
    with pytest.raises(tuner.InputError) as wrong:
        tuner.check(tmp_path)
    assert len(wrong.value.problems) >= 2
    assert all(isinstance(one, tuner.Problem) for one in wrong.value.problems)
    with pytest.raises(tuner.InputError, match="there are: iris"):
        tuner.open_study("isir")
    with pytest.raises(tuner.InputError, match="write it like"):
        study.choose(where=["fast"])


def test_what_is_being_done_is_told() -> None:
    heard: list[tuple[int, str]] = []
    told = Told(Path("studies"), None, lambda number, stage: heard.append((number, stage)))
    told.stage(3, "warm-up")
    Told(Path("studies"), None, None).stage(3, "measure")
    assert heard == [(3, "warm-up")]
