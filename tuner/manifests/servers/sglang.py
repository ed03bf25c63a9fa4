"""SGLang."""

from __future__ import annotations

from tuner.manifests.servers.language_models import LATENCY_P99, REQUEST, TIMEOUT
from tuner.manifests.servers.model import ModelName, Port, Server, ServerKnob
from tuner.manifests.servers.ranges import devices, sequences, share, step_tokens
from tuner.space.model import Choices, FloatRange, IntRange

SGLANG = Server(
    name="SGLang",
    source="docs.sglang.ai: Server Arguments, Hyperparameter Tuning",
    programs=("sglang.launch_server", "sglang serve"),
    images=("sglang", "sglang-*"),
    protocol="openai",
    http=Port(usual=30000, flags=("--port",)),
    health="/health",
    model=ModelName(flags=("--served-model-name", "--model-path", "--model")),
    latency_p99=LATENCY_P99,
    timeout=TIMEOUT,
    request=REQUEST,
    knobs=(
        ServerKnob(
            name="sequences",
            targets=("args/--max-running-requests",),
            domain=sequences,
            meaning="most requests worked on at once: more for throughput, fewer for latency",
        ),
        ServerKnob(
            name="prefill_tokens",
            targets=("args/--chunked-prefill-size",),
            domain=step_tokens,
            meaning="tokens of a prompt taken in at once: small for time between tokens, large for time to the first",
        ),
        ServerKnob(
            name="gpu_memory",
            targets=("args/--mem-fraction-static",),
            domain=share(0.7, 0.9),
            meaning="share of the GPU's memory for weights and the key-value cache",
            gpu=True,
        ),
        ServerKnob(
            name="conservativeness",
            targets=("args/--schedule-conservativeness",),
            domain=FloatRange(low=0.3, high=1.3, step=0.1),
            meaning="how warily new requests are let in (default 1.0); below 1 while few are retracted",
            proposed=False,
        ),
        ServerKnob(
            name="tensor_parallel",
            targets=("args/--tp-size", "args/--tp", "args/--tensor-parallel-size"),
            domain=devices,
            meaning="GPUs that each layer is split over; must divide the model's attention heads, and the rest stay idle",
            by_hand=True,
            gpu=True,
        ),
        ServerKnob(
            name="stream_interval",
            targets=("args/--stream-interval",),
            domain=IntRange(low=1, high=16, log=True),
            meaning="tokens in one event of a stream: few for smoothness, many for throughput",
            only_set=True,
        ),
        ServerKnob(
            name="policy",
            targets=("args/--schedule-policy",),
            domain=Choices(values=("lpm", "fcfs")),
            meaning="which waiting request goes next: the one with most of its prompt in the cache, or the first",
            only_set=True,
        ),
    ),
)
