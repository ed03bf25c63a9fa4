"""LitServe. Its settings are arguments in the user's own code: what can be varied is what that code reads."""

from __future__ import annotations

from types import MappingProxyType

from tuner.manifests.servers.model import Port, Server, ServerKnob
from tuner.manifests.servers.ranges import copies, processes
from tuner.space.model import Choices

LITSERVE = Server(
    name="LitServe",
    source="lightning.ai/docs/litserve: LitServer, LitAPI",
    programs=("litserve*",),
    images=("litserve*", "*-litserve"),
    variables=("LIT_SERVER_API_KEY",),
    protocol="http",
    http=Port(usual=8000, flags=("--port",), variables=("PORT",)),
    health="/health",
    path="/predict",
    request=MappingProxyType({"input": 4.0}),
    knobs=(
        ServerKnob(
            name="workers_per_device",
            targets=("env/WORKERS_PER_DEVICE", "args/--workers_per_device"),
            domain=copies,
            meaning="copies of the model on each device, if the code reads it",
            only_set=True,
        ),
        ServerKnob(
            name="batch_size",
            targets=("env/MAX_BATCH_SIZE", "args/--max_batch_size"),
            domain=Choices(values=(1, 4, 16, 64)),
            meaning="most requests in one batch, if the code reads it",
            only_set=True,
        ),
        ServerKnob(
            name="batch_timeout",
            targets=("env/BATCH_TIMEOUT", "args/--batch_timeout"),
            domain=Choices(values=(0.0, 0.005, 0.02, 0.05)),
            meaning="seconds a batch waits to fill, if the code reads it",
            only_set=True,
        ),
        ServerKnob(
            name="api_servers",
            targets=("env/NUM_API_SERVERS", "args/--num_api_servers"),
            domain=processes,
            meaning="processes that take requests, if the code reads it",
            only_set=True,
        ),
    ),
)
