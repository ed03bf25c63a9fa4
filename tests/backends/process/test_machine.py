"""How a machine's CPUs are shared by trials beside each other."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.backends.model import Part
from tuner.backends.process.machine import look, parts, too_few


@given(cores=st.lists(st.integers(1, 2), min_size=1, max_size=40), number=st.integers(2, 12))
def test_parts_are_disjoint_of_whole_cores_equal_in_cores_and_leave_one_core(cores: list[int], number: int) -> None:
    """`cores`: how many CPUs each has."""
    of = [core for core, threads in enumerate(cores) for _ in range(threads)]
    found = parts(of, number)
    if found is None:
        assert (len(cores) - 1) // number < 2, "two cores are enough for one trial"
        return
    rows = [row for share in found for row in share]
    assert len(found) == number
    assert len(rows) == len(set(rows))
    used = [{of[row] for row in share} for share in found]
    assert len(set(map(len, used))) == 1
    assert sum(map(len, used)) == len(set().union(*used)), "no core is shared"
    assert 0 not in set().union(*used), "the first core is left to the tuner"
    assert all(len(share) >= 2 for share in found)


def test_one_has_the_whole_machine() -> None:
    assert parts([0, 0, 1], 1) == ((0, 1, 2),)


@pytest.mark.parametrize(
    ("cores", "number", "expected"),
    [
        ([0, 1, 2, 3, 4], 2, ((1, 2), (3, 4))),
        ([0, 0, 1, 1, 2, 2], 2, ((2, 3), (4, 5))),
        ([0, 1, 2, 3], 2, None),
        ([0, 1], 2, None),
    ],
)
def test_examples(cores: list[int], number: int, expected: object) -> None:
    assert parts(cores, number) == expected


def test_a_machine_too_small_for_trials_beside_each_other_is_refused() -> None:
    number = len(os.sched_getaffinity(0))  # one more would be needed for the tuner alone
    if number < 2:
        pytest.skip("one CPU is one part")
    why = too_few(number)
    assert why is not None
    assert f"this machine has {number} CPU" in why
    assert look(Part(number=number)) == look(), "each is the whole machine then"
