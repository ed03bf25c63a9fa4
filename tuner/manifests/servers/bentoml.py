"""BentoML."""

from __future__ import annotations

from tuner.manifests.servers.model import Port, Server, ServerKnob
from tuner.manifests.servers.ranges import processes

BENTOML = Server(
    name="BentoML",
    source="docs.bentoml.com: CLI reference, bentoml serve",
    programs=("bentoml serve*",),
    images=("bentoml-*",),
    variables=("BENTOML_CONFIG*", "BENTOML_HOME", "BENTOML_PORT"),
    protocol="http",
    http=Port(usual=3000, flags=("--port", "-p"), variables=("BENTOML_PORT", "PORT")),
    health="/readyz",
    path="/predict",
    knobs=(
        ServerKnob(
            name="api_workers",
            targets=("args/--api-workers", "env/BENTOML_API_WORKERS"),
            domain=processes,
            meaning="processes that take requests (default: one for each core), before BentoML 1.2; "
            "since then a service's `workers` are in its code",
            proposed=False,
        ),
    ),
)
