"""KServe's own serving runtimes: which one it takes for a model, and what that one runs.

Read in KServe 0.19 (config/runtimes, and the defaults of pkg/apis/serving/v1beta1). The arguments of a model come after
those of its runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

_ENCODERS = (
    "sequence_classification",
    "token_classification",
    "fill_mask",
    "text_embedding",
    "time_series_forecast",
)
"""Tasks of the Hugging Face runtime that are no conversation; it spells them with - or _."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    name: str
    protocol: str
    """Of a model that asks for none, as a search space spells it."""
    args: tuple[str, ...] = ()
    """Those that tell the ports and the model's name; ``NAME`` stands for the object's."""
    variables: tuple[tuple[str, str], ...] = ()
    """Those that tell the ports."""


RUNTIMES: Mapping[str, Runtime] = {
    runtime.name: runtime
    for runtime in (
        *(
            Runtime(name=f"kserve-{name}", protocol="tensorflow", args=("--model_name=NAME", "--http_port=8080"))
            for name in ("sklearnserver", "xgbserver", "lgbserver", "pmmlserver", "paddleserver", "predictiveserver")
        ),
        Runtime(
            name="kserve-mlserver",
            protocol="v2",
            variables=(("MLSERVER_HTTP_PORT", "8080"), ("MLSERVER_GRPC_PORT", "9000")),
        ),
        Runtime(
            name="kserve-tritonserver", protocol="v2", args=("tritonserver", "--grpc-port=9000", "--http-port=8080")
        ),
        Runtime(
            name="kserve-tensorflow-serving",
            protocol="tensorflow",
            args=("--model_name=NAME", "--port=9000", "--rest_api_port=8080"),
        ),
        Runtime(name="kserve-torchserve", protocol="tensorflow", args=("torchserve", "--start")),
        Runtime(name="kserve-huggingfaceserver", protocol="openai", args=("--model_name=NAME",)),
        Runtime(name="kserve-vllmserver", protocol="openai", args=("--port=8080", "--served-model-name=NAME")),
        Runtime(
            name="kserve-openvino", protocol="tensorflow", args=("--model_name=NAME", "--port=9000", "--rest_port=8080")
        ),
    )
}

_BY_FORMAT: Mapping[str, tuple[str, str]] = {
    "sklearn": ("kserve-sklearnserver", "kserve-mlserver"),
    "xgboost": ("kserve-xgbserver", "kserve-mlserver"),
    "lightgbm": ("kserve-lgbserver", "kserve-mlserver"),
    "mlflow": ("kserve-mlserver", "kserve-mlserver"),
    "pmml": ("kserve-pmmlserver", "kserve-pmmlserver"),
    "paddle": ("kserve-paddleserver", "kserve-paddleserver"),
    "tensorflow": ("kserve-tensorflow-serving", "kserve-tritonserver"),
    "pytorch": ("kserve-torchserve", "kserve-torchserve"),
    "onnx": ("kserve-tritonserver", "kserve-tritonserver"),
    "tensorrt": ("kserve-tritonserver", "kserve-tritonserver"),
    "triton": ("kserve-tritonserver", "kserve-tritonserver"),
    "huggingface": ("kserve-huggingfaceserver", "kserve-huggingfaceserver"),
    "vllm": ("kserve-vllmserver", "kserve-vllmserver"),
    "openvino": ("kserve-openvino", "kserve-openvino"),
}
"""By the model's format: the runtime for protocol v1, or none, and the one for v2."""

PROTOCOLS = {"v1": "tensorflow", "v2": "v2", "grpc-v2": "v2-grpc"}
"""KServe's names of protocols, as search spaces spell them."""


def runtime_of(model_format: str, version: str | None) -> str | None:
    """The runtime that KServe takes for a model which names none; None for a format that none of its own serves."""
    found = _BY_FORMAT.get(model_format.lower())
    return found[version in ("v2", "grpc-v2")] if found else None


def protocol_of(runtime: str | None, version: str | None, args: Sequence[str]) -> str | None:
    """What the model is asked by. The Hugging Face runtime answers OpenAI's requests whatever the version says, unless
    its task is none for them."""
    asked = PROTOCOLS.get(version or "")
    known = RUNTIMES.get(runtime or "")
    usual = known.protocol if known else None
    if usual == "openai":
        return asked or "tensorflow" if _encodes(args) else usual
    return asked or usual


def model_named(args: Sequence[str]) -> str | None:
    """What a container is told to call its model, as KServe's own servers are: ``--model_name``."""
    words = [(word.partition("=")[0].replace("-", "_"), word.partition("=")[2]) for word in args]
    told = [value for word, value in words if word == "__model_name" and value]
    told += [after for word, after in pairwise(args) if word.replace("-", "_") == "__model_name"]
    return next((name for name in told if "$" not in name), None)


def _encodes(args: Sequence[str]) -> bool:
    words = [word.replace("-", "_") for word in args]
    tasks = [word.removeprefix("__task=") for word in words if word.startswith("__task=")]
    tasks += [after for word, after in pairwise(words) if word == "__task"]
    return bool(tasks) and tasks[-1] in _ENCODERS
