"""uvicorn."""

from __future__ import annotations

from tuner.manifests.servers.model import Port, Server, ServerKnob
from tuner.manifests.servers.ranges import processes
from tuner.space.model import Choices

UVICORN = Server(
    name="uvicorn",
    source="uvicorn.dev, Settings",
    programs=("uvicorn",),
    protocol="http",
    http=Port(usual=8000, flags=("--port",), variables=("UVICORN_PORT",)),
    metrics_path=None,
    path="/predict",
    knobs=(
        ServerKnob(
            name="workers",
            targets=("args/--workers", "env/WEB_CONCURRENCY"),
            domain=processes,
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
)
