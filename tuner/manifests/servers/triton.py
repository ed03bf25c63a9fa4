"""Triton Inference Server."""

from __future__ import annotations

from tuner.manifests.servers.model import Port, Server, ServerKnob
from tuner.manifests.servers.ranges import waiting_threads
from tuner.space.model import IntRange

TRITON = Server(
    name="Triton Inference Server",
    source="tritonserver --help; docs/user_guide of triton-inference-server/server",
    programs=("tritonserver",),
    images=("tritonserver*", "*-tritonserver"),
    known_as=("TRITON_SERVER", "kserve-tritonserver*", "triton", "tensorrt"),
    protocol="v2",
    http=Port(usual=8000, flags=("--http-port",)),
    grpc=Port(usual=8001, flags=("--grpc-port",)),
    metrics=Port(usual=8002, flags=("--metrics-port",)),
    health="/v2/health/ready",
    knobs=(
        ServerKnob(
            name="http_threads",
            targets=("args/--http-thread-count",),
            domain=waiting_threads,
            meaning="threads that handle HTTP requests (default 8)",
        ),
        ServerKnob(
            name="buffer_threads",
            targets=("args/--buffer-manager-thread-count",),
            domain=IntRange(low=0, high=8),
            meaning="threads that gather inputs and scatter outputs of batches (default 0)",
        ),
    ),
)
