"""The lanes of scripts/test: together they run every test once, and end at about the same time."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import combinations

import pytest

from tests.lanes import SECONDS, TOGETHER, seconds, shares
from tests.repository.checkout import ROOT

FILES = [str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")]


@pytest.mark.parametrize("lanes", [1, 2, 3, 7])
def test_every_file_is_in_one_lane_whatever_the_order(lanes: int) -> None:
    dealt = shares(FILES, lanes)
    assert dealt == shares(sorted(FILES, reverse=True), lanes)
    assert len(dealt) == lanes
    assert set().union(*dealt) == set(FILES)
    assert not any(one & other for one, other in combinations(dealt, 2))


def test_what_is_said_to_take_long_is_there_and_is_dealt_out_evenly() -> None:
    assert set(SECONDS) <= {file.rpartition("/")[2] for file in FILES}
    one, other = map(seconds, shares(SECONDS, 2))
    assert abs(one - other) <= 0.1 * one


def test_what_needs_the_same_is_in_one_lane() -> None:
    for group in TOGETHER:
        files = {file for file in FILES if file.rpartition("/")[2] in group}
        assert {file.rpartition("/")[2] for file in files} == set(group)
        assert any(files <= lane for lane in shares(FILES, 2))


def test_the_lanes_of_a_run_share_its_tests() -> None:
    def collected(*options: str) -> list[str]:
        command = [sys.executable, "-m", "pytest", "tests/front", "tests/space", "--collect-only", "-q", *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return re.findall(r"^tests/.*::.*", done.stdout, re.MULTILINE)

    one, other = collected("--lane=1/2"), collected("--lane=2/2")
    assert one
    assert other
    assert sorted(one + other) == sorted(collected())
