"""`tune bench` of a real server on a real cluster: gRPC to its pods, and what they tell of themselves meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.killed import Namespace
from tests.cli.tune import Tune
from tests.repository.checkout import ROOT

BUSY_AT_MOST = 4
"""Windows that a busy machine makes the generator late in are refused, and measured again."""
IRIS = ROOT / "search_spaces" / "iris"


def test_the_pods_are_called_and_asked_for_their_own_metrics(
    tune: Tune, place: Namespace, images: Callable[[str], str], tmp_path: Path
) -> None:
    images("iris")
    images("load")
    load = ("--protocol", "seldon-grpc", "--rate", "40/s", "--duration", "3s", "--connections", "4")
    where = (*place.options, "--load", "cluster", "--load-cpus", "2")
    for _ in range(BUSY_AT_MOST):
        done = tune("bench", f"{IRIS}@workers=1,cpu=500m", *load, *where, "--json", within_s=200)
        assert done.status in (0, 3), done.err
        if done.status == 0:
            break
    told = done.json
    assert told["trusted"], told["refused"]
    assert told["settings"]["protocol"] == "seldon-grpc"
    (start,) = told["starts"]
    assert "a pod on node" in start["load_from"]
    assert start["window"]["errors"] == {}
    # read from the pod, and told as what it is: this server counts requests only for a model that says so itself
    (note,) = start["waterfall"]["notes"]
    assert ":6000/metrics: tells no times of requests" in note
    assert place.left(tmp_path) == []
