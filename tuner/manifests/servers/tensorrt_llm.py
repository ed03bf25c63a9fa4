"""TensorRT-LLM's own server, `trtllm-serve`."""

from __future__ import annotations

from tuner.manifests.servers.language_models import LATENCY_P99, REQUEST, TIMEOUT
from tuner.manifests.servers.model import ModelName, Port, Server, ServerKnob
from tuner.manifests.servers.ranges import devices, sequences, share, step_tokens
from tuner.space.model import IntRange

TENSORRT_LLM = Server(
    name="TensorRT-LLM",
    source="nvidia.github.io/TensorRT-LLM: trtllm-serve",
    programs=("trtllm-serve serve", "trtllm-serve"),
    images=("tensorrt-llm/release",),
    protocol="openai",
    http=Port(usual=8000, flags=("--port",)),
    metrics_path=None,
    health="/health",
    model=ModelName(flags=("--served_model_name",), positional=True),
    latency_p99=LATENCY_P99,
    timeout=TIMEOUT,
    request=REQUEST,
    knobs=(
        ServerKnob(
            name="sequences",
            targets=("args/--max_batch_size",),
            domain=sequences,
            meaning="most requests in one batch: more for throughput, fewer for latency",
        ),
        ServerKnob(
            name="batched_tokens",
            targets=("args/--max_num_tokens",),
            domain=step_tokens,
            meaning="most tokens in one step: small for time between tokens, large for time to the first",
        ),
        ServerKnob(
            name="gpu_memory",
            targets=("args/--kv_cache_free_gpu_memory_fraction", "args/--free_gpu_memory_fraction"),
            domain=share(0.7, 0.95),
            meaning="share of the GPU's memory, that the model leaves free, for the key-value cache (default 0.9)",
        ),
        ServerKnob(
            name="postprocessors",
            targets=("args/--num_postprocess_workers",),
            domain=IntRange(low=0, high=4),
            meaning="processes that turn tokens into text; 0: the server's own",
            proposed=False,
        ),
        ServerKnob(
            name="tensor_parallel",
            targets=("args/--tp_size",),
            domain=devices,
            meaning="GPUs that each layer is split over; must divide the model's attention heads, and the rest stay idle",
            by_hand=True,
            gpu=True,
        ),
    ),
)
