"""`tune bench` of a real server on a real cluster: gRPC to its pods, and what they tell of themselves meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.killed import Namespace
from tests.cli.tune import Tune
from tests.repository.checkout import ROOT

BUSY_AT_MOST = 4
"""Windows that a busy machine makes the generator late in are refused, and measured again."""
IRIS = ROOT / "search_spaces" / "iris"


@pytest.mark.parametrize(("protocol", "engines"), [("seldon-grpc", 2), ("seldon", 1)])
def test_the_pods_are_called_and_asked_for_their_own_metrics(
    tune: Tune, place: Namespace, images: Callable[[str], str], tmp_path: Path, protocol: str, engines: int
) -> None:
    images("iris")
    images("load")
    load = ("--protocol", protocol, "--rate", "40/s", "--duration", "3s", "--connections", "4")
    where = (*place.options, "--load", "cluster", "--load-cpus", str(engines))
    for _ in range(BUSY_AT_MOST):
        done = tune("bench", f"{IRIS}@workers=1,cpu=500m", *load, *where, "--json", within_s=200)
        assert done.status in (0, 3), done.err
        if done.status == 0 or "lateness" not in done.out:
            break
    told = done.json
    assert told["trusted"], told["refused"]
    assert told["settings"]["protocol"] == protocol
    (start,) = told["starts"]
    assert "a pod on node" in start["load_from"]
    assert start["window"]["errors"] == {}
    server = [row for row in start["waterfall"]["rows"] if row["source"] == "server"]
    assert server, start["waterfall"]
    assert all(row["count"] == pytest.approx(len_of(start), rel=0.02) for row in server)
    assert place.left(tmp_path) == []


def len_of(start: dict[str, dict[str, int]]) -> int:
    return start["window"]["requests"]
