"""OpenVINO Model Server."""

from __future__ import annotations

from tuner.manifests.servers.model import ModelName, Port, Server, ServerKnob
from tuner.manifests.servers.ranges import copies, waiting_threads

OPENVINO = Server(
    name="OpenVINO Model Server",
    source="docs.openvino.ai: Model Server Parameters",
    programs=("ovms",),
    images=("openvino/model_server*", "model_server-gpu"),
    known_as=("kserve-openvino*", "openvino", "openvino_ir"),
    protocol="v2",
    http=Port(usual=None, flags=("--rest_port",)),
    grpc=Port(usual=9178, flags=("--port",)),
    health="/v2/health/ready",
    model=ModelName(flags=("--model_name",)),
    takes_args=True,
    knobs=(
        ServerKnob(
            name="infer_requests",
            targets=("args/--nireq",),
            domain=copies,
            meaning="inferences in flight at once; left out, what the device reckons is best",
        ),
        ServerKnob(
            name="rest_workers",
            targets=("args/--rest_workers",),
            domain=waiting_threads,
            meaning="threads that handle REST requests",
        ),
    ),
)
