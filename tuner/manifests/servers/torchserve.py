"""TorchServe."""

from __future__ import annotations

from tuner.manifests.servers.model import ModelName, Port, Server, ServerKnob
from tuner.manifests.servers.ranges import copies, waiting_threads
from tuner.space.model import Choices

TORCHSERVE = Server(
    name="TorchServe",
    source="pytorch.org/serve, Advanced configuration",
    programs=("torchserve",),
    images=("torchserve*", "torchserve-kfs*"),
    known_as=("kserve-torchserve*", "pytorch"),
    variables=("TS_NUMBER_OF_NETTY_THREADS", "TS_JOB_QUEUE_SIZE", "TS_DEFAULT_WORKERS_PER_MODEL"),
    protocol="http",
    http=Port(usual=8080, variables=("TS_INFERENCE_ADDRESS",)),
    grpc=Port(usual=7070, variables=("TS_GRPC_INFERENCE_PORT",)),
    metrics=Port(usual=8082, variables=("TS_METRICS_ADDRESS",)),
    health="/ping",
    path="/predictions/MODEL",
    model=ModelName(flags=("--models",)),
    knobs=(
        ServerKnob(
            name="model_workers",
            targets=("env/TS_DEFAULT_WORKERS_PER_MODEL",),
            domain=copies,
            meaning="processes for each model; read only with enable_envvars_config=true in config.properties",
        ),
        ServerKnob(
            name="netty_threads",
            targets=("env/TS_NUMBER_OF_NETTY_THREADS",),
            domain=waiting_threads,
            meaning="threads of the front end (default: CPUs)",
        ),
        ServerKnob(
            name="queue",
            targets=("env/TS_JOB_QUEUE_SIZE",),
            domain=Choices(values=(10, 100, 1000)),
            meaning="requests that may wait for a worker (default 100); more only helps bursts",
            proposed=False,
        ),
    ),
)
