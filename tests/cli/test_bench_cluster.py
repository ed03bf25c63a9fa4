"""`tune bench` of a real server on a real cluster: gRPC to its pods, and what they tell of themselves meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.cli.killed import Namespace
from tests.cli.tune import Tune
from tests.repository.checkout import ROOT

IRIS = ROOT / "search_spaces" / "iris"
SLOW = """\
import time

from IrisClassifier import IrisClassifier


class Slow(IrisClassifier):
    def predict(self, *arguments, **others):
        time.sleep(0.3)
        return super().predict(*arguments, **others)
"""
"""Takes so long that a generator which waits for a busy machine's CPU is late by little of it. The server is the same."""


def slow_iris(folder: Path) -> Path:
    """The iris search space, its microservice serving SLOW."""
    shutil.copytree(IRIS, folder)
    file = folder / "deployment.yaml"
    image = "          image: iris-classifier:0.1.0"
    serve = "exec seldon-core-microservice Slow --service-type MODEL --grpc-threads 20"
    lines = ["command: [sh, -c]", "args:", "  - |", "    cat >/tmp/Slow.py <<'END'", *SLOW.splitlines(), "END"]
    lines[4:] = [f"    {line}" for line in [*lines[4:], f"PYTHONPATH=/tmp:/model {serve}"]]
    added = "".join(f"          {line}".rstrip() + "\n" for line in lines)
    text = file.read_text()
    assert text.count(image) == 1
    file.write_text(text.replace(image, added + image))
    return folder


def test_the_pods_are_called_and_asked_for_their_own_metrics(
    tune: Tune, place: Namespace, images: Callable[[str], str], tmp_path: Path
) -> None:
    images("iris")
    images("load")
    space = slow_iris(tmp_path / "slow")
    load = ("--protocol", "seldon-grpc", "--rate", "15/s", "--duration", "3s", "--slo", "latency_p90 <= 3s")
    where = (*place.options, "--load", "cluster", "--load-cpus", "2")
    done = tune("bench", f"{space}@workers=1,cpu=500m", *load, *where, "--json", within_s=400)
    told = done.json
    assert done.status == 0, (told["refused"], told["slo"], done.err)
    assert told["trusted"]
    assert told["settings"]["protocol"] == "seldon-grpc"
    (start,) = told["starts"]
    assert "a pod on node" in start["load_from"]
    assert start["window"]["errors"] == {}
    # read from the pod, and told as what it is: this server counts requests only for a model that says so itself
    (note,) = start["waterfall"]["notes"]
    assert ":6000/metrics: tells no times of requests" in note
    assert place.left(tmp_path) == []
