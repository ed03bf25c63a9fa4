"""vLLM."""

from __future__ import annotations

from types import MappingProxyType

from tuner.manifests.servers.model import ModelName, Port, Server, ServerKnob
from tuner.manifests.servers.ranges import devices, logarithmic, share
from tuner.space.model import Choices

VLLM = Server(
    name="vLLM",
    source="docs.vllm.ai, Engine Arguments and OpenAI-Compatible Server",
    programs=("vllm serve", "vllm.entrypoints.*"),
    images=("vllm-openai*", "vllm-cpu*", "pytorch-vllm-serve*"),
    protocol="openai",
    http=Port(usual=8000, flags=("--port",)),
    health="/health",
    model=ModelName(flags=("--served-model-name", "--model"), positional=True),
    takes_args=True,
    latency_p99="10s",
    timeout="60s",
    request=MappingProxyType({"model": "MODEL", "prompt": "Once upon a time", "max_tokens": 64, "temperature": 0}),
    knobs=(
        ServerKnob(
            name="sequences",
            targets=("args/--max-num-seqs",),
            domain=logarithmic(16, 512),
            meaning="most sequences in one batch: more for throughput, fewer for latency",
        ),
        ServerKnob(
            name="batched_tokens",
            targets=("args/--max-num-batched-tokens",),
            domain=Choices(values=(2048, 4096, 8192, 16384)),
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
            name="tensor_parallel",
            targets=("args/--tensor-parallel-size", "args/-tp"),
            domain=devices,
            meaning="GPUs that each layer is split over; must divide the model's attention heads",
            proposed=False,
            gpu=True,
        ),
    ),
)
