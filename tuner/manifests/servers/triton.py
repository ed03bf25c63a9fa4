"""Triton Inference Server."""

from __future__ import annotations

from tuner.manifests.servers.model import ModelName, Port, Server, ServerKnob
from tuner.manifests.servers.ranges import waiting_threads
from tuner.space.model import Choices, IntRange

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
    model=ModelName(flags=("--load-model",)),
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
        ServerKnob(
            name="batch_size",
            targets=("args/--backend-config",),
            domain=Choices(values=tuple(f"default-max-batch-size={size}" for size in (0, 4, 8, 16, 32))),
            meaning="batches of models whose configuration leaves them open; what config.pbtxt says stays, and "
            "instance groups can be set nowhere else",
            proposed=False,
            unless=("--backend-config=*,*",),
        ),
        ServerKnob(
            name="grpc_pool",
            targets=("args/--grpc-infer-allocation-pool-size",),
            domain=Choices(values=(8, 32, 128)),
            meaning="gRPC requests whose memory is kept for the next (default 8); of use under gRPC load only",
            proposed=False,
        ),
        ServerKnob(
            name="pinned_memory",
            targets=("args/--pinned-memory-pool-byte-size",),
            domain=Choices(values=tuple(size << 20 for size in (64, 256, 1024))),
            meaning="bytes of memory that is copied to and from the GPU fast (default 256 MiB)",
            proposed=False,
            gpu=True,
        ),
    ),
)
