"""gunicorn."""

from __future__ import annotations

from tuner.manifests.servers.model import Port, Server, ServerKnob
from tuner.manifests.servers.ranges import processes, waiting_threads

GUNICORN = Server(
    name="gunicorn",
    source="docs.gunicorn.org, Settings",
    programs=("gunicorn",),
    protocol="http",
    http=Port(usual=8000, flags=("--bind", "-b"), variables=("PORT",)),
    metrics_path=None,
    path="/predict",
    more_flags=("GUNICORN_CMD_ARGS",),
    knobs=(
        ServerKnob(
            name="workers",
            targets=("args/--workers", "args/-w", "env/WEB_CONCURRENCY"),
            domain=processes,
            meaning="processes (default 1, or $WEB_CONCURRENCY)",
        ),
        ServerKnob(
            name="threads",
            targets=("args/--threads",),
            domain=waiting_threads,
            meaning="threads in each process (default 1)",
        ),
    ),
)
