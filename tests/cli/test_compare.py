"""`tune compare` as a user meets it: real servers, what is printed, the exit status."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from xml.etree import ElementTree as Xml

import pytest

from tests.cli.tune import TOY, Tune

STATUS = {"better": 0, "no difference": 0, "worse": 1, "undecided": 3}


@pytest.fixture
def urls() -> Iterator[list[str]]:
    """Two servers; the second takes longer."""
    servers, found = [], []
    try:
        for service_ms in ("1", "30"):
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            env = {**os.environ, "TOY_SERVICE_MS": service_ms, "TOY_WORKERS": "16", "PORT": str(port)}
            servers.append(
                subprocess.Popen([sys.executable, TOY.parent / "toy.py"], env=env, stderr=subprocess.DEVNULL)
            )
            found.append(f"http://127.0.0.1:{port}")
            wait(port)
        yield found
    finally:
        for server in servers:
            server.kill()
            server.wait()


def wait(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the server did not start")


def test_two_urls(tune: Tune, urls: list[str]) -> None:
    """What it finds is this machine's doing; that it is told, and how, is not."""
    page, report, comment = (tune.folder / name for name in ("page.html", "report.xml", "comment.md"))
    asked = ("--protocol", "seldon", "--body", TOY / "request.json", "--rate", "250/s", "--pairs", "3", "--time", "4s")
    done = tune("compare", *urls, *asked, "--json", "--html", page, "--junit", report, "--markdown", comment)
    found = done.json
    assert done.status == STATUS[found["verdict"]], done.err
    assert found["headline"]
    assert [found["a"], found["b"]] == urls
    assert found["terms"]["rate_rps"] == 250.0
    assert found["terms"]["restarted"] is False
    assert max(found["load_s"]) <= 4.0 + 1e-6
    assert len(found["pairs"]) == found["assessment"]["pairs"]
    assert "<html" in page.read_text()
    assert found["headline"] in (Xml.fromstring(report.read_text()).findtext("testcase/system-out") or "")
    told = comment.read_text().replace("**", "").replace("\\", "")
    assert "| | A | B | B / A |" in told
    assert all(f"| {effect['metric']} |" in told for effect in found["assessment"]["effects"])


def test_a_side_that_does_not_answer_is_in_the_job_s_files(tune: Tune) -> None:
    nobody = [f"http://127.0.0.1:{port}" for port in (1, 2)]
    asked = ("--protocol", "seldon", "--body", TOY / "request.json", "--rate", "50/s", "--time", "60s")
    done = tune("compare", *nobody, *asked, "--junit", "report.xml", "--markdown", "comment.md")
    assert done.status == 3, done.err
    error = Xml.fromstring((tune.folder / "report.xml").read_text()).find("testcase/error")
    assert error is not None
    assert "failed at" in error.attrib["message"]
    assert "could not be compared with" in (tune.folder / "comment.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.yaml", "http://127.0.0.1:1", "--rate", "10/s"), "nowhere.yaml"),
        (("http://127.0.0.1:1", "ftp://127.0.0.1:1", "--rate", "10/s"), "ftp"),
        (("http://127.0.0.1:1", "http://127.0.0.1:2", "--rate", "10/s", "--metric", "speed"), "latency_p99"),
        (("http://127.0.0.1:1", "http://127.0.0.1:2", "--rate", "10/s", "--metric", "memory"), "a URL is not known"),
        (("http://127.0.0.1:1", "http://127.0.0.1:2", "--rate", "10/s"), "--time of at least"),
        (("http://127.0.0.1:1", "http://127.0.0.1:2", "--rate", "10/s", "--smallest", "0%"), "--smallest"),
        (("study:one", "study:other"), "study:other"),
        ((str(TOY), f"{TOY}@wrokers=2"), "did you mean 'workers'?"),
        ((str(TOY), f"{TOY}@workers=4,replicas=2"), "the rule 'workers * replicas <= 6' forbids it"),
    ],
)
def test_bad_input_is_told_before_anything_is_started(tune: Tune, arguments: tuple[str, ...], said: str) -> None:
    done = tune("compare", *arguments)
    assert done.status == 2, done.err
    assert said in done.err
    assert "nothing was started" in done.err
