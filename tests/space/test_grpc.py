"""What a search space says of gRPC."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.space.digest import input_digest
from tuner.space.file.read import read
from tuner.space.model import SearchSpace

SPACE = """\
name: echo
manifest: deployment.yaml
parameters:
  workers: {int: [1, 4], set: env/WORKERS}
workload:
  request: say.json
WORKLOAD
slo: {latency_p99: 100ms}
objectives: {throughput: maximize}
budget: {trials: 20}
"""


def space(folder: Path, workload: str) -> SearchSpace:
    for name in ("deployment.yaml", "say.json", "echo.proto"):
        (folder / name).write_text("{}")
    (folder / "space.yaml").write_text(SPACE.replace("WORKLOAD", workload))
    found, problems = read(folder)
    assert problems == ()
    assert found is not None
    return found


def test_a_method_of_a_proto_file(tmp_path: Path) -> None:
    found = space(tmp_path, "  protocol: grpc\n  method: test.Echo/Say\n  proto: echo.proto\n  port: 5000\n")
    load = found.workload
    assert (load.protocol, load.method, load.proto) == ("grpc", "test.Echo/Say", str(tmp_path / "echo.proto"))
    assert (load.port, load.proto_where and load.proto_where.line) == (5000, 9)
    before = input_digest(found)
    (tmp_path / "echo.proto").write_text("other")
    assert input_digest(found) != before


@pytest.mark.parametrize("url", ["grpc://127.0.0.1:5000", "grpcs://echo.example"])
def test_a_method_that_a_server_tells(tmp_path: Path, url: str) -> None:
    load = space(tmp_path, f"  protocol: grpc\n  method: /test.Echo/Say\n  proto: {url}/\n").workload
    assert (load.proto, load.port) == (url, None)


@pytest.mark.parametrize("workload", ["  protocol: seldon-grpc\n  port: grpc", "  protocol: v2-grpc\n  model: iris"])
def test_protocols_that_know_their_method(tmp_path: Path, workload: str) -> None:
    load = space(tmp_path, workload).workload
    assert load.protocol in workload
    assert load.proto is None
    assert (load.port, load.model) in (("grpc", None), (None, "iris"))
