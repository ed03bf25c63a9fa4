"""Hypercorn."""

from __future__ import annotations

from tuner.manifests.servers.model import Port, Server, ServerKnob
from tuner.manifests.servers.ranges import processes
from tuner.space.model import Choices

HYPERCORN = Server(
    name="hypercorn",
    source="hypercorn.readthedocs.io: Configuration options",
    programs=("hypercorn",),
    protocol="http",
    http=Port(usual=8000, flags=("--bind", "-b")),
    metrics_path=None,
    path="/predict",
    knobs=(
        ServerKnob(
            name="workers",
            targets=("args/--workers", "args/-w"),
            domain=processes,
            meaning="processes (default 1)",
        ),
        ServerKnob(
            name="worker_class",
            targets=("args/--worker-class", "args/-k"),
            domain=Choices(values=("asyncio", "uvloop")),
            meaning="event loop: uvloop is C and must be installed in the image",
            proposed=False,
        ),
    ),
)
