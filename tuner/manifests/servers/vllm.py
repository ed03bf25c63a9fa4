"""vLLM."""

from __future__ import annotations

from tuner.manifests.servers.language_models import LATENCY_P99, REQUEST, TIMEOUT
from tuner.manifests.servers.model import ModelName, Port, Server, ServerKnob
from tuner.manifests.servers.ranges import cache_gib, devices, processes, sequences, share, step_tokens
from tuner.space.model import Choices

ENGINE_KNOBS = (
    ServerKnob(
        name="sequences",
        targets=("args/--max-num-seqs",),
        domain=sequences,
        meaning="most sequences in one batch: more for throughput, fewer for latency",
    ),
    ServerKnob(
        name="batched_tokens",
        targets=("args/--max-num-batched-tokens",),
        domain=step_tokens,
        meaning="most tokens in one step: small for time between tokens, large for time to the first",
    ),
    ServerKnob(
        name="gpu_memory",
        targets=("args/--gpu-memory-utilization",),
        domain=share(0.7, 0.95),
        meaning="share of the GPU's memory for weights and the key-value cache (default 0.9)",
        gpu=True,
    ),
    ServerKnob(
        name="cpu_cache",
        targets=("env/VLLM_CPU_KVCACHE_SPACE",),
        domain=cache_gib,
        meaning="GiB of memory for the key-value cache, of the build for CPUs",
        gpu=False,
        only_set=True,
    ),
    ServerKnob(
        name="tensor_parallel",
        targets=("args/--tensor-parallel-size", "args/-tp"),
        domain=devices,
        meaning="GPUs that each layer is split over; must divide the model's attention heads, and the rest stay idle",
        by_hand=True,
        gpu=True,
    ),
    ServerKnob(
        name="block_size",
        targets=("args/--block-size",),
        domain=Choices(values=(16, 32)),
        meaning="tokens in a block of the key-value cache",
        only_set=True,
    ),
)
"""Of its engine, which KServe's huggingfaceserver runs too."""

VLLM = Server(
    name="vLLM",
    source="docs.vllm.ai: Engine Arguments, OpenAI-Compatible Server, CPU",
    programs=("vllm serve", "vllm.entrypoints.*"),
    images=("vllm-openai*", "vllm-cpu*", "*vllm-serve", "llm-d-cuda*", "llm-d", "vllm-tpu"),
    known_as=("kserve-vllmserver*", "vLLM"),
    protocol="openai",
    http=Port(usual=8000, flags=("--port",)),
    health="/health",
    model=ModelName(flags=("--served-model-name", "--model"), positional=True),
    takes_args=True,
    latency_p99=LATENCY_P99,
    timeout=TIMEOUT,
    request=REQUEST,
    knobs=(
        *ENGINE_KNOBS,
        ServerKnob(
            name="api_servers",
            targets=("args/--api-server-count",),
            domain=processes,
            meaning="processes that take requests and tokenize (default 1); helps where short requests come fast",
            proposed=False,
        ),
    ),
)
