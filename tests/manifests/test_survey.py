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
from tuner.manifests.survey import propose
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


def proposed(tmp_path: Path, text: str, **chosen: str) -> tuple[SearchSpace, str]:
    """The space that is proposed, read and checked."""
    base = base_of(tmp_path, text)
    proposal = propose(base, **chosen)
    written, body = proposal.space, proposal.request
    (tmp_path / "space.yaml").write_text(written)
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
        (deployment("image: x:1", "command: [sh, -c, gunicorn app]"), "http", "workers threads replicas"),
        (deployment("image: x:1", "command: [uvicorn, app:app]"), "http", "workers replicas"),
        (deployment("image: seldonio/mlserver:1.6"), "v2", "parallel_workers replicas"),
        (
            deployment("image: t:1", "args: [tritonserver, --model-repository=/m]"),
            "v2",
            "http_threads buffer_threads replicas",
        ),
        (deployment("image: registry.example.com/nvidia/tritonserver:25.01-py3"), "v2", "replicas"),
        (deployment("image: pytorch/torchserve:latest"), "http", "replicas"),
        (
            deployment("image: t:1", "args: [tritonserver]").replace("name: http", "name: h2c"),
            "v2-grpc",
            "buffer_threads replicas",
        ),
        (deployment("image: tensorflow/serving"), "tensorflow", "inter_op intra_op rest_threads replicas"),
        (
            deployment(
                "image: vllm/vllm-openai:v1",
                "args: [--model, facebook/opt-125m, --max-num-seqs, '1000']",
                "resources: {limits: {nvidia.com/gpu: 1}}",
            ),
            "openai",
            "sequences batched_tokens gpu_memory replicas",
        ),
        (deployment("image: x:1", "env: [{name: OMP_NUM_THREADS, value: '32'}]"), "http", "omp_num_threads replicas"),
        (
            deployment("image: x:1", "resources: {limits: {cpu: 1500m, memory: 1Gi}, requests: {memory: 700Mi}}"),
            "http",
            "replicas cpu memory",
        ),
        (deployment("image: x:1", "resources: {requests: {cpu: 2}}"), "http", "replicas"),
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
    assert "manifest: ../m.yaml\n" in propose(base, relative_to=tmp_path / "spaces").space


def test_a_language_model_is_asked_by_its_name(tmp_path: Path) -> None:
    base = base_of(tmp_path, deployment("image: vllm/vllm-openai:v1", "args: [--model=facebook/opt-125m]"))
    assert json.loads(propose(base).request)["model"] == "facebook/opt-125m"


@pytest.mark.parametrize(
    "text", ["apiVersion: v1\nkind: Service\nmetadata: {name: x}\n", DEPLOYMENT + "---\n" + DEPLOYMENT]
)
def test_nothing_to_tune(tmp_path: Path, text: str) -> None:
    base = base_of(tmp_path, text)
    with pytest.raises(InputError):
        propose(base)


SIDE_CAR = """\
        - name: istio-proxy
          image: example.com/istio/proxyv2:1.22.0
          ports: [{name: http-envoy-prom, containerPort: 15090}]
          readinessProbe: {httpGet: {path: /healthz/ready, port: 15021}}
"""
SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {name: m}
spec: {selector: {app: m}, ports: [{port: 80, targetPort: web}]}
"""


def beside(text: str, *containers: str) -> str:
    """The manifest with other containers before its own."""
    return text.replace("      containers:\n", "      containers:\n" + "".join(containers))


def test_a_known_side_car_is_passed_over_and_named(tmp_path: Path) -> None:
    text = beside(deployment("image: x:1"), SIDE_CAR)
    space, written = proposed(tmp_path, text)
    assert space.container == "server"
    assert "# beside it: istio-proxy (a side-car of a service mesh)\n" in written
    assert propose(base_of(tmp_path, text)).said == (
        "container server was chosen; --container chooses another: istio-proxy (a side-car of a service mesh)",
    )
    space, _ = proposed(tmp_path, text, container="istio-proxy")
    assert space.container == "istio-proxy"


def test_the_container_that_the_service_sends_to_is_chosen(tmp_path: Path) -> None:
    other = "        - {name: other, image: 'y:1', ports: [{containerPort: 9000}]}\n"
    web = "        - {name: web, image: 'z:1', ports: [{name: web, containerPort: 9001}]}\n"
    space, _ = proposed(tmp_path, beside(deployment("image: x:1"), other, web) + SERVICE)
    assert space.container == "web"


def test_a_word_in_an_argument_makes_no_server(tmp_path: Path) -> None:
    _, written = proposed(tmp_path, deployment("image: picker:1", "args: [--pool, vllm-small-pool]"))
    assert "Recognized: no server whose knobs are known." in written


STORE = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cache}
spec:
  selector: {matchLabels: {app: cache}}
  template:
    metadata: {labels: {app: cache}}
    spec:
      containers: [{name: redis, image: "redis:7", ports: [{containerPort: 6379}]}]
---
"""


def test_of_several_workloads_the_server_is_chosen_and_the_space_names_it(tmp_path: Path) -> None:
    text = STORE + deployment("image: x:1", "command: [gunicorn, -w, '2', app:app]")
    space, written = proposed(tmp_path, text)
    assert (space.tuned, space.container) == ("Deployment/m", "server")
    assert "object: Deployment/m\n# or Deployment/cache\n" in written
    space, _ = proposed(tmp_path, text, workload="deployment/cache")
    assert (space.tuned, space.container) == ("Deployment/cache", "redis")
    same = text.replace("name: redis", "name: server")
    space, _ = proposed(tmp_path, same)
    assert space.tuned == "Deployment/m"
    with pytest.raises(InputError, match="2 workloads have a container 'server'"):
        propose(base_of(tmp_path, same), container="server")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"workload": "Deployment/n"}, "the manifest has no workload 'Deployment/n'"),
        ({"container": "sever"}, "no container is called 'sever'; did you mean 'server'"),
    ],
)
def test_a_choice_that_is_not_there_is_refused(tmp_path: Path, chosen: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        propose(base_of(tmp_path, deployment("image: x:1")), **chosen)


def test_a_store_alone_is_no_server(tmp_path: Path) -> None:
    base = base_of(tmp_path, STORE.removesuffix("---\n"))
    with pytest.raises(
        InputError, match=r"no container in it serves a model, as far as can be told: redis \(a store\)"
    ):
        propose(base)
    assert "container: redis\n" in propose(base, container="redis").space


def test_what_serves_beside_a_store_is_told_to_be_none_that_is_tuned(tmp_path: Path) -> None:
    cluster = "---\napiVersion: ray.io/v1\nkind: RayCluster\nmetadata: {name: c}\nspec: {rayVersion: 2.46.0}\n"
    base = base_of(tmp_path, deployment("image: redis:7") + cluster)
    with pytest.raises(InputError, match=r"m.yaml:\d+: RayCluster c is not tuned: .*; write it as a RayService"):
        propose(base)


def test_a_page_alone_may_be_tuned(tmp_path: Path) -> None:
    space, _ = proposed(tmp_path, deployment("image: nginx:1"))
    assert space.container == "server"


def test_the_load_comes_in_where_the_service_sends_it(tmp_path: Path) -> None:
    front = "        - {name: front, image: 'front:1', ports: [{name: web, containerPort: 81}]}\n"
    text = beside(deployment("image: vllm/vllm-openai:v1", "args: [--model=a/b]"), front) + SERVICE
    space, written = proposed(tmp_path, text)
    assert (space.container, space.workload.port) == ("server", 81)
    assert "port: 81  # of container front, which the Service sends to" in written


def test_what_is_scaled_to_zero_begins_with_one(tmp_path: Path) -> None:
    text = DEPLOYMENT.replace("replicas: 1", "replicas: 0")
    base = base_of(tmp_path, text)
    (tmp_path / "space.yaml").write_text(propose(base).space)
    (tmp_path / "request.json").write_text(propose(base).request)
    space, _ = read_space(tmp_path / "space.yaml")
    assert space is not None
    assert baseline(space, base).values["replicas"] == 1
    assert "0 now, scaled to zero: a study begins with 1" in propose(base).space


def seldon(graph: str, *more: str, protocol: str = "") -> str:
    """Of one predictor with that graph; `more` are lines of the predictor."""
    lines = "".join(f"      {line}\n" for line in more)
    return f"""\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {{name: flowers}}
spec:
{protocol}  predictors:
    - name: main
      graph: {graph}
{lines}"""


V2 = "  protocol: v2\n"


@pytest.mark.parametrize(
    ("text", "protocol_", "model", "knobs"),
    [
        (seldon("{name: p, implementation: SKLEARN_SERVER, modelUri: x}"), "seldon", None, "workers threads replicas"),
        (seldon("{name: p, implementation: XGBOOST_SERVER, modelUri: x}"), "seldon", None, "workers threads replicas"),
        (seldon("{name: p, implementation: MLFLOW_SERVER, modelUri: x}"), "seldon", None, "workers threads replicas"),
        (
            seldon("{name: p, implementation: SKLEARN_SERVER, modelUri: x}", protocol=V2),
            "v2",
            "p",
            "parallel_workers replicas",
        ),
        (
            seldon("{name: p, implementation: HUGGINGFACE_SERVER}", protocol="  protocol: kfserving\n"),
            "v2",
            "p",
            "parallel_workers replicas",
        ),
        (
            seldon("{name: p, implementation: TRITON_SERVER, modelUri: x}", protocol=V2),
            "v2",
            "p",
            "http_threads buffer_threads replicas",
        ),
        (seldon("{name: p, implementation: TENSORFLOW_SERVER}"), "seldon", None, "workers threads replicas"),
        (seldon("{name: p, implementation: OUR_SERVER}"), "seldon", None, "workers threads replicas"),
        (seldon("{name: p, implementation: OUR_SERVER}", protocol=V2), "v2", "p", "parallel_workers replicas"),
        (
            seldon("{name: p, implementation: TENSORFLOW_SERVER}", protocol="  protocol: tensorflow\n"),
            "tensorflow",
            "p",
            "inter_op intra_op rest_threads replicas",
        ),
    ],
)
def test_seldons_prepackaged_servers(tmp_path: Path, text: str, protocol_: str, model: str | None, knobs: str) -> None:
    space, _ = proposed(tmp_path, text)
    assert (space.workload.protocol, space.workload.model) == (protocol_, model)
    assert set(knobs.split()) <= {parameter.name for parameter in space.parameters}
    assert space.container == "p"


GRAPH = """\
{name: shape, type: OUTPUT_TRANSFORMER, children: [{name: clean, type: TRANSFORMER, children: [{name: p, type: MODEL}]}]}"""


def test_of_a_graph_the_model_is_chosen_and_the_others_workers_vary_too(tmp_path: Path) -> None:
    names = ("clean", "p", "shape")
    containers = ", ".join(f"{{name: {name}, image: 'seldonio/{name}:1'}}" for name in names)
    text = seldon(GRAPH, f"componentSpecs: [{{spec: {{containers: [{containers}]}}}}]")
    space, _ = proposed(tmp_path, text)
    assert space.container == "p"
    found = {parameter.name: parameter.container for parameter in space.parameters}
    assert found == {
        "workers": None,
        "threads": None,
        "clean_workers": "clean",
        "shape_workers": "shape",
        "replicas": None,
    }


def test_of_several_predictors_the_one_with_most_traffic_is_chosen(tmp_path: Path) -> None:
    text = seldon("{name: p, implementation: SKLEARN_SERVER, modelUri: x}", "traffic: 20")
    text += text[text.index("    - name: main") :].replace("main", "newer").replace("20", "80")
    space, written = proposed(tmp_path, text)
    assert space.tuned == "SeldonDeployment/flowers/newer"
    assert "# or SeldonDeployment/flowers/main\n" in written
    space, _ = proposed(tmp_path, text.replace("traffic: 80", "shadow: true"))
    assert space.tuned == "SeldonDeployment/flowers/main"


def test_of_several_component_specs_the_models_is_chosen(tmp_path: Path) -> None:
    specs = [
        "- {spec: {containers: [{name: clean, image: 'c:1'}]}}",
        "- {spec: {containers: [{name: p, image: 'p:1'}]}}",
    ]
    text = seldon("{name: clean, type: TRANSFORMER, children: [{name: p, type: MODEL}]}", "componentSpecs:", *specs)
    space, _ = proposed(tmp_path, text)
    assert (space.tuned, space.container) == ("SeldonDeployment/flowers/main/p", "p")


def kserve(*predictor: str, more: str = "") -> str:
    lines = "".join(f"    {line}\n" for line in predictor)
    return f"""\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: iris}}
spec:
{more}  predictor:
{lines}"""


@pytest.mark.parametrize(
    ("text", "protocol_", "model", "server"),
    [
        (kserve("model: {modelFormat: {name: sklearn}, storageUri: x}"), "tensorflow", "iris", None),
        (kserve("sklearn: {storageUri: x}"), "tensorflow", "iris", None),
        (
            kserve("model: {modelFormat: {name: sklearn}, protocolVersion: v2, storageUri: x}"),
            "v2",
            "iris",
            "MLServer",
        ),
        (kserve("xgboost: {protocolVersion: v2, storageUri: x}"), "v2", "iris", "MLServer"),
        (kserve("model: {modelFormat: {name: triton}, storageUri: x}"), "v2", "iris", "Triton Inference Server"),
        (kserve("triton: {storageUri: x}"), "v2", "iris", "Triton Inference Server"),
        (kserve("onnx: {storageUri: x}"), "v2", "iris", "Triton Inference Server"),
        (
            kserve("tensorflow: {storageUri: x, args: [--model_name=own]}"),
            "tensorflow",
            "own",
            "TensorFlow Serving",
        ),
        (kserve("model: {modelFormat: {name: pytorch}, storageUri: x}"), "tensorflow", "iris", "TorchServe"),
        (
            kserve("model: {modelFormat: {name: sklearn}, runtime: kserve-mlserver, storageUri: x}"),
            "v2",
            "iris",
            "MLServer",
        ),
        (kserve("model: {modelFormat: {name: huggingface}, args: [--model_name=tale]}"), "openai", None, None),
        (
            kserve("model: {modelFormat: {name: huggingface}, args: [--task=fill_mask]}"),
            "tensorflow",
            "iris",
            None,
        ),
    ],
)
def test_kserves_formats_and_runtimes(
    tmp_path: Path, text: str, protocol_: str, model: str | None, server: str | None
) -> None:
    space, written = proposed(tmp_path, text)
    assert (space.workload.protocol, space.workload.model) == (protocol_, model)
    assert space.container == "kserve-container"
    assert server is None or f"Recognized: {server}" in written


def test_before_a_transformer_the_predictor_is_chosen(tmp_path: Path) -> None:
    transformer = "  transformer: {containers: [{name: kserve-container, image: 't:1'}]}\n"
    text = kserve("model: {modelFormat: {name: sklearn}, storageUri: x}", more=transformer)
    space, _ = proposed(tmp_path, text)
    assert space.tuned == "InferenceService/iris/predictor"
    space, _ = proposed(tmp_path, text, workload="InferenceService/iris/transformer")
    assert space.tuned == "InferenceService/iris/transformer"


def test_under_grpc_load_the_workers_for_grpc_vary(tmp_path: Path) -> None:
    text = seldon("{name: p, implementation: SKLEARN_SERVER, modelUri: x}", protocol="  transport: grpc\n")
    space, written = proposed(tmp_path, text)
    assert (space.workload.protocol, space.workload.port) == ("seldon-grpc", 5001)
    assert [parameter.name for parameter in space.parameters] == ["grpc_workers", "grpc_threads", "replicas"]
    assert "# workers:" in written


def test_what_the_orchestrator_does_itself_is_no_server(tmp_path: Path) -> None:
    graph = "{name: all, implementation: AVERAGE_COMBINER, children: [{name: a, type: MODEL}, {name: b, type: MODEL}]}"
    containers = "[{name: a, image: 'a:1'}, {name: b, image: 'b:1'}]"
    space, written = proposed(tmp_path, seldon(graph, f"componentSpecs: [{{spec: {{containers: {containers}}}}}]"))
    assert space.container == "a"
    assert "all" not in written.partition("parameters:")[0]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exec gunicorn --workers $(nproc) app:app", "# not here: the container's script works --workers out"),
        ("N=4; exec gunicorn --workers $N app:app", "# not here: --workers is $N, which the script sets itself"),
        ("export WEB_CONCURRENCY=3; exec gunicorn app:app", "# not here: the container's script sets WEB_CONCURRENCY"),
        ("exec gunicorn -w $N app:app", "  workers: {int: [1, 4], set: env/N}"),
        ("export WEB_CONCURRENCY=3; exec gunicorn -w $N app:app", "  workers: {int: [1, 4], set: env/N}"),
    ],
)
def test_what_a_script_decides_is_said_and_what_it_takes_is_a_knob(script: str, expected: str, tmp_path: Path) -> None:
    _, written = proposed(tmp_path, deployment("image: example/app:1", f"command: [sh, -c, '{script}']"))
    assert expected in next(line for line in written.splitlines() if "workers:" in line)
