"""gRPC and REST of real model servers: seldon-core-microservice, and MLServer where it is installed."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.load.control.test_scrape import doubler, needs_seldon
from tests.load.sending import constant, run, statuses
from tests.servers.mlserver import needs_mlserver, twice
from tests.servers.pods import deployment_of, pods_of, toy_space
from tuner.backends.process import ProcessBackend
from tuner.load.control.exchange import exchange
from tuner.load.control.smoke import smoke
from tuner.load.model import Target
from tuner.load.protocols import protocol
from tuner.load.protocols.descriptors import compiled
from tuner.load.protocols.grpc_method import GrpcMethod
from tuner.manifests.model import Container, PodSet
from tuner.measure.status import word
from tuner.space.model import LocalImage
from tuner.workload.answers import same_answer

DOUBLER = """
class Doubler:
    def predict(self, X, names=None, meta=None):
        if X[0][0] < 0:
            raise ValueError("a number below zero")
        return 2 * X
"""
READY = """
syntax = "proto3";
package inference;
service GRPCInferenceService { rpc ModelReady(ModelReadyRequest) returns (ModelReadyResponse); }
message ModelReadyRequest { string name = 1; }
message ModelReadyResponse { bool ready = 1; }
"""
TENSORS = {
    "inputs": [
        {"name": "a", "shape": [2, 2], "datatype": "FP32", "data": [[1.5, 2], [3, 4]]},
        {"name": "b", "shape": [3], "datatype": "INT64", "data": [1, 2, 3]},
    ]
}


@contextmanager
def served(folder: Path, image: LocalImage, container: Container, pods: PodSet) -> Iterator[dict[str, str]]:
    """The addresses of its REST and gRPC ports."""
    urls = {}
    with ProcessBackend(toy_space(image, overcommit=True), folder / "state").deploy(deployment_of(pods)) as running:
        running.wait_ready(100)
        urls["grpc"] = running.endpoint.urls[0]
        rest = running._containers[0].launch.ports[pods.port]
        urls["rest"] = f"http://127.0.0.1:{rest}"
        yield urls


@needs_seldon
def test_seldon_answers_the_same_by_rest_and_grpc(tmp_path: Path) -> None:
    image, container = doubler(tmp_path, DOUBLER, GRPC_WORKERS="1")
    rest, grpc = protocol("seldon"), protocol("seldon-grpc")
    bodies = [
        {"data": {"names": ["a", "b"], "ndarray": [[1, 2.5]]}},
        {"data": {"tensor": {"shape": [1, 2], "values": [1, 2.5]}}},
    ]
    with served(tmp_path, image, container, replace(pods_of(container), load=5000)) as urls:
        for body in (json.dumps(each).encode() for each in bodies):
            by_rest = smoke(urls["rest"], rest.encode(body), rest, 5.0, exchange)
            by_grpc = smoke(urls["grpc"], grpc.encode(body), grpc, 5.0, exchange)
            assert same_answer(by_rest, by_grpc)
            assert not same_answer(by_rest, json.loads(body))
        drawn = replace(
            rest.encode(json.dumps(bodies[0]).encode()),
            template=b'{"data": {"ndarray": [[{{float 0 1}}, {{int 0 9}}]]}}',
        )
        held = {"paths": [{"path": "$.data.ndarray[0][1]"}], "schema": {"required": ["data", "meta"]}}
        (varied,) = run(
            Target(urls=(urls["rest"],), protocol="seldon", requests=(drawn,), options={"check": json.dumps(held)}),
            constant(rate=100),
        )
        request = grpc.encode(json.dumps(bodies[0]).encode())
        (samples,) = run(Target(urls=(urls["grpc"],), protocol="seldon-grpc", requests=(request,)), constant(rate=100))
        below = grpc.encode(b'{"data": {"ndarray": [[-1, 0]]}}')
        refused = exchange(urls["grpc"], below, 5.0)
        (failed,) = run(Target(urls=(urls["grpc"],), protocol="seldon-grpc", requests=(below,)), constant(rate=100))
    assert statuses(varied) == statuses(samples) == {200: 25}
    assert grpc.check(refused.status, refused.body) is not None
    assert 200 not in statuses(failed)
    assert {word(status) for status in statuses(failed)} == {word(refused.status)}


@needs_mlserver
def test_mlserver_answers_the_same_by_rest_and_grpc(tmp_path: Path) -> None:
    image, container = twice(tmp_path, grpc=8081)
    rest, grpc = protocol("v2", {"model": "twice"}), protocol("v2-grpc", {"model": "twice"})
    body = json.dumps(TENSORS).encode()
    asked = tmp_path / "ready.proto"
    asked.write_text(READY)
    with served(tmp_path, image, container, replace(pods_of(container), port=8080, load=8081)) as urls:
        by_rest = smoke(urls["rest"], rest.encode(body), rest, 5.0, exchange)
        by_grpc = smoke(urls["grpc"], grpc.encode(body), grpc, 5.0, exchange)
        target = Target(urls=(urls["grpc"],), protocol="v2-grpc", requests=(grpc.encode(body),))
        (samples,) = run(target, constant(rate=100))
        missing = protocol("v2-grpc", {"model": "thrice"}).encode(body)
        unknown = exchange(urls["grpc"], missing, 5.0)
        method = {
            "method": "inference.GRPCInferenceService/ModelReady",
            "descriptors": b64encode(compiled(asked)).decode(),
        }
        ready = GrpcMethod(method)
        is_ready = smoke(urls["grpc"], ready.encode(b'{"name": "twice"}'), ready, 5.0, exchange)
    assert same_answer(by_rest, by_grpc)
    assert by_grpc["outputs"][0]["data"] == [3.0, 4.0, 6.0, 8.0]  # type: ignore[index]
    assert is_ready == {"ready": True}
    assert statuses(samples) == {200: 25}
    assert word(unknown.status).startswith("grpc ")
    assert "thrice" in str(grpc.check(unknown.status, unknown.body))
