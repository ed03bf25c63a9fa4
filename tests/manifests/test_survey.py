from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.manifests.spaces import DEPLOYMENT, INFERENCE, SELDON
from tuner.errors import InputError
from tuner.load.protocols import protocol
from tuner.manifests.baseline import baseline
from tuner.manifests.check.knobs import check
from tuner.manifests.model import Manifest
from tuner.manifests.reader import read
from tuner.manifests.render import render
from tuner.manifests.servers.known import SERVERS
from tuner.manifests.survey import propose, sample_request
from tuner.space.file.read import read as read_space
from tuner.space.model import SearchSpace


def deployment(*container: str, name: str = "m") -> str:
    """Of one container, whose own lines are given."""
    lines = "\n          ".join(container)
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: m}}}}
  template:
    metadata: {{labels: {{app: m}}}}
    spec:
      containers:
        - name: server
          ports: [{{name: http, containerPort: 8080}}]
          {lines}
"""


def base_of(tmp_path: Path, text: str) -> Manifest:
    """The text as a manifest without a problem, in a file."""
    (tmp_path / "m.yaml").write_text(text)
    base, problems = read(tmp_path / "m.yaml")
    assert base is not None
    assert problems == ()
    return base


def proposed(tmp_path: Path, text: str) -> tuple[SearchSpace, str]:
    """The space that is proposed, read and checked."""
    base = base_of(tmp_path, text)
    written = propose(base)
    (tmp_path / "space.yaml").write_text(written)
    body = sample_request(base)
    (tmp_path / "request.json").write_text(body)
    space, problems = read_space(tmp_path / "space.yaml")
    assert problems == ()
    assert space is not None
    assert check(space, base) == ()
    assert render(space, base, baseline(space, base)).text == text
    options = {"model": space.workload.model or "", "path": space.workload.path or ""}
    assert protocol(space.workload.protocol, options).encode(body.encode())
    return space, written


@pytest.mark.parametrize(
    ("text", "protocol_", "names"),
    [
        (DEPLOYMENT, "seldon", "workers threads replicas cpu memory"),
        (SELDON, "seldon", "workers threads replicas cpu"),
        (INFERENCE, "v2", "parallel_workers replicas cpu memory"),
        (deployment("image: x:1"), "http", "replicas"),
        (deployment("image: x:1", "command: [gunicorn, -w, '9', app:app]"), "http", "workers threads replicas"),
        (deployment("image: x:1", "command: [sh, -c, gunicorn app]"), "http", "workers replicas"),
        (deployment("image: x:1", "command: [uvicorn, app:app]"), "http", "workers replicas"),
        (deployment("image: seldonio/mlserver:1.6"), "v2", "parallel_workers replicas"),
        (
            deployment("image: t:1", "args: [tritonserver, --model-repository=/m]"),
            "v2",
            "http_threads buffer_threads replicas",
        ),
        (deployment("image: nvcr.io/nvidia/tritonserver:25.01-py3"), "v2", "replicas"),
        (deployment("image: pytorch/torchserve:latest"), "http", "model_workers netty_threads replicas"),
        (deployment("image: tensorflow/serving"), "tensorflow", "inter_op intra_op rest_threads replicas"),
        (
            deployment("image: vllm/vllm-openai:v1", "args: [--model, facebook/opt-125m, --max-num-seqs, '1000']"),
            "openai",
            "sequences batched_tokens gpu_memory replicas",
        ),
        (deployment("image: x:1", "env: [{name: OMP_NUM_THREADS, value: '32'}]"), "http", "omp_num_threads replicas"),
        (
            deployment("image: x:1", "resources: {limits: {cpu: 1500m, memory: 1Gi}, requests: {memory: 700Mi}}"),
            "http",
            "replicas cpu memory",
        ),
        (deployment("image: x:1", "resources: {requests: {cpu: 2}}"), "http", "replicas cpu"),
        (deployment("image: x:1", name="a.very-Long".lower() + "-name" * 10), "http", "replicas"),
    ],
)
def test_what_is_proposed_is_right(tmp_path: Path, text: str, protocol_: str, names: str) -> None:
    space, written = proposed(tmp_path, text)
    assert space.workload.protocol == protocol_
    assert [parameter.name for parameter in space.parameters] == names.split()
    assert all("#" in line for line in written.splitlines() if line.startswith("  ") and "set:" in line)


def test_every_server_is_recognized_by_its_name() -> None:
    assert len({server.name for server in SERVERS}) == len(SERVERS)


def test_the_present_value_is_in_every_domain(tmp_path: Path) -> None:
    space, _ = proposed(tmp_path, deployment("image: x:1", "command: [gunicorn, -w, '9', app:app]"))
    assert space.parameter("workers").domain.high == 18  # type: ignore[union-attr]
    assert space.parameter("workers").targets == ("args/-w",)


def test_an_autoscaler_leaves_the_replicas_alone(tmp_path: Path) -> None:
    scaler = """---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: m}
spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: iris}}
"""
    space, written = proposed(tmp_path, DEPLOYMENT + scaler)
    assert "replicas" not in {parameter.name for parameter in space.parameters}
    assert "# replicas:" in written


def test_the_manifest_is_named_from_where_the_space_is_written(tmp_path: Path) -> None:
    base = base_of(tmp_path, DEPLOYMENT)
    assert "manifest: ../m.yaml\n" in propose(base, relative_to=tmp_path / "spaces")


def test_a_language_model_is_asked_by_its_name(tmp_path: Path) -> None:
    base = base_of(tmp_path, deployment("image: vllm/vllm-openai:v1", "args: [--model=facebook/opt-125m]"))
    assert json.loads(sample_request(base))["model"] == "facebook/opt-125m"


@pytest.mark.parametrize(
    "text", ["apiVersion: v1\nkind: Service\nmetadata: {name: x}\n", DEPLOYMENT + "---\n" + DEPLOYMENT]
)
def test_nothing_to_tune(tmp_path: Path, text: str) -> None:
    base = base_of(tmp_path, text)
    with pytest.raises(InputError):
        propose(base)
