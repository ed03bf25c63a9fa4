"""Ollama."""

from __future__ import annotations

from tuner.manifests.servers.language_models import LATENCY_P99, REQUEST, TIMEOUT
from tuner.manifests.servers.model import Port, Server, ServerKnob
from tuner.space.model import IntRange

OLLAMA = Server(
    name="Ollama",
    source="docs.ollama.com: FAQ, OpenAI compatibility",
    programs=("ollama serve",),
    images=("ollama", "ollama-*"),
    variables=("OLLAMA_NUM_PARALLEL",),
    protocol="openai",
    http=Port(usual=11434, variables=("OLLAMA_HOST",)),
    metrics_path=None,
    health="/",
    latency_p99=LATENCY_P99,
    timeout=TIMEOUT,
    request=REQUEST,
    knobs=(
        ServerKnob(
            name="parallel",
            targets=("env/OLLAMA_NUM_PARALLEL",),
            domain=IntRange(low=1, high=16, log=True),
            meaning="requests that a model answers at once; each needs memory for its context",
        ),
    ),
)
