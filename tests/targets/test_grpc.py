"""Commands pointed at a gRPC server by its URL."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.load.grpc_servers import PROTO, GrpcServer
from tuner.errors import InputError
from tuner.load.model import LoadWindow
from tuner.targets.model import TargetOptions
from tuner.targets.named import system

STAGE = LoadWindow(arrival="constant", rate_rps=100, duration_s=0.2, connections=2)


@pytest.fixture
def options(tmp_path: Path) -> TargetOptions:
    body = tmp_path / "say.json"
    body.write_text('{"text": "hello"}')
    return TargetOptions(bodies=(body,))


@pytest.mark.parametrize("proto", [None, str(PROTO)])
def test_a_method_of_a_server_that_runs(options: TargetOptions, proto: str | None) -> None:
    with GrpcServer(reflects=proto is None) as server:
        target = system(f"{server.url}/test.Echo/Say", options=replace(options, proto=proto))
        with target.serve(lambda _: None) as served:
            samples = served.generator.run(STAGE)
    assert (target.workload.protocol, target.workload.method) == ("grpc", "test.Echo/Say")
    assert (samples.status == 200).all()


@pytest.mark.parametrize(
    ("path", "changed", "words"),
    [
        ("", {}, "--method"),
        ("/test.Echo/Shout", {}, "use one of Say"),
        ("/test.Echo/Stream", {}, "streaming method"),
        ("/test.Echo/Say", {"proto": "nowhere.proto"}, "nowhere.proto: cannot be read"),
        ("", {"protocol": "v2-grpc"}, "--model"),
        ("", {"protocol": "seldon-grpc"}, "exactly one of data"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_sent(
    options: TargetOptions, path: str, changed: dict[str, str], words: str
) -> None:
    given = replace(options, **{"proto": str(PROTO), **changed})
    with pytest.raises(InputError, match=words):
        system(f"grpc://127.0.0.1:1{path}", options=given)
