"""KServe's own runtimes: one model server for each framework, and huggingfaceserver."""

from __future__ import annotations

from dataclasses import replace

from tuner.manifests.servers.language_models import LATENCY_P99, REQUEST, TIMEOUT
from tuner.manifests.servers.model import ModelName, Port, Server, ServerKnob
from tuner.manifests.servers.ranges import computing_threads, processes, waiting_threads
from tuner.manifests.servers.vllm import ENGINE_KNOBS

_HTTP, _GRPC = Port(usual=8080, flags=("--http_port",)), Port(usual=8081, flags=("--grpc_port",))
_MODEL = ModelName(flags=("--model_name",), usual="model")
_KNOBS = (
    ServerKnob(
        name="workers",
        targets=("args/--workers",),
        domain=processes,
        meaning="processes that answer (default 1), each with the model in its memory",
    ),
    ServerKnob(
        name="asyncio_threads",
        targets=("args/--max_asyncio_workers",),
        domain=waiting_threads,
        meaning="threads for a model's own blocking calls (default: cores + 4, at most 32)",
        proposed=False,
    ),
    ServerKnob(
        name="grpc_threads",
        targets=("args/--max_threads",),
        domain=waiting_threads,
        meaning="threads that answer gRPC calls (default 4); of use under gRPC load only",
        proposed=False,
    ),
)
_OPENMP = ServerKnob(
    name="omp_num_threads",
    targets=("env/OMP_NUM_THREADS",),
    domain=computing_threads,
    meaning="threads of one prediction where the model has any; by default one for each CPU of the node",
    proposed=False,
)
_THREADS = ServerKnob(
    name="threads",
    targets=("args/--nthread",),
    domain=computing_threads,
    meaning="threads of one prediction (default 1)",
)


def _server(program: str, formats: tuple[str, ...], *knobs: ServerKnob) -> Server:
    return Server(
        name=f"KServe {program}",
        source="github.com/kserve/kserve: python/kserve/kserve/model_server.py, config/runtimes",
        programs=(program,),
        images=(program, f"kserve-{program}", f"{program}-gpu"),
        known_as=(f"kserve-{program}*", *formats),
        protocol="tensorflow",
        http=_HTTP,
        grpc=_GRPC,
        health="/v2/health/ready",
        model=_MODEL,
        takes_args=True,
        knobs=(*knobs, *_KNOBS),
    )


KSERVE_SERVERS: tuple[Server, ...] = (
    _server("sklearnserver", ("sklearn",), _OPENMP),
    _server("xgbserver", ("xgboost",), _THREADS),
    _server("lgbserver", ("lightgbm",), _THREADS),
    _server("pmmlserver", ("pmml",)),
    _server("paddleserver", ("paddle",), _OPENMP),
    _server("predictiveserver", (), _THREADS),
    _server("autogluonserver", ("autogluon",), _OPENMP),
)
"""`tensorflow`: they answer on /v1/models/NAME:predict; on KServe's version 2 too, where the manifest asks for it."""

HUGGINGFACESERVER = Server(
    name="KServe huggingfaceserver",
    source="kserve.github.io: Hugging Face LLM Serving Runtime; python/huggingfaceserver",
    programs=("huggingfaceserver",),
    images=("huggingfaceserver*",),
    known_as=("kserve-huggingfaceserver*", "huggingface"),
    protocol="openai",
    http=_HTTP,
    grpc=_GRPC,
    health="/v2/health/ready",
    path="/openai/v1/completions",
    model=_MODEL,
    takes_args=True,
    latency_p99=LATENCY_P99,
    timeout=TIMEOUT,
    request=REQUEST,
    knobs=tuple(replace(knob, unless=("--backend=huggingface",)) for knob in ENGINE_KNOBS),
)
