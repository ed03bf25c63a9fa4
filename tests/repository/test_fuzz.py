"""A bounded part of the fuzz: mutated search spaces and manifests are refused in words, or taken."""

from __future__ import annotations

import subprocess

from tests.repository.checkout import ROOT


def test_mutations_meet_no_bug() -> None:
    command = [ROOT / "scripts" / "benchmark" / "fuzz", "40", "--seed", "3", "--processes", "1"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert told.stdout == "40 inputs of seed 3: nothing went wrong\n", told.stdout + told.stderr
    assert told.returncode == 0
