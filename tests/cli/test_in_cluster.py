"""`tune run --in-cluster`: what cannot be asked is told before a cluster is."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import click
import pytest

from tests.cli.tune import Tune
from tests.repository.checkout import ROOT
from tuner.cli.in_cluster import _words
from tuner.cli.run import run
from tuner.commands.in_cluster import Followed

IRIS = ROOT / "search_spaces" / "iris"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "add --secret NAME"),
        (("--secret", "s", "--backend", "process"), "a Job runs on a cluster"),
        (("--secret", "s", "--name", "Iris_2"), "'Iris_2' cannot be part of a Job's name"),
        (("--secret", "s", "--resume"), "add --name"),
        (("--secret", "s", "-o", "best.yaml"), "the manifest is in a database that is not named here"),
        (("--secret", "s", "--tracking-uri", "sqlite:///m.db"), "sqlite:///m.db would be lost with the pod"),
        (("--secret", "s", "--storage", "sqlite:///o.db"), "sqlite:///o.db would be lost with the pod"),
        (("--secret", "s", "--warm-start", "studies/iris"), "the folder studies/iris does not travel"),
        (("--secret", "s", "--tracking-uri", "http://me:pass@scores"), "would stand in the cluster for all to read"),
    ],
)
def test_what_cannot_be_asked_is_told(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    done = Tune(tmp_path)("run", IRIS, "--in-cluster", *words)
    assert done.status == 2
    assert told in done.err
    assert "pass" not in done.err
    assert done.out == ""


@pytest.mark.parametrize("option", ["--image", "--secret"])
def test_what_is_the_jobs_needs_one(tmp_path: Path, option: str) -> None:
    done = Tune(tmp_path)("run", IRIS, option, "x")
    assert done.status == 2
    assert "add --in-cluster" in done.err


def test_a_search_space_that_is_wrong_is_told_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("")
    (tmp_path / "space.yaml").write_text("name: iris\nmanifest: none.yaml\n")
    done = Tune(tmp_path)("run", "space.yaml", "--in-cluster", "--secret", "studies")
    assert done.status in (2, 3)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), ("--tracking-uri", "none")),
        (
            ("--trials", "8", "--time=10m", "--gain", "1%", "--cost", "5 USD"),
            ("--trials", "8", "--time", "10m", "--cost", "5 USD", "--gain", "1%", "--tracking-uri", "none"),
        ),
        (
            ("--warm-start", "a", "--warm-start", "b", "--workers", "--parallel", "4"),
            ("--parallel", "4", "--workers", "--warm-start", "a", "--warm-start", "b", "--tracking-uri", "none"),
        ),
        (("--tracking-uri", "$(SCORES)", "--load", "here"), ("--load", "here", "--tracking-uri", "$(SCORES)")),
        (
            ("--name", "n", "--namespace", "x", "--context", "c", "--secret", "s", "--image", "i", "--json"),
            ("--tracking-uri", "none", "--json"),
        ),
    ],
)
def test_what_else_was_given_goes_to_the_pod_as_it_was_written(given: tuple[str, ...], said: tuple[str, ...]) -> None:
    with run.make_context("run", ["space", "--in-cluster", *given]) as context, context.scope():
        words = _words(click.get_current_context())
    assert sorted(words) == sorted(said)
    pairs = [(one, two) for one, two in pairwise(words) if one.startswith("--")]
    assert all(two in said for _, two in pairs)


class TestWhatThePodsSay:
    def test_progress_comes_as_it_is_said_and_the_rest_is_the_result(self) -> None:
        said: list[str] = []
        followed = Followed(said.append, as_json=False)
        for line in (
            '{"time": "t", "event": "started", "text": "study iris: throughput"}',
            '{"time": "t", "event": "stage", "trial": 3, "stage": "deploy"}',
            '{"time": "t", "event": "finished", "trial": 3, "text": "120/s"}',
            '{"time": "t", "event": "proposed", "trial": 4, "purpose": "search", "text": "cpu=1"}',
            "the result",
            '{"a": 1}',
        ):
            followed(line)
        assert said == ["study iris: throughput", "trial 3: deploy", "trial 3: 120/s", "trial 4 (search): cpu=1"]
        assert followed.rest == ["the result", '{"a": 1}']

    def test_what_is_said_in_between_is_not_the_result(self) -> None:
        said: list[str] = []
        followed = Followed(said.append, as_json=True)
        line = '{"time": "t", "event": "notice", "text": "goes on"}'
        followed("a library warns")
        followed(line)
        assert said == ["a library warns", line]
        assert followed.rest == []
