"""ONNX Runtime Server."""

from __future__ import annotations

from tuner.manifests.servers.model import ModelName, Port, Server, ServerKnob
from tuner.manifests.servers.ranges import computing_threads, waiting_threads

ONNX_RUNTIME_SERVER = Server(
    name="ONNX Runtime Server",
    source="github.com/microsoft/onnxruntime (until 1.4): docs/ONNX_Runtime_Server_Usage.md",
    programs=("onnxruntime_server",),
    images=("onnxruntime/server*", "onnxruntime-server*"),
    protocol="http",
    http=Port(usual=8001, flags=("--http_port",)),
    grpc=Port(usual=50051, flags=("--grpc_port",)),
    metrics_path=None,
    path="/v1/models/MODEL/versions/1:predict",
    model=ModelName(flags=("--model_name",), usual="default"),
    takes_args=True,
    knobs=(
        ServerKnob(
            name="http_threads",
            targets=("args/--num_http_threads",),
            domain=waiting_threads,
            meaning="threads that handle HTTP requests (default: CPUs)",
        ),
        ServerKnob(
            name="omp_num_threads",
            targets=("env/OMP_NUM_THREADS",),
            domain=computing_threads,
            meaning="threads of one prediction, of a build with OpenMP; by default one for each CPU of the node",
            gpu=False,
        ),
    ),
)
