"""The model servers that `survey` recognizes and their knobs: data, from each server's own documentation.

Seldon Core: docs.seldon.io, "Scaling and server threading"; gunicorn: docs.gunicorn.org, "Settings"; uvicorn:
uvicorn.dev, "Settings"; MLServer: mlserver.readthedocs.io, "Settings" and "Model settings"; Triton: `tritonserver
--help`; TorchServe: pytorch.org/serve, "Advanced configuration"; TensorFlow Serving: `tensorflow_model_server --help`;
vLLM: docs.vllm.ai, "Engine arguments".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from tuner.space.model import Choices, Domain, FloatRange, IntRange


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKnob:
    """`targets`: the addresses it can be set on, the usual one first; one of them is proposed."""

    name: str
    targets: tuple[str, ...]
    domain: Domain
    meaning: str
    proposed: bool = True
    """False: written as a comment, since it helps only under a condition that `meaning` states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    name: str
    signs: re.Pattern[str]
    """Found in the image, the command, the arguments, the names of env variables or the runtime."""
    protocol: Literal["seldon", "v2", "tensorflow", "http"]
    knobs: tuple[ServerKnob, ...]
    path: str | None = None
    model_names: tuple[str, ...] = ()
    """Addresses where the name of the model may stand."""
    takes_args: bool = False
    """The image's entry point takes arguments: they may be given where the manifest has none."""
    latency_p99: str = "100ms"
    timeout: str | None = None
    metrics_port: int | None = None
    """Where it tells its metrics unless it is told otherwise, at /metrics; None: where it serves, or nowhere."""
    request: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """A request body; empty: the protocol's usual one."""


def _threads(name: str, target: str, meaning: str, *, most: int = 16) -> ServerKnob:
    return ServerKnob(name=name, targets=(target,), domain=IntRange(low=1, high=most, log=True), meaning=meaning)


SERVERS: tuple[Server, ...] = (
    Server(
        name="vLLM",
        signs=re.compile(r"vllm"),
        protocol="http",
        path="/v1/completions",
        model_names=("args/--served-model-name", "args/--model"),
        takes_args=True,
        latency_p99="10s",
        timeout="60s",
        request=MappingProxyType({"model": "MODEL", "prompt": "Once upon a time", "max_tokens": 64, "temperature": 0}),
        knobs=(
            ServerKnob(
                name="sequences",
                targets=("args/--max-num-seqs",),
                domain=IntRange(low=16, high=512, log=True),
                meaning="most sequences in one batch: more for throughput, fewer for latency",
            ),
            ServerKnob(
                name="batched_tokens",
                targets=("args/--max-num-batched-tokens",),
                domain=Choices(values=(2048, 4096, 8192, 16384)),
                meaning="most tokens in one step: small for time between tokens, large for time to the first",
            ),
            ServerKnob(
                name="gpu_memory",
                targets=("args/--gpu-memory-utilization",),
                domain=FloatRange(low=0.7, high=0.95, step=0.05),
                meaning="share of the GPU's memory for weights and the key-value cache (default 0.9)",
            ),
        ),
    ),
    Server(
        name="Triton Inference Server",
        metrics_port=8002,
        signs=re.compile(r"tritonserver|kserve-tritonserver"),
        protocol="v2",
        knobs=(
            _threads(
                "http_threads", "args/--http-thread-count", "threads that handle HTTP requests (default 8)", most=32
            ),
            ServerKnob(
                name="buffer_threads",
                targets=("args/--buffer-manager-thread-count",),
                domain=IntRange(low=0, high=8),
                meaning="threads that gather inputs and scatter outputs of batches (default 0)",
            ),
        ),
    ),
    Server(
        name="MLServer",
        metrics_port=8082,
        signs=re.compile(r"mlserver", re.IGNORECASE),
        protocol="v2",
        model_names=("env/MLSERVER_MODEL_NAME",),
        knobs=(
            ServerKnob(
                name="parallel_workers",
                targets=("env/MLSERVER_PARALLEL_WORKERS",),
                domain=IntRange(low=0, high=4),
                meaning="processes that run inference beside the server; 0: the server's own (default 1)",
            ),
            ServerKnob(
                name="batch_size",
                targets=("env/MLSERVER_MODEL_MAX_BATCH_SIZE",),
                domain=Choices(values=(1, 4, 16, 64)),
                meaning="most requests joined into one batch; takes effect only with a batch time above 0",
                proposed=False,
            ),
            ServerKnob(
                name="batch_time",
                targets=("env/MLSERVER_MODEL_MAX_BATCH_TIME",),
                domain=Choices(values=(0.001, 0.005, 0.02)),
                meaning="seconds a batch waits to fill; takes effect only with a batch size above 1",
                proposed=False,
            ),
        ),
    ),
    Server(
        name="TorchServe",
        signs=re.compile(r"torchserve"),
        protocol="http",
        path="/predictions/MODEL",
        knobs=(
            ServerKnob(
                name="model_workers",
                targets=("env/TS_DEFAULT_WORKERS_PER_MODEL",),
                domain=IntRange(low=1, high=4),
                meaning="processes for each model; read only with enable_envvars_config=true in config.properties",
            ),
            _threads("netty_threads", "env/TS_NUMBER_OF_NETTY_THREADS", "threads of the front end (default: CPUs)"),
            ServerKnob(
                name="queue",
                targets=("env/TS_JOB_QUEUE_SIZE",),
                domain=Choices(values=(10, 100, 1000)),
                meaning="requests that may wait for a worker (default 100); more only helps bursts",
                proposed=False,
            ),
        ),
    ),
    Server(
        name="TensorFlow Serving",
        signs=re.compile(r"tensorflow/serving|tensorflow_model_server"),
        protocol="tensorflow",
        model_names=("args/--model_name", "env/MODEL_NAME"),
        takes_args=True,
        knobs=(
            _threads(
                "inter_op",
                "args/--tensorflow_inter_op_parallelism",
                "operations run at once, over all requests (default: CPUs)",
            ),
            _threads(
                "intra_op", "args/--tensorflow_intra_op_parallelism", "threads within one operation (default: CPUs)"
            ),
            _threads(
                "rest_threads",
                "args/--rest_api_num_threads",
                "threads that handle REST requests (default: 4 a CPU)",
                most=64,
            ),
            ServerKnob(
                name="batching",
                targets=("args/--enable_batching",),
                domain=Choices(values=(False, True)),
                meaning="join requests into batches; pays only with --batching_parameters_file",
                proposed=False,
            ),
        ),
    ),
    Server(
        name="seldon-core microservice",
        signs=re.compile(r"seldon-core-microservice|seldonio/|PREDICTIVE_UNIT_|GUNICORN_WORKERS|GUNICORN_THREADS"),
        protocol="seldon",
        knobs=(
            ServerKnob(
                name="workers",
                targets=("env/GUNICORN_WORKERS",),
                domain=IntRange(low=1, high=4),
                meaning="processes that answer REST requests (default 1)",
            ),
            _threads(
                "threads", "env/GUNICORN_THREADS", "threads in each process; from 2 on, connections are kept", most=8
            ),
            ServerKnob(
                name="grpc_workers",
                targets=("env/GRPC_WORKERS",),
                domain=IntRange(low=1, high=4),
                meaning="processes that answer gRPC requests (default 1); of use under gRPC load only",
                proposed=False,
            ),
            ServerKnob(
                name="grpc_threads",
                targets=("env/GRPC_THREADS",),
                domain=IntRange(low=1, high=8, log=True),
                meaning="threads in each gRPC process (default 1); of use under gRPC load only",
                proposed=False,
            ),
        ),
    ),
    Server(
        name="gunicorn",
        signs=re.compile(r"gunicorn"),
        protocol="http",
        path="/predict",
        knobs=(
            ServerKnob(
                name="workers",
                targets=("args/--workers", "args/-w", "env/WEB_CONCURRENCY"),
                domain=IntRange(low=1, high=4),
                meaning="processes (default 1, or $WEB_CONCURRENCY)",
            ),
            _threads("threads", "args/--threads", "threads in each process (default 1)", most=8),
        ),
    ),
    Server(
        name="uvicorn",
        signs=re.compile(r"uvicorn"),
        protocol="http",
        path="/predict",
        knobs=(
            ServerKnob(
                name="workers",
                targets=("args/--workers", "env/WEB_CONCURRENCY"),
                domain=IntRange(low=1, high=4),
                meaning="processes (default 1, or $WEB_CONCURRENCY)",
            ),
            ServerKnob(
                name="http_parser",
                targets=("args/--http",),
                domain=Choices(values=("h11", "httptools")),
                meaning="parser of HTTP: h11 is Python, httptools is C and must be installed in the image",
                proposed=False,
            ),
        ),
    ),
)

LIBRARIES: tuple[ServerKnob, ...] = tuple(
    _threads(name.lower(), f"env/{name}", meaning)
    for name, meaning in (
        ("OMP_NUM_THREADS", "threads of OpenMP; by default one for each CPU of the node, whatever the limit"),
        ("MKL_NUM_THREADS", "threads of Intel MKL; by default those of OpenMP"),
        ("OPENBLAS_NUM_THREADS", "threads of OpenBLAS; by default one for each CPU of the node"),
        ("TF_NUM_INTRAOP_THREADS", "threads within one TensorFlow operation"),
        ("TF_NUM_INTEROP_THREADS", "TensorFlow operations run at once"),
    )
)
"""Thread counts of numeric libraries, proposed where the manifest sets them."""

SAMPLE_REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "seldon": {"data": {"ndarray": [[5.1, 3.5, 1.4, 0.2]]}},
    "v2": {"inputs": [{"name": "input-0", "shape": [1, 4], "datatype": "FP32", "data": [5.1, 3.5, 1.4, 0.2]}]},
    "tensorflow": {"instances": [[5.1, 3.5, 1.4, 0.2]]},
    "http": {"instances": [[5.1, 3.5, 1.4, 0.2]]},
}


def recognize(text: str) -> Server | None:
    """The server that a container's image, command, arguments and env names speak of; more telling signs first."""
    return next((server for server in SERVERS if server.signs.search(text)), None)
