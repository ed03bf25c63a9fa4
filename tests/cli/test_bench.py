"""`tune bench` as a user runs it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import click
import psutil
import pytest

from tests.cli.study import quick_space
from tests.cli.tune import TOY, Tune
from tests.servers.plain import plain
from tuner.cli.root import tune as root
from tuner.errors import InputError

LIGHT = ("--rate", "40/s", "--duration", "1s")


@pytest.fixture
def url() -> Iterator[str]:
    with plain() as address:
        yield address


def test_a_url_as_json_and_nothing_else(tune: Tune, url: str) -> None:
    done = tune("bench", f"{url}/predict?key=s3cret", *LIGHT, "--header", "X-Token: s3cret", "--json")
    assert done.status in (0, 3), done.err  # a busy machine makes the generator late, which is refused
    told = done.json
    assert told["kind"] == "bench"
    assert told["target"] == f"{url}/predict?key=***"
    assert "s3cret" not in done.out + done.err
    assert told["settings"]["headers"] == "X-Token"
    assert told["trusted"] is (done.status == 0)


def test_a_search_space_with_all_it_can_write(tune: Tune, tmp_path: Path) -> None:
    done = tune(
        "bench", TOY, "--closed", "--connections", "2", "--duration", "1s", "--html", "a.html", "--hdr", "a.hlog"
    )
    assert done.status in (0, 3), done.err
    assert "take down" in done.err
    page = (tmp_path / "a.html").read_text()
    assert str(TOY) in page
    if done.status == 0:
        assert "latency p50" in done.out
        assert "SLO met: latency_p99 <= 100 ms" in done.out
        assert "closed loop of 2 connections" in done.out
        assert (tmp_path / "a.hlog").read_text().startswith("#[Histogram log format version")


def test_what_a_study_chose(tune: Tune, tmp_path: Path) -> None:
    done = tune("run", quick_space(tmp_path), "--trials", "1", "--confirm", "0", "--tracking-uri", "none")
    assert done.status in (0, 1), done.err
    done = tune("bench", "study:toy", "--trial", "0", "--closed", "--connections", "2", "--duration", "1s", "--json")
    assert done.status in (0, 3), done.err
    assert done.json["about"]["configuration"] == "cpu=500m memory=64Mi replicas=1 service=4 workers=1"
    done = tune("bench", "study:toy", "--trial", "7")
    assert done.status == 2
    assert "trial 7 was not measured" in done.err


def test_an_slo_that_is_missed(tune: Tune, url: str) -> None:
    done = tune("bench", url, "--duration", "1s", "--closed", "--slo", "latency_p50 <= 1us", "--json")
    assert done.status in (1, 3), done.err
    if done.status == 1:
        assert done.json["met"] is False


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("http://127.0.0.1:1", "--slo", "latency_p98 <= 1s"), "latency_p98"),
        (("http://127.0.0.1:1", "--rate", "fast"), "'fast' is not a rate"),
        (("http://127.0.0.1:1", "--header", "nonsense"), "--header"),
        (("http://127.0.0.1:1", "--body", "nowhere.json"), "nowhere.json"),
        (("http://127.0.0.1:1", "--duration", "5s..2s"), "5s..2s"),
        (("http://127.0.0.1:1", "--closed", "--rate", "5/s"), "a closed loop has no rate"),
        (("http://127.0.0.1:1", "--closed", "--arrival", "constant"), "leave one of them out"),
        (("http://127.0.0.1:1", "--html", "no/such/folder/a.html"), "its folder is not there"),
        (("http://127.0.0.1:1", "--metrics", "nowhere"), "--metrics"),
        (("nowhere.yaml",), "nowhere.yaml"),
        (("study:nowhere",), "no such study"),
    ],
)
def test_bad_input_starts_nothing(arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises((InputError, click.UsageError)) as raised:
        root.main(["bench", *arguments], standalone_mode=False)
    assert told in getattr(raised.value, "message", str(raised.value))


def test_every_problem_is_told_at_once(tune: Tune) -> None:
    done = tune("bench", "http://127.0.0.1:1", "--protocol", "v2", "--arrival", "never")
    assert done.status == 2
    assert all(option in done.err for option in ("--model", "--body", "--arrival"))


def test_a_server_that_answers_wrongly_is_told_with_its_answer(tune: Tune, url: str) -> None:
    done = tune("bench", f"{url}/nowhere", *LIGHT)
    assert done.status == 3
    assert "status 404" in done.err


def test_what_a_server_said_before_it_died_is_shown(tune: Tune, tmp_path: Path) -> None:
    manifest = (TOY / "deployment.yaml").read_text()
    (tmp_path / "deployment.yaml").write_text(manifest)
    (tmp_path / "request.json").write_text((TOY / "request.json").read_text())
    space = (TOY / "space.yaml").read_text().replace("folder: ..", "folder: .")
    (tmp_path / "space.yaml").write_text(
        space.replace("[python, toy.py]", "[python, -c, 'raise SystemExit(\"no model here\")']")
    )
    done = tune("bench", "deployment.yaml")
    assert done.status == 3
    assert "no model here" in done.err


def test_an_interrupt_takes_down_and_says_so(tune: Tune) -> None:
    with tune.start("bench", TOY, "--rate", "40/s", "--duration", "60s") as running:
        assert running.stderr is not None
        assert any("measure at" in line for line in running.stderr)
        children = psutil.Process(running.pid).children(recursive=True)
        assert children
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "taken down" in err
    assert out == ""
    _, left = psutil.wait_procs(children, timeout=10)
    assert not left, "servers and generators are gone with the command"


def test_json_of_a_refusal_is_whole(tune: Tune, url: str) -> None:
    done = tune("bench", url, "--rate", "2/s", "--duration", "1s", "--json")
    assert done.status == 3
    told = json.loads(done.out)
    assert (told["trusted"], told["met"], told["starts"]) == (False, None, [])
    assert "too few requests" in told["refused"][0]
