"""Which server a container runs, and the words that are its own arguments."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.manifests.servers.known import SERVERS
from tuner.manifests.servers.recognition import recognise, recognize


def named(**spec: Any) -> str | None:
    server = recognize(spec)
    return server.name if server else None


@pytest.mark.parametrize(
    ("image", "server"),
    [
        ("vllm/vllm-openai:v0.11.0", "vLLM"),
        ("registry.example.com:5000/mirror/vllm-openai-cpu@sha256:0123", "vLLM"),
        ("registry.example.com/vertex/dockers/pytorch-vllm-serve:20250312", "vLLM"),
        ("lmsysorg/sglang:v0.5.3", "SGLang"),
        ("registry.example.com/huggingface/text-generation-inference:3.0.1", "Text Generation Inference"),
        ("registry.example.com/x/huggingface-text-generation-inference-cu124.2-3:1", "Text Generation Inference"),
        ("registry.example.com/huggingface/text-embeddings-inference:cpu-1.7", "Text Embeddings Inference"),
        ("registry.example.com/nvidia/tensorrt-llm/release:1.0.0", "TensorRT-LLM"),
        ("registry.example.com/nim/meta/llama-3.1-8b-instruct:1.8", "NVIDIA NIM"),
        ("registry.example.com/ggml-org/llama.cpp:server-cuda", "llama.cpp"),
        ("ollama/ollama", "Ollama"),
        ("registry.example.com/nvidia/tritonserver:25.01-py3", "Triton Inference Server"),
        ("seldonio/mlserver:1.7.1-sklearn", "MLServer"),
        ("pytorch/torchserve-kfs:0.12.0", "TorchServe"),
        ("tensorflow/serving:2.19.0-gpu", "TensorFlow Serving"),
        ("openvino/model_server:2025.1", "OpenVINO Model Server"),
        ("mcr.microsoft.com/onnxruntime/server", "ONNX Runtime Server"),
        ("seldonio/sklearnserver:1.18.2", "seldon-core microservice"),
        ("seldonio/petals:1", "seldon-core microservice"),
        ("seldonio/seldon-core-operator:1.18.2", None),
        ("kserve/sklearnserver:v0.15.0", "KServe sklearnserver"),
        ("kserve/huggingfaceserver:v0.15.0-gpu", "KServe huggingfaceserver"),
        ("example/serving:1", None),
        ("example/rank:vllm", None),
        ("vllm/vllm-router:1", None),
        ("", None),
    ],
)
def test_by_the_last_parts_of_the_image(image: str, server: str | None) -> None:
    assert named(image=image) == server


@pytest.mark.parametrize(
    ("command", "server", "words"),
    [
        (["vllm", "serve", "example/small", "--port=8000"], "vLLM", ("example/small", "--port=8000")),
        (["python3", "-m", "vllm.entrypoints.openai.api_server", "--model", "m"], "vLLM", ("--model", "m")),
        (["python", "-u", "-m", "sglang.launch_server", "--tp", "2"], "SGLang", ("--tp", "2")),
        (["/usr/local/bin/gunicorn", "-w", "2", "app:app"], "gunicorn", ("-w", "2", "app:app")),
        (["tini", "-s", "--", "uvicorn", "app:app"], "uvicorn", ("app:app",)),
        (["poetry", "run", "uvicorn", "app:app"], "uvicorn", ("app:app",)),
        (["opentelemetry-instrument", "--service_name", "x", "gunicorn", "a:a"], "gunicorn", ("a:a",)),
        (["/entrypoint.sh", "hypercorn", "a:a"], "hypercorn", ("a:a",)),
        (["mpirun", "-n", "2", "trtllm-serve", "serve", "m"], "TensorRT-LLM", ("m",)),
        (["trtllm-serve", "m"], "TensorRT-LLM", ("m",)),
        (["mlserver", "start", "/mnt/models"], "MLServer", ("/mnt/models",)),
        (["bentoml", "serve-http", "service:svc"], "BentoML", ("service:svc",)),
        (["serve", "run", "app:deployment"], "Ray Serve", ("app:deployment",)),
        (["python", "-m", "llama_cpp.server"], "llama-cpp-python", ()),
        (["ollama", "pull", "small"], None, None),
        (["vllm", "bench", "serve"], None, None),
        (["python", "-m", "sglang_router.launch_router"], None, None),
        (["picker", "--pool", "vllm-small-pool", "--server", "gunicorn"], None, None),
        (["python", "client.py", "uvicorn"], None, None),
    ],
)
def test_by_the_program_it_starts(command: list[str], server: str | None, words: tuple[str, ...] | None) -> None:
    for spec in ({"command": command}, {"command": command[:1], "args": command[1:]}, {"args": command}):
        found = recognise({"image": "example/rank:1", **spec})
        assert (found.server and found.server.name) == server
        assert words is None or found.words == words


@pytest.mark.parametrize(
    ("script", "server", "words"),
    [
        ("exec gunicorn --workers 2 app:app", "gunicorn", ("--workers", "2", "app:app")),
        ("cd /app && vllm serve m --max_num_batched_tokens 1024", "vLLM", ("m", "--max_num_batched_tokens", "1024")),
        ("# start\nexport M=m\nvllm serve $M \\\n  --port ${PORT:-8001} | tee log", "vLLM", ("m", "--port", "8001")),
        ("M='a b'; vllm serve \"$M\"", "vLLM", ("a b",)),
        ("if [ -f x ]; then\n  eval 'vllm serve m --port 8000'\nfi", "vLLM", ("m", "--port", "8000")),
        ("pip install vllm; sleep infinity", None, None),
        ("it's 'odd gunicorn", None, None),
        ("", None, None),
    ],
)
def test_in_a_shells_script(script: str, server: str | None, words: tuple[str, ...] | None) -> None:
    for spec in ({"command": ["/bin/sh", "-c"], "args": [script]}, {"command": ["bash", "-lc", script]}):
        found = recognise({"image": "example/rank:1", **spec})
        assert (found.server and found.server.name) == server
        assert words is None or found.words == words


def test_an_image_that_only_sleeps_or_asks_is_no_server() -> None:
    image = "vllm/vllm-openai:v0.11.0"
    assert named(image=image, command=["sleep", "infinity"]) is None
    assert named(image=image, command=["sh", "-c", "curl http://other:8000; sleep 60"]) is None
    assert named(image=image, command=["sh", "-c", "/start.sh"]) == "vLLM"


def test_the_program_goes_before_the_image() -> None:
    assert named(image="registry.example.com/nvidia/tritonserver:25.01-py3", command=["gunicorn", "a:a"]) == "gunicorn"


def test_variables_that_kubernetes_expands() -> None:
    env = [{"name": "HALF", "value": "example"}, {"name": "MODEL", "value": "$(HALF)/small"}]
    spec = {"command": ["vllm", "serve", "$(MODEL)", "--label=$$(MODEL)", "--x=$(NONE)"], "env": env}
    assert recognise(spec).words == ("example/small", "--label=$(MODEL)", "--x=$(NONE)")


def test_by_what_an_operator_is_to_start() -> None:
    assert named(modelFormat={"name": "huggingface"}) == "KServe huggingfaceserver"
    assert named(modelFormat={"name": "sklearn"}, runtime="kserve-mlserver") == "MLServer"
    assert named(modelFormat={"name": "sklearn"}, runtime="kserve-sklearnserver-v1") == "KServe sklearnserver"
    triton = recognize({"name": "petals"}, known_as="TRITON_SERVER")
    assert triton is not None
    assert triton.name == "Triton Inference Server"
    assert recognize({"name": "petals"}, known_as="OURS") is None


def test_by_a_variable_that_nothing_else_reads() -> None:
    def env(name: str) -> list[dict[str, Any]]:
        return [{"name": name, "valueFrom": {"configMapKeyRef": {}}}]

    assert named(image="x:1", env=env("GUNICORN_WORKERS")) == "seldon-core microservice"
    assert named(image="x:1", env=env("LLAMA_ARG_MODEL")) == "llama.cpp"
    assert named(image="x:1", env=env("MLSERVER_URL")) is None


def test_flags_in_a_variable() -> None:
    spec = {"command": ["gunicorn", "a:a"], "env": [{"name": "GUNICORN_CMD_ARGS", "value": "--bind=:9001 --threads 4"}]}
    assert recognise(spec).words == ("a:a", "--bind=:9001", "--threads", "4")


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=6), below, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("image", "command", "args", "env", "modelFormat"), _ANY)))
def test_whatever_stands_there_is_borne_with(spec: dict[str, Any]) -> None:
    assert recognize(spec) is None or recognize(spec) in SERVERS


@given(st.text(max_size=80))
def test_whatever_a_script_holds_is_borne_with(script: str) -> None:
    found = recognise({"command": ["sh", "-c", script]})
    assert found.launch.lines


@pytest.mark.parametrize("args", [["serve", "example/small"], ["example/small", "--port=8000"]])
def test_an_image_whose_entry_point_is_the_program_alone(args: list[str]) -> None:
    found = recognise({"image": "vllm/vllm-openai:v0.11.0", "args": args})
    assert found.words[0] == "example/small"
