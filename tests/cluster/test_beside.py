"""What lets clusters stand beside each other on one machine."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from tests.cluster import host, places
from tests.cluster.say import CannotError


def test_clusters_with_different_numbers_share_neither_name_nor_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUNER_CLUSTER_STATE", raising=False)
    names, networks = [], []
    for number in range(1, 15):
        monkeypatch.setenv(places.NUMBER, str(number))
        names.append(places.own_name())
        networks += places.networks()
    assert len({name[:15] for name in names}) == 14, "an interface's name has at most 15 characters"
    assert not any(one.overlaps(other) for one, other in combinations(networks, 2))


@pytest.mark.parametrize("number", ["0", "15", "-1", "two"])
def test_a_number_that_there_is_not(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    monkeypatch.setenv(places.NUMBER, number)
    with pytest.raises(CannotError, match=f"TUNER_CLUSTER={number}: a number from 1 to 14"):
        places.networks()


def test_what_the_first_one_changed_is_put_back_by_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "made"
    monkeypatch.setattr(host, "PRIVATE", (str(made),))
    monkeypatch.setattr(host, "_SETTINGS", ())
    states = [tmp_path / "one", tmp_path / "two"]
    for state in states:
        state.mkdir()
        monkeypatch.setenv("TUNER_CLUSTER_STATE", str(state))
        host.note()
        host.make_folders()
    for state, left in zip(states, (True, False), strict=True):
        monkeypatch.setenv("TUNER_CLUSTER_STATE", str(state))
        host.restore()
        assert made.exists() == left
