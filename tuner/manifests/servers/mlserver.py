"""MLServer, alone and as Seldon and KServe start it."""

from __future__ import annotations

from tuner.manifests.servers.model import ModelName, Port, Server, ServerKnob
from tuner.manifests.servers.ranges import processes_from_none
from tuner.space.model import Choices

MLSERVER = Server(
    name="MLServer",
    source="mlserver.readthedocs.io, Settings and Model settings",
    programs=("mlserver start",),
    images=("mlserver*",),
    known_as=("kserve-mlserver*", "mlserver"),
    variables=("MLSERVER_*",),
    protocol="v2",
    http=Port(usual=8080, variables=("MLSERVER_HTTP_PORT",)),
    grpc=Port(usual=8081, variables=("MLSERVER_GRPC_PORT",)),
    metrics=Port(usual=8082, variables=("MLSERVER_METRICS_PORT",)),
    health="/v2/health/ready",
    model=ModelName(variables=("MLSERVER_MODEL_NAME",)),
    knobs=(
        ServerKnob(
            name="parallel_workers",
            targets=("env/MLSERVER_PARALLEL_WORKERS",),
            domain=processes_from_none,
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
)
