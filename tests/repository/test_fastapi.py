"""The ranking service under a real uvicorn: whatever is tuned, it says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.repository.ready_spaces import answer, running


def test_threads_and_workers_change_nothing_of_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    said = []
    for values in ({"workers": 1, "threads": 0, "blas": 1}, {"workers": 2, "threads": 2, "blas": 2}):
        with running("fastapi", values) as url:
            said.append(answer(url, "fastapi", b'{"reader": 42}'))
            assert said[-1] != answer(url, "fastapi", b'{"reader": 43}')
    first, second = said
    assert first == second
    assert len(set(first["articles"])) == 10
