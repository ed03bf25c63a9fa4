from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.killed import kill_and_resume


@pytest.mark.timeout(300)
def test_killed_at_random_moments_and_resumed(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, kills=4, seed=3, trials=3)
