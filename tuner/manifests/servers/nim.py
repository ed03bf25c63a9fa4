"""NVIDIA NIM for language models."""

from __future__ import annotations

from tuner.manifests.servers.language_models import LATENCY_P99, REQUEST, TIMEOUT
from tuner.manifests.servers.model import ModelName, Port, Server, ServerKnob
from tuner.manifests.servers.ranges import share

NIM = Server(
    name="NVIDIA NIM",
    source="docs.nvidia.com/nim/large-language-models: Configure a NIM",
    images=("nim/*/*",),
    variables=("NIM_CACHE_PATH",),
    protocol="openai",
    http=Port(usual=8000, variables=("NIM_SERVER_PORT", "NIM_HTTP_API_PORT")),
    metrics_path="/v1/metrics",
    health="/v1/health/ready",
    model=ModelName(variables=("NIM_SERVED_MODEL_NAME",)),
    latency_p99=LATENCY_P99,
    timeout=TIMEOUT,
    request=REQUEST,
    knobs=(
        ServerKnob(
            name="gpu_memory",
            targets=("env/NIM_KVCACHE_PERCENT",),
            domain=share(0.7, 0.95),
            meaning="share of the GPU's memory for weights and the key-value cache (default 0.9)",
        ),
    ),
)
