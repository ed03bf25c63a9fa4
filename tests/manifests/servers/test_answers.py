"""The port, the model's name and the health path of a container's server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.manifests.servers import flags
from tuner.manifests.servers.answers import grpc_port, health_path, http_port, is_grpc_alone, model_name, targets_in
from tuner.manifests.servers.recognition import recognise

TF, TRITON, VLLM = "tensorflow/serving:2", "registry.example.com/nvidia/tritonserver:25.01-py3", "vllm/vllm-openai:v1"


def ports(spec: dict[str, Any], *services: dict[str, Any], usual: int | None = None) -> tuple[int | None, int | None]:
    found, targets = recognise(spec), targets_in(spec, services)
    return http_port(spec, found, targets=targets, usual=usual), grpc_port(spec, found, targets=targets)


def declared(*numbers: int | tuple[str, int]) -> list[dict[str, Any]]:
    return [{"containerPort": n} if isinstance(n, int) else {"name": n[0], "containerPort": n[1]} for n in numbers]


def service(*ports: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Service", "spec": {"ports": list(ports)}}


def env(**values: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        # nothing but the server
        ({"image": TF}, (8501, 8500)),
        ({"image": TRITON}, (8000, 8001)),
        ({"image": VLLM}, (8000, None)),
        ({"image": "x:1"}, (None, None)),
        # told by flags, spelled in every way
        ({"image": TF, "args": ["--port=9000", "--rest_api_port=9001"]}, (9001, 9000)),
        ({"image": TRITON, "args": ["tritonserver", "--http-port", "8080", "--grpc-port", "9000"]}, (8080, 9000)),
        ({"image": TRITON, "command": ["sh", "-c", "exec tritonserver --http_port=8080"]}, (8080, 8001)),
        ({"command": ["gunicorn", "--bind", "0.0.0.0:9001", "a:a"]}, (9001, None)),
        ({"command": ["gunicorn", "-b:9001", "a:a"]}, (9001, None)),
        ({"command": ["gunicorn", "--bind=unix:/run/a.sock", "a:a"]}, (8000, None)),
        ({"command": ["gunicorn", "a:a"], "env": env(PORT="8088")}, (8088, None)),
        ({"image": VLLM, "args": ["--port=$(PORT)"], "env": env(PORT="8088")}, (8088, None)),
        ({"image": VLLM, "command": ["sh", "-c", "vllm serve m --port $PORT"], "env": env(PORT="8088")}, (8088, None)),
        ({"image": VLLM, "args": ["--port=$(PORT)"]}, (8000, None)),
        # told by variables
        ({"image": "mlserver:1", "env": env(MLSERVER_HTTP_PORT="9000", MLSERVER_GRPC_PORT="9500")}, (9000, 9500)),
        ({"image": "ollama/ollama", "env": env(OLLAMA_HOST="0.0.0.0:8080")}, (8080, None)),
        ({"image": "torchserve", "env": env(TS_INFERENCE_ADDRESS="http://0.0.0.0:8085")}, (8085, 7070)),
        # the container's ports: HTTP before gRPC, metrics never
        ({"image": TF, "ports": declared(8500, 8501)}, (8501, 8500)),
        ({"image": TF, "ports": declared(8500)}, (8501, 8500)),
        ({"image": "x:1", "ports": declared(("grpc", 5000), ("web", 5001))}, (5001, 5000)),
        ({"image": "x:1", "ports": declared(("metrics", 9090), 8080)}, (8080, None)),
        ({"image": "x:1", "ports": declared(("http-metrics", 9090))}, (None, None)),
        ({"image": TRITON, "ports": declared(("http", 8001), ("grpc", 8000))}, (8001, 8000)),
        ({"image": "x:1", "ports": declared(("h2c", 8033))}, (None, 8033)),
        ({"image": "x:1", "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 8080}]}, (8080, None)),
        # of ports without names: not gRPC's, and the one that some flag or variable tells
        ({"image": "x:1", "ports": declared(50051, 8080)}, (8080, None)),
        ({"image": "x:1", "ports": declared(50051)}, (50051, None)),
        ({"image": "x:1", "ports": declared(9000, 8080), "livenessProbe": {"grpc": {"port": 9000}}}, (8080, 9000)),
        ({"image": "x:1", "ports": declared(9000, 8080), "args": ["--port=8080"]}, (8080, None)),
        ({"image": "x:1", "ports": declared(9000, 8080), "env": env(PORT="8080")}, (8080, None)),
        ({"image": "x:1", "ports": declared(("gcs", 6379), ("serve", 8000))}, (8000, None)),
        # probes
        ({"image": "x:1", "livenessProbe": {"httpGet": {"port": 7000}}}, (7000, None)),
        ({"image": "x:1", "readinessProbe": {"grpc": {"port": 7001}}}, (None, 7001)),
        (
            {"image": "x:1", "startupProbe": {"tcpSocket": {"port": "up"}}, "ports": declared(("up", 7002))},
            (7002, None),
        ),
        # how servers that are not known are often told
        ({"image": "x:1", "command": ["serve", "--port", "7003"]}, (7003, None)),
        ({"image": "x:1", "env": env(PORT="7004")}, (7004, None)),
    ],
)
def test_where_it_answers(spec: dict[str, Any], expected: tuple[int | None, int | None]) -> None:
    assert ports(spec) == expected


@pytest.mark.parametrize(
    ("spec", "port", "expected"),
    [
        ({"image": "x:1"}, {"port": 80, "targetPort": 7000}, 7000),
        ({"image": "x:1"}, {"port": 80, "targetPort": "7000"}, 7000),
        ({"image": "x:1"}, {"port": 7000}, 7000),
        ({"image": "x:1", "ports": declared(9000, ("api", 7000))}, {"port": 80, "targetPort": "api"}, 7000),
        ({"image": "x:1", "ports": declared(9000)}, {"port": 80, "targetPort": "gone"}, 9000),
        ({"image": "x:1", "ports": declared(9000)}, {"name": "grpc", "port": 80, "targetPort": 7000}, 9000),
        ({"image": "x:1", "ports": declared(9000)}, {"port": 80, "targetPort": 7000, "appProtocol": "grpc"}, 9000),
        ({"image": TF}, {"port": 80, "targetPort": 8500}, 8501),
        ({"image": VLLM, "args": ["--port=8200"]}, {"port": 8000}, 8200),
        ({"image": VLLM, "args": ["--port=8200"], "ports": declared(8000, 8200)}, {"port": 8000}, 8000),
    ],
)
def test_a_services_target_goes_first(spec: dict[str, Any], port: dict[str, Any], expected: int) -> None:
    assert ports(spec, service(port), usual=None)[0] == expected


def test_of_several_targets_the_http_one() -> None:
    both = service({"name": "grpc", "port": 8500, "targetPort": 8500}, {"name": "rest", "port": 80, "targetPort": 8501})
    assert ports({"image": "x:1"}, both) == (8501, 8500)


def test_what_answers_grpc_alone() -> None:
    assert is_grpc_alone({"ports": declared(("h2c", 9000))})
    assert is_grpc_alone({"ports": declared(("grpc-infer", 9000), ("grpc", 9001))})
    assert not is_grpc_alone({"ports": declared(("h2c", 9000), 8080)})
    assert not is_grpc_alone({})


def test_a_port_of_another_container_is_not_this_ones() -> None:
    proxy = {"ports": declared(8000)}
    assert targets_in({"image": VLLM}, [service({"port": 8000})], [proxy]) == ()
    assert targets_in({"image": VLLM, "ports": declared(8000)}, [service({"port": 8000})], [proxy]) == (("", 8000),)


def test_the_kinds_usual_port_goes_before_the_servers() -> None:
    assert ports({"image": VLLM}, usual=8080)[0] == 8080
    assert ports({"image": VLLM, "args": ["--port", "8000"]}, usual=8080)[0] == 8000


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({"image": VLLM, "args": ["--model=example/small", "--served-model-name", "tale"]}, "tale"),
        ({"image": VLLM, "args": ["--model=$(MODEL)"], "env": env(MODEL="example/small")}, "example/small"),
        ({"image": VLLM, "args": ["example/small", "--port=8000"]}, "example/small"),
        ({"image": VLLM, "args": ["serve", "example/small"]}, "example/small"),
        ({"image": VLLM, "args": ["--port", "8000", "example/small"]}, "example/small"),
        ({"image": VLLM, "args": ["--port=8000", "example/small"]}, "example/small"),
        ({"command": ["vllm", "serve", "--port", "8000", "--eager", "--x=1", "example/small"]}, "example/small"),
        ({"image": VLLM, "command": ["sh", "-c", "/start.sh"]}, None),
        ({"image": VLLM, "command": ["/start.sh", "example/small"]}, None),
        ({"command": ["vllm", "serve", "example/small", "--served_model_name=tale"]}, "tale"),
        ({"image": VLLM, "args": ["--model=$(MODEL)"]}, None),
        ({"image": TF, "env": env(MODEL_NAME="rank")}, "rank"),
        ({"image": TF}, "model"),
        ({"image": "torchserve", "args": ["torchserve", "--models", "rank=rank.mar"]}, "rank"),
        ({"image": "registry.example.com/huggingface/text-generation-inference:3"}, "tgi"),
        ({"image": "x:1", "args": ["--model", "m"]}, None),
    ],
)
def test_what_requests_call_the_model(spec: dict[str, Any], name: str | None) -> None:
    assert model_name(recognise(spec)) == name


def test_the_path_of_health() -> None:
    assert health_path(recognise({"image": VLLM})) == "/health"
    assert health_path(recognise({"image": TF, "args": ["--model_name=rank"]})) == "/v1/models/rank"
    assert health_path(recognise({"image": TF}), model="other") == "/v1/models/other"
    assert health_path(recognise({"command": ["gunicorn", "a:a"]})) is None
    assert health_path(recognise({"image": "x:1"})) is None


WORD = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)


@given(before=st.lists(WORD, max_size=4), after=st.lists(WORD, max_size=4), value=WORD, apart=st.booleans())
def test_a_flag_is_found_wherever_and_however_it_stands(
    before: list[str], after: list[str], value: str, apart: bool
) -> None:
    for spelled in ("--max-num-seqs", "--max_num_seqs"):
        given_ = [spelled, value] if apart else [f"{spelled}={value}"]
        assert flags.value([*before, *given_, *after], ("--max-num-seqs",)) == value
        assert flags.value([*before, *after], ("--max-num-seqs",)) is None


def test_how_flags_are_read() -> None:
    assert flags.value(["--a", "1", "--a=2"], ("--a",)) == "2"
    assert flags.value(["--a", "--b", "1"], ("--a",)) == ""
    assert flags.value(["--a", "-1"], ("--a",)) == "-1"
    assert flags.value(["-w4"], ("-w",)) == "4"
    assert flags.value(["-word"], ("-w",)) is None
    assert flags.value(["--b=1", "--a=2"], ("--a", "--b")) == "2"
    assert flags.value(["--a"], ("--a",)) == ""


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["port", "targetPort", "name", "protocol"]), st.none() | st.integers() | st.text(max_size=5)
        )
    )
)
def test_whatever_a_service_says_is_borne_with(found: list[dict[str, Any]]) -> None:
    assert all(0 < number < 1 << 16 for _, number in targets_in({"image": "x:1"}, [service(*found)]))
