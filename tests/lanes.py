"""Test runs beside each other, which together run every test once: `pytest --lane 2/3` is the second of three.

Each has a cluster of its own. What the tests of a file share is costly, so files stay whole; they are dealt out
longest first, each to the lane that has the least to do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import PurePath

import pytest

from tests.cluster.places import NUMBER

SECONDS = {
    "test_kinds.py": 620,
    "test_workflow_cluster.py": 320,
    "test_in_cluster_cluster.py": 200,
    "test_study_cluster.py": 210,
    "test_failures.py": 200,
    "test_beside_cluster.py": 180,
    "test_workers_cluster.py": 140,
    "test_apply.py": 75,
    "test_killed.py": 75,
    "test_shared.py": 110,
    "test_readme_cluster.py": 100,
    "test_load_job.py": 60,
    "test_operators.py": 90,
    "test_gpu.py": 75,
    "test_blocked.py": 70,
    "test_waiting.py": 70,
    "test_bench_cluster.py": 65,
    "test_argo.py": 65,
    "test_conformance.py": 60,
    "test_cluster.py": 60,
    "test_away.py": 55,
    "test_addresses.py": 40,
    "test_images.py": 30,
    "test_nodes.py": 30,
    "test_written.py": 30,
}
"""How long the tests on a cluster take, roughly, by file; others are dealt out by their number of files."""

TOGETHER = (
    ("test_kinds.py", "test_operators.py"),
    ("test_workflow_cluster.py", "test_in_cluster_cluster.py", "test_argo.py"),
)
"""Files that need the same operators, or the image of the command itself, which weighs a gigabyte on each node."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lane", type=_lane, metavar="N/M", help="run the Nth of M shares of the tests")


def pytest_configure(config: pytest.Config) -> None:
    if lane := config.getoption("--lane"):
        os.environ[NUMBER] = str(lane[0])


@pytest.hookimpl(trylast=True)  # what -m and -k leave is dealt out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if lane := config.getoption("--lane"):
        number, lanes = lane
        ours = shares({_file(item) for item in items}, lanes)[number - 1]
        config.hook.pytest_deselected(items=[item for item in items if _file(item) not in ours])
        items[:] = [item for item in items if _file(item) in ours]


def shares(files: Iterable[str], lanes: int) -> list[set[str]]:
    """The files of each lane; the same for any order of `files`."""
    together: dict[str, set[str]] = {}
    for file in files:
        together.setdefault(_kept_with(file), set()).add(file)
    dealt: list[set[str]] = [set() for _ in range(lanes)]
    for group in sorted(together.values(), key=lambda group: (-seconds(group), min(group))):
        min(dealt, key=seconds).update(group)
    return dealt


def seconds(files: Iterable[str]) -> int:
    return sum(SECONDS.get(PurePath(file).name, 1) for file in files)


def _kept_with(file: str) -> str:
    """The same for files that are to be in one lane."""
    name = PurePath(file).name
    return next((group[0] for group in TOGETHER if name in group), file)


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _lane(text: str) -> tuple[int, int]:
    number, _, lanes = text.partition("/")
    if not 1 <= int(number) <= int(lanes):
        raise ValueError
    return int(number), int(lanes)
