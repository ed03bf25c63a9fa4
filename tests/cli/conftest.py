from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.tune import Tune


@pytest.fixture
def tune(tmp_path: Path) -> Tune:
    return Tune(tmp_path)
