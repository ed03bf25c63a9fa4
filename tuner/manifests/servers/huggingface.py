"""Hugging Face's servers: Text Generation Inference and Text Embeddings Inference."""

from __future__ import annotations

from types import MappingProxyType

from tuner.manifests.servers.language_models import LATENCY_P99, REQUEST, TIMEOUT
from tuner.manifests.servers.model import ModelName, Port, Server, ServerKnob
from tuner.manifests.servers.ranges import devices, processes, share, step_tokens
from tuner.space.model import Choices, FloatRange, IntRange

_REQUESTS = ServerKnob(
    name="concurrent_requests",
    targets=("args/--max-concurrent-requests", "env/MAX_CONCURRENT_REQUESTS"),
    domain=IntRange(low=32, high=512, log=True),
    meaning="requests it takes before it refuses more with 429: few keep the latency, many keep the errors down",
)

TGI = Server(
    name="Text Generation Inference",
    source="huggingface.co/docs/text-generation-inference: Launcher arguments, Messages API",
    programs=("text-generation-launcher",),
    images=("*text-generation-inference*", "tgi-*"),
    protocol="openai",
    http=Port(usual=80, flags=("--port", "-p"), variables=("PORT",)),
    health="/health",
    model=ModelName(flags=("--model-id",), variables=("MODEL_ID",), usual="tgi"),
    takes_args=True,
    latency_p99=LATENCY_P99,
    timeout=TIMEOUT,
    request=REQUEST,
    knobs=(
        _REQUESTS,
        ServerKnob(
            name="prefill_tokens",
            targets=("args/--max-batch-prefill-tokens", "env/MAX_BATCH_PREFILL_TOKENS"),
            domain=step_tokens,
            meaning="tokens of prompts taken in at once; not below --max-input-tokens",
        ),
        ServerKnob(
            name="waiting_tokens",
            targets=("args/--max-waiting-tokens", "env/MAX_WAITING_TOKENS"),
            domain=IntRange(low=5, high=40, log=True),
            meaning="tokens made before waiting requests are let in (default 20): few for time to the first",
        ),
        ServerKnob(
            name="waiting_ratio",
            targets=("args/--waiting-served-ratio", "env/WAITING_SERVED_RATIO"),
            domain=FloatRange(low=0.3, high=1.5, step=0.3),
            meaning="waiting requests, as a share of the running, for which these are held up (default 0.3)",
            proposed=False,
        ),
        ServerKnob(
            name="total_tokens",
            targets=("args/--max-batch-total-tokens", "env/MAX_BATCH_TOTAL_TOKENS"),
            domain=Choices(values=(8192, 16384, 32768, 65536)),
            meaning="tokens of all requests in a batch; left out it follows from the memory that is free",
            only_set=True,
        ),
        ServerKnob(
            name="gpu_memory",
            targets=("args/--cuda-memory-fraction", "env/CUDA_MEMORY_FRACTION"),
            domain=share(0.7, 1.0),
            meaning="share of the GPU's memory it may use (default 1.0)",
            gpu=True,
            only_set=True,
        ),
        ServerKnob(
            name="tokenizers",
            targets=("args/--validation-workers", "env/VALIDATION_WORKERS"),
            domain=processes,
            meaning="workers that tokenize and check requests (default 2)",
            proposed=False,
        ),
        ServerKnob(
            name="shards",
            targets=("args/--num-shard", "env/NUM_SHARD"),
            domain=devices,
            meaning="GPUs that the model is split over; the rest stay idle",
            by_hand=True,
            gpu=True,
        ),
    ),
)

TEI = Server(
    name="Text Embeddings Inference",
    source="huggingface.co/docs/text-embeddings-inference: CLI arguments",
    programs=("text-embeddings-router",),
    images=("*text-embeddings-inference*", "tei-*"),
    protocol="http",
    http=Port(usual=80, flags=("--port", "-p"), variables=("PORT",)),
    health="/health",
    path="/embed",
    model=ModelName(flags=("--served-model-name", "--model-id"), variables=("MODEL_ID",)),
    takes_args=True,
    request=MappingProxyType({"inputs": "Once upon a time"}),
    knobs=(
        ServerKnob(
            name="batch_tokens",
            targets=("args/--max-batch-tokens", "env/MAX_BATCH_TOKENS"),
            domain=Choices(values=(4096, 8192, 16384, 32768)),
            meaning="most tokens in one batch (default 16384): as many as keep the processor busy",
        ),
        ServerKnob(
            name="batch_requests",
            targets=("args/--max-batch-requests", "env/MAX_BATCH_REQUESTS"),
            domain=IntRange(low=4, high=128, log=True),
            meaning="most requests in one batch; left out, only their tokens count",
        ),
        ServerKnob(
            name="tokenizers",
            targets=("args/--tokenization-workers", "env/TOKENIZATION_WORKERS"),
            domain=processes,
            meaning="workers that tokenize and check requests (default: one for each core of the machine)",
        ),
        _REQUESTS,
    ),
)
