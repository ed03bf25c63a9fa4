"""The model servers that are known: one module a family, listed here. Of what is told twice, the first counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.manifests.servers.bentoml import BENTOML
from tuner.manifests.servers.gunicorn import GUNICORN
from tuner.manifests.servers.huggingface import TEI, TGI
from tuner.manifests.servers.hypercorn import HYPERCORN
from tuner.manifests.servers.kserve import HUGGINGFACESERVER, KSERVE_SERVERS
from tuner.manifests.servers.litserve import LITSERVE
from tuner.manifests.servers.llama_cpp import LLAMA_CPP_PYTHON, LLAMA_SERVER
from tuner.manifests.servers.mlserver import MLSERVER
from tuner.manifests.servers.model import Server, ServerKnob
from tuner.manifests.servers.nim import NIM
from tuner.manifests.servers.ollama import OLLAMA
from tuner.manifests.servers.onnx_runtime import ONNX_RUNTIME_SERVER
from tuner.manifests.servers.openvino import OPENVINO
from tuner.manifests.servers.ranges import computing_threads
from tuner.manifests.servers.ray_serve import RAY_SERVE, RAY_SERVE_LLM
from tuner.manifests.servers.seldon import SELDON_MICROSERVICE
from tuner.manifests.servers.sglang import SGLANG
from tuner.manifests.servers.tensorflow_serving import TENSORFLOW_SERVING
from tuner.manifests.servers.tensorrt_llm import TENSORRT_LLM
from tuner.manifests.servers.torchserve import TORCHSERVE
from tuner.manifests.servers.triton import TRITON
from tuner.manifests.servers.uvicorn import FASTAPI, UVICORN
from tuner.manifests.servers.vllm import VLLM

SERVERS: tuple[Server, ...] = (
    VLLM,
    SGLANG,
    TGI,
    TEI,
    TENSORRT_LLM,
    NIM,
    LLAMA_SERVER,
    LLAMA_CPP_PYTHON,
    OLLAMA,
    TRITON,
    MLSERVER,
    TORCHSERVE,
    TENSORFLOW_SERVING,
    OPENVINO,
    ONNX_RUNTIME_SERVER,
    SELDON_MICROSERVICE,
    HUGGINGFACESERVER,
    *KSERVE_SERVERS,
    BENTOML,
    LITSERVE,
    RAY_SERVE,
    RAY_SERVE_LLM,
    GUNICORN,
    FASTAPI,
    UVICORN,
    HYPERCORN,
)

LIBRARIES: tuple[ServerKnob, ...] = tuple(
    ServerKnob(name=name.lower(), targets=(f"env/{name}",), domain=computing_threads, meaning=meaning, only_set=True)
    for name, meaning in (
        ("OMP_NUM_THREADS", "threads of OpenMP; by default one for each CPU of the node, whatever the limit"),
        ("MKL_NUM_THREADS", "threads of Intel MKL; by default those of OpenMP"),
        ("OPENBLAS_NUM_THREADS", "threads of OpenBLAS; by default one for each CPU of the node"),
        ("TF_NUM_INTRAOP_THREADS", "threads within one TensorFlow operation"),
        ("TF_NUM_INTEROP_THREADS", "TensorFlow operations run at once"),
    )
)
"""Thread counts of numeric libraries, whatever the server."""

SAMPLE_REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "seldon": {"data": {"ndarray": [[5.1, 3.5, 1.4, 0.2]]}},
    "v2": {"inputs": [{"name": "input-0", "shape": [1, 4], "datatype": "FP32", "data": [5.1, 3.5, 1.4, 0.2]}]},
    "tensorflow": {"instances": [[5.1, 3.5, 1.4, 0.2]]},
    "http": {"instances": [[5.1, 3.5, 1.4, 0.2]]},
}
"""By protocol, of servers that have no request of their own."""
