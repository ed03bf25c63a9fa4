"""`tune report`: the page that a study leaves, written again, and followed while the study goes on."""

from __future__ import annotations

import shutil
import urllib.request
from pathlib import Path

import pytest

from tests.cli.tune import Tune, end
from tests.report.pages import Page, loads_nothing
from tests.repository.checkout import ROOT

IRIS = ROOT / "search_spaces" / "iris"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of a simulated server, which takes no time."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "server.json").write_text('{"simulated": {"memory_worker": "60Mi", "cpu_s": 0.002}}')
    options = ("--backend", "replay", "--table", "server.json", "--tracking-uri", "none", "--name", "first")
    done = Tune(folder)("run", IRIS, *options, "--trials", "8", "--time", "1d")
    assert done.status == 0, done.err
    assert "report: studies/first/report.html" in done.out
    return folder


@pytest.fixture
def tune(whole: Path, tmp_path: Path) -> Tune:
    """In a copy of it."""
    return Tune(shutil.copytree(whole, tmp_path / "here"))


def test_a_study_leaves_its_page_and_it_is_written_again_where_asked(tune: Tune) -> None:
    left = (tune.folder / "studies" / "first" / "report.html").read_text()
    done = tune("report", "first", "-o", "iris.html")
    assert (done.status, done.out) == (0, "")
    assert "written: iris.html" in done.err
    assert (tune.folder / "iris.html").read_text() == left == tune("report", "first", "-o", "-").out
    page = Page(left)
    loads_nothing(page)
    assert "What holds the choice latency p99 <= 100 ms: believed" in page.text
    assert len(left.encode()) < 400_000


def test_a_study_that_was_moved_has_its_page(tune: Tune) -> None:
    moved = tune.folder / "elsewhere"
    (tune.folder / "studies" / "first").rename(moved)
    assert tune("report", "elsewhere").status == 0
    assert "To repeat it" in Page((moved / "report.html").read_text()).text


def test_it_is_followed_while_the_study_goes_on(tune: Tune) -> None:
    following = tune.start("report", "first", "--follow")
    try:
        assert following.stderr is not None
        address = following.stderr.readline().split()[0]
        assert address.startswith("http://127.0.0.1:")
        before = Page(_get(address))
        assert "connect-src 'self'" in before.policy
        assert tune("resume", "first", "--trials", "10").status == 0
        after = Page(_get(address))
        assert {one for one in after.ids if one.startswith("trial-")} > {
            one for one in before.ids if one.startswith("trial-")
        }
    finally:
        end(following)
    assert following.returncode == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("first", "--follow", "-o", "x.html"), "a page that is followed is served, not written"),
        (("first", "--port", "8080"), "nothing is served"),
        (("second",), "no study 'second' is here"),
    ],
)
def test_what_does_not_go_together_is_told(tune: Tune, options: tuple[str, ...], told: str) -> None:
    done = tune("report", *options)
    assert done.status == 2
    assert told in done.err


def _get(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as answer:
        return str(answer.read().decode())
