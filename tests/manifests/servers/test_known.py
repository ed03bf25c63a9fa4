"""What is known of servers: it reads as addresses and ranges, follows the hardware, and stands in the documentation."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.repository.checkout import ROOT
from tuner.manifests import address
from tuner.manifests.servers.conditions import of_use
from tuner.manifests.servers.document import with_servers
from tuner.manifests.servers.hardware import hardware
from tuner.manifests.servers.known import LIBRARIES, SERVERS
from tuner.manifests.servers.model import Hardware, ServerKnob
from tuner.manifests.servers.recognition import recognise
from tuner.space.domain import contains
from tuner.space.model import Choices, FloatRange

NONE = Hardware()
KNOBS = [*LIBRARIES, *(knob for server in SERVERS for knob in server.knobs)]
HARDWARE = st.builds(
    Hardware,
    cores=st.none() | st.floats(0.001, 1000),
    memory_bytes=st.none() | st.floats(1, 2**50),
    gpus=st.none() | st.integers(0, 64),
)


def test_the_documentation_is_current() -> None:
    document = (ROOT / "docs" / "servers.md").read_text(encoding="utf-8")
    assert document == with_servers(document), "run scripts/generate"


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_each_can_be_recognised_and_asked(server: Any) -> None:
    assert server.programs or server.images or server.known_as
    assert server.source
    assert server.http.usual or server.http.flags
    assert server.path is None or server.path.startswith("/")
    assert server.path or server.protocol != "http"
    assert not [name for name, count in Counter(knob.name for knob in server.knobs).items() if count > 1]
    names = {knob.name for knob in server.knobs}
    assert {knob.when[0] for knob in server.knobs if knob.when} <= names


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: knob.name)
def test_a_knob_can_be_set(knob: ServerKnob) -> None:
    assert all(isinstance(address.parse(target), address.Flag | address.Env) for target in knob.targets)


@given(HARDWARE)
def test_knobs_have_a_range_on_any_hardware(machine: Hardware) -> None:
    for knob in KNOBS:
        domain = knob.over(machine)
        if isinstance(domain, Choices):
            assert len(set(domain.values)) == len(domain.values) >= 1
        else:
            assert domain.low < domain.high
            assert isinstance(domain, FloatRange) or domain.high <= 512
            assert contains(domain, domain.low)


def test_ranges_follow_the_hardware() -> None:
    knobs = {(server.name, knob.name): knob for server in SERVERS for knob in server.knobs}
    workers, parallel = knobs["gunicorn", "workers"], knobs["vLLM", "tensor_parallel"]
    assert [getattr(workers.over(Hardware(cores=cores)), "high", 0) for cores in (0.5, 3.5, 16, 500)] == [2, 4, 16, 64]
    assert [getattr(parallel.over(Hardware(gpus=gpus)), "values", 0) for gpus in (1, 3, 8)] == [
        (1,),
        (1, 2),
        (1, 2, 4, 8),
    ]


def test_the_hardware_asked_for() -> None:
    asked = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": 2, "nvidia.com/gpu": "4"}}
    assert hardware({"resources": asked}) == Hardware(cores=2.0, memory_bytes=2.0**30, gpus=4)
    assert hardware({"resources": {"limits": {"cpu": "1"}}}).gpus == 0
    assert hardware({"resources": {"limits": {"cpu": "1"}, "claims": [{"name": "gpu"}]}}).gpus is None
    assert hardware({}) == hardware({"resources": {}}) == NONE
    assert hardware({"resources": {"limits": {"cpu": "many", "memory": None}}}) == Hardware(gpus=0)


def useful(image: str, *args: str, gpus: int | None = None, **variables: str) -> set[str]:
    env = [{"name": name, "value": value} for name, value in variables.items()]
    found = recognise({"image": image, "args": list(args), "env": env})
    assert found.server is not None
    return {knob.name for knob in found.server.knobs if of_use(knob, found, Hardware(gpus=gpus))}


def test_knobs_under_their_conditions() -> None:
    vllm, triton = "vllm/vllm-openai:1", "registry.example.com/nvidia/tritonserver:1"
    assert {"gpu_memory", "sequences"} <= useful(vllm, gpus=1)
    assert "tensor_parallel" in useful(vllm, gpus=4)
    assert "tensor_parallel" not in useful(vllm, "--tensor-parallel-size=1", gpus=1)
    assert {"gpu_memory", "sequences"} <= useful(vllm)
    assert useful(vllm, gpus=0) == {"sequences", "batched_tokens", "api_servers"}
    assert "gpu_memory" in useful(vllm, "--gpu_memory_utilization=0.8", gpus=0)
    assert "block_size" in useful(vllm, "--block-size", "16")
    assert "cpu_cache" in useful(vllm, VLLM_CPU_KVCACHE_SPACE="4")
    assert "batch_size" in useful(triton, "tritonserver", "--backend-config=default-max-batch-size=4")
    assert "batch_size" not in useful(triton, "tritonserver", "--backend-config=tensorflow,version=2")
    both = ("--backend-config=tensorflow,version=2", "--backend-config=default-max-batch-size=4")
    assert "batch_size" not in useful(triton, "tritonserver", *both)
    assert useful("x", "gunicorn", "-w", "2", "a:a") == {"workers", "threads"}
    assert useful("x", "gunicorn", "-k", "uvicorn.workers.UvicornWorker", "a:a") == {"workers"}
    assert useful("x", "gunicorn", "--worker-class=gevent", "a:a") == {"workers"}
