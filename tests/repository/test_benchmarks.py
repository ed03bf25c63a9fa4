"""Every benchmark is documented and says how it is run."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.repository.checkout import ROOT

SCRIPTS = sorted(
    path
    for path in (ROOT / "scripts" / "benchmark").iterdir()
    if path.is_file() and not path.suffix and path.name != "tool"
)


def test_the_table_names_each_benchmark_and_no_other() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == [path.name for path in SCRIPTS]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_each_says_how_it_is_run(script: Path) -> None:
    assert os.access(script, os.X_OK)
    told = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=30, check=True).stdout
    assert told.startswith(f"Usage: scripts/benchmark/{script.name}")
