"""The request that `tune init` guessed, until it was edited or has worked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.tune import TOY
from tuner.commands.init import init
from tuner.space.file.read import read
from tuner.space.model import SearchSpace
from tuner.targets.guessed import answered, guessed


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SearchSpace:
    """As `tune init` writes it, of a user whose state is kept in the test's folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shutil.copy(TOY / "deployment.yaml", tmp_path)
    init(tmp_path / "deployment.yaml", tmp_path / "space.yaml")
    found, problems = read(tmp_path / "space.yaml")
    assert found is not None, problems
    return found


def test_it_is_a_guess_until_it_was_edited(space: SearchSpace) -> None:
    (request,) = guessed(space)
    assert request.name == "request.json"
    request.write_text('{"data": {"ndarray": [[1]]}}')
    assert guessed(space) == ()


def test_it_is_a_guess_until_a_server_answered_it(space: SearchSpace, tmp_path: Path) -> None:
    answered(space)
    assert guessed(space) == ()
    answered(space)
    assert len((tmp_path / "state" / "tuner" / "answered").read_text().split()) == 1, "it is noted once"
    manifest = tmp_path / "deployment.yaml"
    manifest.write_text(manifest.read_text() + "# another server\n")
    assert guessed(space) != (), "what another server answers nobody knows"


def test_where_nothing_can_be_noted_it_stays_a_guess(
    space: SearchSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    answered(space)
    assert guessed(space) != ()


def test_requests_of_ones_own_are_no_guesses() -> None:
    found, _ = read(TOY)
    assert found is not None
    assert guessed(found) == ()
