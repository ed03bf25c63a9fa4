"""Ray Serve. Replicas, concurrency and batches of an application are settings of its own configuration."""

from __future__ import annotations

from dataclasses import replace

from tuner.manifests.servers.language_models import LATENCY_P99, REQUEST, TIMEOUT
from tuner.manifests.servers.model import Port, Server, ServerKnob
from tuner.space.model import Choices

RAY_SERVE = Server(
    name="Ray Serve",
    source="docs.ray.io: Serve, HTTP guide, gRPC guide, performance tuning; python/ray/serve/_private/constants.py",
    programs=("serve run", "serve deploy", "serve start", "ray.serve.*"),
    images=("ray-llm*",),
    known_as=("RayService",),
    variables=("RAY_SERVE_DEFAULT_HTTP_*", "RAY_SERVE_THROUGHPUT_OPTIMIZED"),
    protocol="http",
    http=Port(usual=8000, flags=("--http-port",), variables=("RAY_SERVE_DEFAULT_HTTP_PORT",)),
    grpc=Port(usual=9000, flags=("--grpc-port",), variables=("RAY_SERVE_DEFAULT_GRPC_PORT",)),
    metrics=Port(usual=8080, flags=("--metrics-export-port",)),
    health="/-/healthz",
    path="/",
    knobs=(
        ServerKnob(
            name="throughput_optimized",
            targets=("env/RAY_SERVE_THROUGHPUT_OPTIMIZED",),
            domain=Choices(values=(0, 1)),
            meaning="1: no thread of its own for user code, and less logging; not for code that blocks, nor before Ray 2.51",
            proposed=False,
        ),
    ),
)

RAY_SERVE_LLM = replace(
    RAY_SERVE,
    name="Ray Serve LLM",
    source="docs.ray.io: Serve, LLM; what it gives its engine stands in the configuration of its application",
    programs=(),
    images=(),
    known_as=("ray.serve.llm",),
    variables=(),
    protocol="openai",
    path=None,
    latency_p99=LATENCY_P99,
    timeout=TIMEOUT,
    request=REQUEST,
)
