"""llama.cpp: its own `llama-server`, and the server of its Python bindings."""

from __future__ import annotations

from tuner.manifests.servers.language_models import LATENCY_P99, REQUEST, TIMEOUT
from tuner.manifests.servers.model import ModelName, Port, Server, ServerKnob
from tuner.manifests.servers.ranges import computing_threads
from tuner.space.model import Choices, IntRange

_BATCH = Choices(values=(128, 256, 512, 1024))

LLAMA_SERVER = Server(
    name="llama.cpp",
    source="github.com/ggml-org/llama.cpp: tools/server/README.md",
    programs=("llama-server", "llama.cpp-server"),
    images=("llama.cpp", "llama-server*"),
    variables=("LLAMA_ARG_*",),
    protocol="openai",
    http=Port(usual=8080, flags=("--port",), variables=("LLAMA_ARG_PORT",)),
    health="/health",
    model=ModelName(
        flags=("--alias", "-a", "--hf-repo", "-hf", "--model", "-m"),
        variables=("LLAMA_ARG_ALIAS", "LLAMA_ARG_HF_REPO", "LLAMA_ARG_MODEL"),
    ),
    takes_args=True,
    latency_p99=LATENCY_P99,
    timeout=TIMEOUT,
    request=REQUEST,
    knobs=(
        ServerKnob(
            name="parallel",
            targets=("args/--parallel", "args/-np", "env/LLAMA_ARG_N_PARALLEL"),
            domain=IntRange(low=1, high=16, log=True),
            meaning="requests worked on at once; they share the context of --ctx-size",
        ),
        ServerKnob(
            name="threads",
            targets=("args/--threads", "args/-t", "env/LLAMA_ARG_THREADS"),
            domain=computing_threads,
            meaning="threads that make tokens; by default one for each core of the machine, whatever the limit",
        ),
        ServerKnob(
            name="prompt_threads",
            targets=("args/--threads-batch", "args/-tb", "env/LLAMA_ARG_THREADS_BATCH"),
            domain=computing_threads,
            meaning="threads that take in prompts (default: as many as make tokens)",
            proposed=False,
        ),
        ServerKnob(
            name="micro_batch",
            targets=("args/--ubatch-size", "args/-ub", "env/LLAMA_ARG_UBATCH"),
            domain=_BATCH,
            meaning="tokens of a prompt taken in at once (default 512); not above --batch-size",
        ),
        ServerKnob(
            name="gpu_layers",
            targets=("args/--n-gpu-layers", "args/-ngl", "env/LLAMA_ARG_N_GPU_LAYERS"),
            domain=IntRange(low=0, high=99),
            meaning="layers of the model that the GPU holds; more than it has: all",
            gpu=True,
            only_set=True,
        ),
    ),
)

LLAMA_CPP_PYTHON = Server(
    name="llama-cpp-python",
    source="llama-cpp-python.readthedocs.io: OpenAI Compatible Web Server",
    programs=("llama_cpp.server",),
    images=("llama-cpp-python*",),
    protocol="openai",
    http=Port(usual=8000, flags=("--port",), variables=("PORT",)),
    metrics_path=None,
    health="/v1/models",
    model=ModelName(flags=("--model_alias", "--model"), variables=("MODEL_ALIAS", "MODEL")),
    latency_p99=LATENCY_P99,
    timeout=TIMEOUT,
    request=REQUEST,
    knobs=(
        ServerKnob(
            name="threads",
            targets=("args/--n_threads", "env/N_THREADS"),
            domain=computing_threads,
            meaning="threads that make tokens (default: half of the machine's cores); it answers one request at a time",
        ),
        ServerKnob(
            name="batch",
            targets=("args/--n_batch", "env/N_BATCH"),
            domain=_BATCH,
            meaning="tokens of a prompt taken in at once (default 512)",
        ),
    ),
)
