"""Seldon Core's microservice, and the prepackaged servers that are such a microservice with a model in it."""

from __future__ import annotations

from tuner.manifests.servers.model import Port, Server, ServerKnob
from tuner.manifests.servers.ranges import processes, waiting_threads

SELDON_MICROSERVICE = Server(
    name="seldon-core microservice",
    source="docs.seldon.io, Scaling and server threading",
    programs=("seldon-core-microservice", "seldon_core.microservice"),
    images=("sklearnserver*", "xgboostserver*", "mlflowserver*"),
    known_as=("SKLEARN_SERVER", "XGBOOST_SERVER", "MLFLOW_SERVER"),
    variables=("PREDICTIVE_UNIT_*", "GUNICORN_WORKERS", "GUNICORN_THREADS"),
    protocol="seldon",
    http=Port(usual=9000, flags=("--http-port",), variables=("PREDICTIVE_UNIT_HTTP_SERVICE_PORT",)),
    grpc=Port(usual=5000, flags=("--grpc-port",), variables=("PREDICTIVE_UNIT_GRPC_SERVICE_PORT",)),
    metrics=Port(usual=None, flags=("--metrics-port",), variables=("PREDICTIVE_UNIT_METRICS_SERVICE_PORT",)),
    health="/health/status",
    knobs=(
        ServerKnob(
            name="workers",
            targets=("env/GUNICORN_WORKERS",),
            domain=processes,
            meaning="processes that answer REST requests (default 1)",
        ),
        ServerKnob(
            name="threads",
            targets=("env/GUNICORN_THREADS",),
            domain=waiting_threads,
            meaning="threads in each process; from 2 on, connections are kept",
        ),
        ServerKnob(
            name="grpc_workers",
            targets=("env/GRPC_WORKERS",),
            domain=processes,
            meaning="processes that answer gRPC requests (default 1); of use under gRPC load only",
            proposed=False,
        ),
        ServerKnob(
            name="grpc_threads",
            targets=("env/GRPC_THREADS",),
            domain=waiting_threads,
            meaning="threads in each gRPC process (default 1); of use under gRPC load only",
            proposed=False,
        ),
    ),
)
