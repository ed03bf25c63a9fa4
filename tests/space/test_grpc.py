"""What a search space says of gRPC."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.space.written import whole, written
from tuner.space.digest import input_digest
from tuner.space.model import SearchSpace


def space(folder: Path, protocol: str, *workload: str) -> SearchSpace:
    (folder / "echo.proto").touch()
    return whole(written(folder, f"protocol: {protocol}", "request: a.json", *workload))


def test_a_method_of_a_proto_file(tmp_path: Path) -> None:
    found = space(tmp_path, "grpc", "port: 5000", "method: test.Echo/Say", "proto: echo.proto")
    load = found.workload
    assert (load.protocol, load.method, load.proto) == ("grpc", "test.Echo/Say", str(tmp_path / "echo.proto"))
    assert (load.port, load.proto_where and load.proto_where.line) == (5000, 9)
    before = input_digest(found)
    (tmp_path / "echo.proto").write_text("other")
    assert input_digest(found) != before


@pytest.mark.parametrize("url", ["grpc://127.0.0.1:5000", "grpcs://echo.example"])
def test_a_method_that_a_server_tells(tmp_path: Path, url: str) -> None:
    load = space(tmp_path, "grpc", "method: /test.Echo/Say", f"proto: {url}/").workload
    assert (load.proto, load.port) == (url, None)


@pytest.mark.parametrize(("protocol", "key"), [("seldon-grpc", "port: grpc"), ("v2-grpc", "model: iris")])
def test_protocols_that_know_their_method(tmp_path: Path, protocol: str, key: str) -> None:
    load = space(tmp_path, protocol, key).workload
    assert load.protocol == protocol
    assert load.proto is None
    assert (load.port, load.model) in (("grpc", None), (None, "iris"))
