from __future__ import annotations

from typing import Any

import pytest

from tests.manifests.spaces import DEPLOYMENT, INFERENCE, SELDON, choice, integer, manifest, rendered, space
from tuner.manifests.baseline import baseline
from tuner.manifests.check.knobs import check
from tuner.manifests.kinds import KINDS, Place, Service, WorkloadKind, kind_of
from tuner.manifests.kinds.model import at, count
from tuner.manifests.pods import pods
from tuner.manifests.render import render
from tuner.manifests.servers.recognition import recognise
from tuner.space.model import Configuration, Parameter
from tuner.space.values import Value
from tuner.trials.resources import requested
from tuner.workload.model import WorkloadSpec
from tuner.yaml.tree import load_all

STATEFUL = DEPLOYMENT.replace("kind: Deployment", "kind: StatefulSet").replace(
    "spec:\n", "spec:\n  serviceName: iris\n", 1
)
REPLICA = DEPLOYMENT.replace("kind: Deployment", "kind: ReplicaSet")
ROLLOUT = DEPLOYMENT.replace("apps/v1", "argoproj.io/v1alpha1").replace("kind: Deployment", "kind: Rollout")
CONFIG = (
    DEPLOYMENT.replace("apps/v1", "apps.openshift.io/v1")
    .replace("kind: Deployment", "kind: DeploymentConfig")
    .replace("selector: {matchLabels: {app: iris}}", "selector: {app: iris}")
)
_CONTAINER = """\
name: classifier
image: iris:1
args: [--log-level, info]
env: [{name: GUNICORN_WORKERS, value: "2"}]
ports: [{name: http, containerPort: 9000}]
resources:
  limits: {cpu: "1", memory: 512Mi, nvidia.com/gpu: "1"}
  requests: {cpu: "1"}
"""
_SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {name: iris}
spec: {selector: {app: iris}, ports: [{name: http, port: 80, targetPort: http}]}
"""


def _within(text: str, indent: int) -> str:
    """The container as the only item of a list, at that indentation."""
    lines = _CONTAINER.splitlines()
    return text + "\n".join(" " * indent + ("- " if n == 0 else "  ") + line for n, line in enumerate(lines)) + "\n"


POD = _within("apiVersion: v1\nkind: Pod\nmetadata: {name: iris, labels: {app: iris}}\nspec:\n  containers:\n", 2) + (
    _SERVICE
)
KNATIVE = _within(
    "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: iris}\nspec:\n  template:\n    metadata:\n"
    '      annotations: {autoscaling.knative.dev/min-scale: "1", autoscaling.knative.dev/max-scale: "1"}\n'
    "    spec:\n      containers:\n",
    6,
)
GROUPS = (
    _within(
        "apiVersion: leaderworkerset.x-k8s.io/v1\nkind: LeaderWorkerSet\nmetadata: {name: iris}\nspec:\n  replicas: 1\n"
        "  leaderWorkerTemplate:\n    size: 3\n    leaderTemplate:\n      metadata: {labels: {app: iris}}\n"
        "      spec:\n        containers:\n",
        8,
    )
    + _within("    workerTemplate:\n      spec:\n        containers:\n", 8).replace("classifier", "worker")
    + _SERVICE
)
RAY = _within(
    "apiVersion: ray.io/v1\nkind: RayService\nmetadata: {name: iris}\nspec:\n  serveConfigV2: 'applications: []'\n"
    "  rayClusterConfig:\n    headGroupSpec:\n      template:\n        spec:\n          containers:\n",
    10,
) + _within(
    "    workerGroupSpecs:\n      - groupName: small\n        replicas: 2\n        template:\n          spec:\n"
    "            containers:\n",
    12,
).replace("classifier", "worker")
TEXTS = {
    "Deployment": DEPLOYMENT,
    "StatefulSet": STATEFUL,
    "ReplicaSet": REPLICA,
    "Rollout": ROLLOUT,
    "DeploymentConfig": CONFIG,
    "SeldonDeployment": SELDON,
    "InferenceService": INFERENCE,
    "Pod": POD,
    "Service": KNATIVE,
    "LeaderWorkerSet": GROUPS,
    "RayService": RAY,
}
ALONE = ("Pod", "RayService")
"""Without a number of replicas."""


def first(text: str) -> Any:
    return load_all(text)[0]


def known(obj: Any) -> WorkloadKind:
    kind = kind_of(obj)
    assert kind is not None
    return kind


def lines(text: str, *parameters: Parameter, **values: Value) -> list[str]:
    """The lines that differ from the base."""
    assert check(space(*parameters), manifest(text)) == ()
    out = rendered(text, *parameters, **values)
    assert out.objects == load_all(out.text)
    assert dict(baseline(space(*parameters), manifest(out.text)).values) == values
    return [line.strip() for line in out.text.splitlines() if line not in text.splitlines()]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_kind_keeps_the_seams_promises(kind: Any) -> None:
    obj = first(TEXTS[kind.kind])
    assert kind_of(obj) is kind
    places = kind.containers(obj)
    assert places
    assert all(isinstance(at(obj, place.path), dict) or place.injected for place in places)
    assert [str(at(obj, path)) for path in kind.replicas(obj)][:1] == ([] if kind.kind in ALONE else ["1"])
    assert count(kind, obj) == (None if kind.kind in ALONE else 1)
    assert kind.obstacles(obj) == ()
    assert kind.autoscaler(obj) is None
    assert kind.pod_annotations(obj, places[0].path)[-1] == "annotations"
    assert isinstance(kind.waiting(obj), str)
    assert all(path[-1] == "labels" for path in (*kind.pod_labels(obj), *kind.more_labels(obj)))
    assert kind.pod_labels(obj)
    assert all(isinstance(at(obj, path), dict) for path in (*kind.pod_selectors(obj), *kind.pod_specs(obj)))
    assert kind.service(obj, load_all(TEXTS[kind.kind])) is not None


@pytest.mark.parametrize("kind", TEXTS)
def test_the_same_knobs_work_on_every_kind(kind: str) -> None:
    knobs = (
        integer("workers", "env/WORKERS"),
        integer("flag", "args/--flag"),
        integer("replicas", "replicas"),
        choice("cpu", ("1", "2"), "limits/cpu", "requests/cpu"),
        choice("note", ("on", "off"), "annotations/a.b/c", "pod-annotations/a.b/c"),
    )
    values: dict[str, Value] = {"workers": 3, "flag": 2, "replicas": 2, "cpu": "2", "note": "on"}
    if kind in ALONE:
        (problem,) = check(space(knobs[2]), manifest(TEXTS[kind]))
        assert f"a {kind} has one replica, and no number of them to set" in problem.message
        values.pop("replicas")
    found = lines(TEXTS[kind], *(knob for knob in knobs if knob.name in values), **values)
    assert sum("2" in line for line in found) >= 3
    assert '- "--flag=2"' in found or '"--flag=2"' in " ".join(found)


def test_other_objects_are_no_workload() -> None:
    assert kind_of({"apiVersion": "extensions/v1beta1", "kind": "Deployment"}) is None
    assert kind_of({"apiVersion": "v1", "kind": "Service"}) is None
    assert kind_of({}) is None


@pytest.mark.parametrize("kind", ["Service", "LeaderWorkerSet", "RayService", "Pod"])
def test_pods_of_other_shapes_answer_where_they_should(kind: str) -> None:
    found = pods(space(integer("workers", "env/GUNICORN_WORKERS")), rendered(TEXTS[kind], workers=2))
    assert (found.serving, found.port, found.replicas) == ("classifier", 9000, 1)
    beside = {"LeaderWorkerSet": 2, "RayService": 2}.get(kind, 0)
    assert [container.name for container in found.beside] == ["worker"] * beside
    assert requested(found).cores == requested(found).gpus == 1 + beside


def test_knatives_least_and_most_are_text_and_set_together() -> None:
    text = KNATIVE.replace(', autoscaling.knative.dev/max-scale: "1"', "")
    assert lines(text, integer("replicas", "replicas"), replicas=3) == [
        'annotations: {autoscaling.knative.dev/min-scale: "3", autoscaling.knative.dev/max-scale: "3"}'
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: x}", "on every node"),
        ("apiVersion: serving.kserve.io/v1alpha1\nkind: LLMInferenceService\nmetadata: {name: x}", "NAME-kserve"),
        ("apiVersion: mlops.seldon.io/v1alpha1\nkind: Model\nmetadata: {name: x}", "the knobs live on the Server"),
        ("apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: x}", "write apiVersion: apps/v1"),
        ("apiVersion: serving.kubeflow.org/v1beta1\nkind: InferenceService\nmetadata: {name: x}", "kserve.io/v1beta1"),
        ("apiVersion: v1\nkind: ReplicationController\nmetadata: {name: x}", "write it as a Deployment"),
        (
            "apiVersion: production-stack.vllm.ai/v1alpha1\nkind: VLLMRuntime\nmetadata: {name: x}",
            "get deployment NAME",
        ),
        ("apiVersion: batch/v1\nkind: Job\nmetadata: {name: x}", "it ends, and serves nothing"),
    ],
)
def test_what_cannot_honestly_be_run_is_refused_with_its_line_and_what_to_do(text: str, words: str) -> None:
    before = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n---\n"
    (problem, *_) = check(space(integer("workers", "env/A")), manifest(before + text))
    assert problem.where.line == 5
    assert f"{first(text)['kind']} x is not tuned: " in problem.message
    assert words in str(problem)


@pytest.mark.parametrize(
    ("text", "change", "words"),
    [
        (
            ROLLOUT,
            ("  replicas: 1\n", "  replicas: 1\n  workloadRef: {name: x}\n"),
            "workloadRef takes the pod template",
        ),
        (
            POD.replace("ports: [{name: http, containerPort: 9000}]", "tty: false"),
            ("spec:\n", "spec:\n  restartPolicy: Never\n"),
            "and is no server",
        ),
        (RAY, ("    headGroupSpec", "    enableInTreeAutoscaling: true\n    headGroupSpec"), "Ray's autoscaler"),
        (KNATIVE, ("    metadata:\n", "    metadata:\n      name: iris-7\n"), "the revision has a name"),
    ],
)
def test_obstacles_of_other_shapes(text: str, change: tuple[str, str], words: str) -> None:
    changed = text.replace(*change, 1)
    assert changed != text
    assert words in " ".join(obstacle.message for obstacle in known(first(changed)).obstacles(first(changed)))


def test_a_rollout_that_waits_for_a_person_and_one_that_gave_up() -> None:
    live = {**first(ROLLOUT), "status": {"phase": "Paused", "message": "CanaryPauseStep"}}
    assert known(live).waiting(live) == "it is paused: CanaryPauseStep"
    live["status"] = {"phase": "Degraded", "message": "ProgressDeadlineExceeded"}
    assert known(live).failed(live) == "ProgressDeadlineExceeded"


READY = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "observedGeneration": 3}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (READY, None),
        ({}, "the new specification was not seen yet"),
        ({**READY, "observedGeneration": 2}, "the new specification was not seen yet"),
        ({**READY, "updatedReplicas": 1}, "1 of 2 replicas updated"),
        ({**READY, "readyReplicas": 1}, "1 of 2 replicas ready"),
        ({**READY, "replicas": 3}, "1 old replicas are still there"),
    ],
)
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_readiness_of_a_rollout(kind: str, status: dict[str, int], expected: str | None) -> None:
    live = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"generation": 3},
        "spec": {"replicas": 2},
        "status": status,
    }
    found = known(live)
    assert found.waiting(live) == expected


def test_readiness_of_custom_resources() -> None:
    seldon, inference = first(SELDON), first(INFERENCE)
    kind = known(seldon)
    assert kind.waiting({**seldon, "status": {"state": "Creating", "description": "1 of 2"}}) == "Creating: 1 of 2"
    assert kind.waiting({**seldon, "status": {"state": "Available"}}) is None
    assert kind.waiting({**seldon, "metadata": {"generation": 1}, "status": {"state": "Available"}}) is None
    older = {"metadata": {"generation": 2}, "status": {"state": "Available", "observedGeneration": 1}}
    assert kind.waiting(older) == "the operator has not seen the new specification yet"
    kind = known(inference)
    condition = {"type": "Ready", "status": "False", "reason": "NoModel", "message": "not loaded"}
    assert kind.waiting({**inference, "status": {"conditions": [condition]}}) == "NoModel: not loaded"
    assert kind.waiting({**inference, "status": {"conditions": [{**condition, "status": "True"}]}}) is None


@pytest.mark.parametrize(
    ("kind", "service"),
    [
        ("Deployment", Service(name="iris", port=80)),
        ("SeldonDeployment", Service(name="iris-default", port=8000, grpc_port=5001)),
        ("InferenceService", Service(name="iris-predictor", port=80)),
    ],
)
def test_the_service_in_front(kind: str, service: Service) -> None:
    found = known(first(TEXTS[kind]))
    assert found.service(first(TEXTS[kind]), load_all(TEXTS[kind])) == service
    if kind == "Deployment":
        assert found.service(first(DEPLOYMENT), load_all(DEPLOYMENT)[:1]) is None


def test_seldons_orchestrator_is_tuned_by_its_containers_name() -> None:
    knob = integer("x", "env/SELDON_ENABLE_ROUTING", container="seldon-container-engine")
    assert lines(SELDON, knob, x=1) == ["svcOrchSpec:", "env:", '- name: "SELDON_ENABLE_ROUTING"', 'value: "1"']
    (problem,) = check(space(knob), manifest(without_engine("True")))
    assert "has no container 'seldon-container-engine'" in problem.message


def without_engine(switch: str) -> str:
    return SELDON.replace(
        "      replicas: 1\n", f'      replicas: 1\n      annotations: {{seldon.io/no-engine: "{switch}"}}\n'
    )


def test_without_an_orchestrator_the_service_is_on_the_models_own_port() -> None:
    kind = known(first(SELDON))
    for text, port, grpc in [
        (without_engine("false"), 8000, 5001),
        (without_engine("true"), 9000, 9500),
        (without_engine("true").replace("image: iris:1", "ports: [{name: http, containerPort: 8080}]"), 8080, 9500),
        (
            without_engine("true").replace(
                "              - name: c", "              - name: side\n              - name: c"
            ),
            9001,
            9501,
        ),
    ]:
        assert kind.service(first(text), ()) == Service(name="iris-default", port=port, grpc_port=grpc)
    long = SELDON.replace("name: iris\n", f"name: {'i' * 60}\n", 1)
    assert kind.service(first(long), ()) == Service(
        name="seldon-c15f78b202ff8f4268d0d448689b2d4e", port=8000, grpc_port=5001
    )


def test_seldons_switches_are_written_where_the_operator_reads_them() -> None:
    knobs = (
        choice("x", (True, False), "annotations/seldon.io/no-engine"),
        choice("y", ("1s", "2s"), "annotations/seldon.io/rest-timeout"),
    )
    assert lines(SELDON, *knobs, x=True, y="2s") == [
        "annotations:",
        'seldon.io/no-engine: "true"',
        "annotations:",
        'seldon.io/rest-timeout: "2s"',
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "  name: iris\n",
            '  name: iris\n  annotations: {seldon.io/no-engine: "true"}\n',
            "does not read seldon.io/no-engine here",
        ),
        (
            "      replicas: 1\n",
            "      annotations: {seldon.io/svc-name: iris}\n",
            "gives the Service of every trial one name",
        ),
        (
            "        - spec:\n",
            "        - spec: {containers: [{name: other}]}\n        - spec:\n",
            "several componentSpecs",
        ),
    ],
)
def test_what_would_give_a_trial_other_pods_or_services_is_told(old: str, new: str, expected: str) -> None:
    found = check(space(integer("x", "replicas"), container="classifier"), manifest(SELDON.replace(old, new, 1)))
    assert [expected in problem.message for problem in found] == [True]


def test_what_the_orchestrator_requests_is_paid_for() -> None:
    knob = choice("x", ("250m", "500m"), "requests/cpu", container="seldon-container-engine")
    found = pods(space(knob), rendered(SELDON, knob, x="250m"))
    assert [(c.name, dict(c.requests)) for c in found.added] == [("seldon-container-engine", {"cpu": "250m"})]
    assert [c.name for c in found.containers] == ["classifier"]
    assert requested(found).cores == 1.25


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("      replicas: 1\n", "      replicas: 1\n", "      replicas: 3"),
        ("      replicas: 1\n", "", "      replicas: 3"),
        ("        - spec:\n", "        - replicas: 2\n          spec:\n", "        - replicas: 3"),
        ("      replicas: 1\n", "\n  replicas: 5\n", "  replicas: 3"),
    ],
)
def test_the_place_of_seldons_replicas_is_the_one_that_counts(old: str, new: str, expected: str) -> None:
    text = SELDON.replace(old, new)
    if new.startswith("\n"):
        text = SELDON.replace(old, "").replace("spec:\n  predictors", "spec:\n  replicas: 5\n  predictors")
    out = rendered(text, integer("x", "replicas"), x=3)
    assert [line for line in out.text.splitlines() if line not in text.splitlines()] == [expected]
    assert pods(space(), out).replicas == 3


def test_kserves_most_replicas_follow_where_they_are_set() -> None:
    text = INFERENCE.replace("minReplicas: 1", "minReplicas: 1\n    maxReplicas: 1")
    assert lines(text, integer("x", "replicas"), x=2) == ["minReplicas: 2", "maxReplicas: 2"]
    assert lines(INFERENCE, integer("x", "replicas"), x=2) == ["minReplicas: 2"]


def test_kserves_containers() -> None:
    kind = known(first(INFERENCE))
    assert kind.containers(first(INFERENCE)) == (Place(name="kserve-container", path=("spec", "predictor", "model")),)
    old = {"spec": {"predictor": {"sklearn": {"storageUri": "x"}, "containers": [{"name": "side"}]}}}
    assert [place.name for place in kind.containers(old)] == ["kserve-container", "side"]
    assert pods(space(), rendered(INFERENCE)).port == 8080


CUSTOM = """\
apiVersion: models.example.com/v1
kind: Scorer
metadata:
  name: iris
  annotations:
    tuner.dev/service: "{name}-front:80"
    tuner.dev/pods: "scorer={name}"
spec:
  replicas: 1
  template:
    spec:
      containers:
        - name: server
          image: iris:1
          ports: [{name: http, containerPort: 9000}]
"""


def test_any_custom_resource_that_says_how_it_serves() -> None:
    obj = first(CUSTOM)
    kind = known(obj)
    assert (kind.group, kind.kind) == ("models.example.com", "Scorer")
    assert kind.service(obj, ()) == Service(name="iris-front", port=80)
    assert kind.selector(obj) == "scorer=iris"
    assert kind.pod_annotations(obj, kind.containers(obj)[0].path) == ("spec", "template", "metadata", "annotations")
    assert kind.waiting(obj) == "no condition Ready yet"
    assert kind.waiting({**obj, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}) is None
    knobs = (integer("x", "replicas"), integer("y", "env/A"), choice("z", ("a", "b"), "annotations/c"))
    assert check(space(*knobs), manifest(CUSTOM)) == ()
    found = pods(space(*knobs), rendered(CUSTOM, *knobs, x=2, y=1, z="a"))
    assert (found.kind, found.api_version, found.replicas, found.port) == ("Scorer", "models.example.com/v1", 2, 9000)
    assert kind_of({**obj, "metadata": {"name": "iris"}}) is None
    assert kind_of({**obj, "apiVersion": "v1"}) is None


def test_a_custom_resource_says_where_its_containers_and_replicas_are() -> None:
    text = CUSTOM.replace(
        "    tuner.dev/pods",
        "    tuner.dev/containers: /spec/server\n    tuner.dev/replicas: /spec/size\n    tuner.dev/pods",
    )
    obj = first(text[: text.index("spec:\n")] + "spec: {size: 3, server: {image: i, env: []}}\n")
    kind = known(obj)
    assert kind.containers(obj) == (Place(name="server", path=("spec", "server")),)
    assert kind.replicas(obj) == (("spec", "size"),)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"{name}-front:80"', "front", "tuner.dev/service is 'front', which names no Service with its port"),
        ('    tuner.dev/pods: "scorer={name}"\n', "", "nothing tells which pods its operator makes for this Scorer"),
        (
            "    tuner.dev/pods",
            "    tuner.dev/replicas: spec.size\n    tuner.dev/pods",
            "'spec.size', which is no JSON pointer",
        ),
    ],
)
def test_a_custom_resource_that_does_not_say_it_right(old: str, new: str, expected: str) -> None:
    found = check(space(integer("x", "env/A")), manifest(CUSTOM.replace(old, new)))
    assert [expected in problem.message for problem in found] == [True]


def prepackaged(implementation: str, *more: str, protocol: str = "seldon") -> str:
    """A prepackaged server; `more` are lines of its predictor."""
    lines = "".join(f"      {line}\n" for line in more)
    return f"""\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {{name: iris}}
spec:
  protocol: {protocol}
  predictors:
    - name: main
      replicas: 1
      graph: {{name: classifier, implementation: {implementation}, modelUri: "gs://bucket/iris"}}
{lines}"""


def test_a_container_that_the_operator_would_make_is_written_for_a_knob() -> None:
    text = prepackaged("SKLEARN_SERVER")
    knobs = (integer("x", "env/GUNICORN_WORKERS"), choice("y", ("1", "2"), "limits/cpu"))
    assert lines(text, *knobs, x=3, y="2") == [
        "componentSpecs:",
        "- spec:",
        "containers:",
        '- name: "classifier"',
        "env:",
        '- name: "GUNICORN_WORKERS"',
        'value: "3"',
        "resources:",
        "limits:",
        'cpu: "2"',
    ]
    beside = prepackaged("SKLEARN_SERVER", "componentSpecs:", "  - spec:", "      containers:", "        - name: other")
    found = rendered(beside, integer("x", "env/A", container="classifier"), x=3)
    containers = at(found.objects[0], ("spec", "predictors", 0, "componentSpecs", 0, "spec", "containers"))
    assert [container["name"] for container in containers] == ["other", "classifier"]


def test_of_several_that_the_operator_would_make_those_before_it_are_written_too() -> None:
    node = '{name: NAME, implementation: SKLEARN_SERVER, modelUri: "gs://bucket/NAME"}'
    children = ", ".join(node.replace("NAME", name) for name in ("one", "two"))
    text = prepackaged("RANDOM_ABTEST").replace('modelUri: "gs://bucket/iris"', f"children: [{children}]")
    found = rendered(text, integer("x", "env/GUNICORN_WORKERS", container="two"), x=3)
    containers = at(found.objects[0], ("spec", "predictors", 0, "componentSpecs", 0, "spec", "containers"))
    assert containers == [{"name": "one"}, {"name": "two", "env": [{"name": "GUNICORN_WORKERS", "value": "3"}]}]


def test_ones_own_image_of_a_prepackaged_server_is_that_server() -> None:
    own = "containers: [{name: classifier, image: example/sklearnserver:7}]"
    obj = first(prepackaged("SKLEARN_SERVER", "componentSpecs:", "  - spec:", f"      {own}"))
    kind = known(obj)
    (place, *_) = kind.containers(obj)
    found = recognise(kind.container(obj, place), known_as=kind.server(obj, place)).server
    assert found is not None
    assert found.name == "seldon-core microservice"


def test_arguments_that_the_operator_would_give_are_written_with_a_flag() -> None:
    """Given any, the operator drops its own."""
    text = prepackaged("TRITON_SERVER", protocol="v2")
    found = rendered(text, integer("x", "args/--http-thread-count"), x=4)
    path = ("spec", "predictors", 0, "componentSpecs", 0, "spec", "containers", 0, "args")
    assert at(found.objects[0], path) == [
        "/opt/tritonserver/bin/tritonserver",
        "--grpc-port=9500",
        "--http-port=9000",
        "--model-repository=/mnt/models",
        "--strict-model-config=false",
        "--http-thread-count=4",
    ]
    found = rendered(prepackaged("TENSORFLOW_SERVER", protocol="tensorflow"), integer("x", "args/--threads"), x=4)
    assert at(found.objects[0], path)[:3] == ["--port=9500", "--rest_api_port=9000", "--model_name=classifier"]


def test_a_prepackaged_server_answers_on_the_port_that_the_operator_gives_it() -> None:
    for implementation, protocol in (("SKLEARN_SERVER", "seldon"), ("SKLEARN_SERVER", "v2"), ("TRITON_SERVER", "v2")):
        found = pods(space(), rendered(prepackaged(implementation, protocol=protocol)))
        assert (found.serving, found.port) == ("classifier", 9000)
    node = "{name: pre, type: TRANSFORMER, children: [{name: classifier, type: MODEL}]}"
    text = SELDON.replace("{name: classifier, type: MODEL, children: []}", node).replace(
        "              - name: c", "              - {name: pre, image: p}\n              - name: c"
    )
    found = pods(space(container="classifier"), rendered(text))
    assert (found.serving, found.port) == ("classifier", 9001)


TWO_PREDICTORS = SELDON.replace(
    "  predictors:\n",
    """\
  predictors:
    - name: canary
      replicas: 4
      traffic: 10
      graph: {name: classifier, type: MODEL}
      componentSpecs: [{spec: {containers: [{name: classifier, image: "iris:2"}]}}]
""",
)


def test_of_several_predictors_one_is_tuned() -> None:
    kind = known(first(TWO_PREDICTORS))
    obj = first(TWO_PREDICTORS)
    assert kind.components(obj) == ("canary", "default")
    chosen = kind.of("default")
    assert chosen.obstacles(obj) == ()
    assert chosen.service(obj, ()) == Service(name="iris-default", port=8000, grpc_port=5001)
    assert chosen.selector(obj) == "seldon-deployment-id=iris,seldon-app=iris-default"
    knob = integer("x", "replicas")
    tuned = space(knob, tuned="SeldonDeployment/iris/default")
    found = pods(tuned, render(tuned, manifest(TWO_PREDICTORS), Configuration(values={"x": 3})))
    assert (found.replicas, found.component, found.containers[0].image) == (3, "default", "iris:1")
    every = [("spec", "predictors", index, "componentSpecs", 0) for index in (0, 1)]
    assert chosen.pod_specs(obj) == tuple((*path, "spec") for path in every)
    assert kind.pod_labels(obj) == tuple((*path, "metadata", "labels") for path in every)
    other = space(knob, tuned="SeldonDeployment/iris/canary")
    assert baseline(other, manifest(TWO_PREDICTORS)).values == {"x": 4}


def test_of_several_component_specs_one_is_tuned() -> None:
    text = SELDON.replace(
        "        - spec:\n", "        - spec: {containers: [{name: pre, image: p}]}\n        - spec:\n"
    )
    text = text.replace(
        "{name: classifier, type: MODEL, children: []}",
        "{name: pre, type: TRANSFORMER, children: [{name: classifier, type: MODEL}]}",
    )
    kind, obj = known(first(text)), first(text)
    assert kind.components(obj) == ("default/pre", "default/classifier")
    assert kind.usual_component(obj) == "default/classifier"
    front, model = kind.of("default/pre"), kind.of("default/classifier")
    assert [place.name for place in front.containers(obj)] == ["pre", "seldon-container-engine"]
    assert front.service(obj, ()) == Service(name="iris-default", port=8000, grpc_port=5001)
    assert [place.name for place in model.containers(obj)] == ["classifier"]
    assert model.service(obj, ()) == Service(name="iris-default-classifier", port=9001, grpc_port=9501)
    assert model.selector(obj) == "seldon-deployment-id=iris,seldon-app-svc-classifier=iris-default-classifier"
    assert model.replicas(obj) == (("spec", "predictors", 0, "componentSpecs", 1, "replicas"),)


def test_past_an_orchestrator_in_other_pods_the_load_goes_to_the_model() -> None:
    text = SELDON.replace("spec:\n", 'spec:\n  annotations: {seldon.io/engine-separate-pod: "true"}\n', 1)
    kind, obj = known(first(text)), first(text)
    assert [place.name for place in kind.containers(obj)] == ["classifier"]
    assert kind.obstacles(obj) == ()
    assert kind.service(obj, ()) == Service(name="iris-default-classifier", port=9000, grpc_port=9500)
    assert kind.selector(obj) == "seldon-deployment-id=iris,seldon-app-svc-classifier=iris-default-classifier"
    (said,) = kind.remarks(obj)
    assert said == "the load goes straight to container classifier: the orchestrator stands in other pods"


def test_an_explainers_pods_are_not_measured() -> None:
    text = SELDON.replace("      replicas: 1\n", "      replicas: 1\n      explainer: {type: AnchorTabular}\n")
    assert check(space(integer("x", "replicas"), container="classifier"), manifest(text)) == ()
    assert known(first(text)).selector(first(text)) == "seldon-deployment-id=iris,seldon-app=iris-default"


def test_of_predictor_and_transformer_one_is_tuned() -> None:
    text = INFERENCE + "  transformer:\n    minReplicas: 2\n    containers: [{name: kserve-container, image: t}]\n"
    kind, obj = known(first(text)), first(text)
    assert kind.components(obj) == ("predictor", "transformer")
    for part, replicas in (("predictor", 1), ("transformer", 2)):
        chosen = kind.of(part)
        assert chosen.service(obj, ()) == Service(name=f"iris-{part}", port=80)
        assert chosen.selector(obj) == f"serving.kserve.io/inferenceservice=iris,component={part}"
        found = pods(space(tuned=f"InferenceService/iris/{part}"), rendered(text))
        assert (found.replicas, found.component) == (replicas, part)


@pytest.mark.parametrize(
    ("runtime", "ports"), [("kserve-mlserver", (8080, 9000)), ("kserve-tritonserver", (8080, 9000))]
)
def test_kserves_runtimes_answer_where_kserve_tells_them(runtime: str, ports: tuple[int, int]) -> None:
    text = INFERENCE.replace("kserve-mlserver", runtime)
    load = WorkloadSpec(protocol="v2-grpc", requests=())
    assert pods(space(), rendered(text)).port == ports[0]
    assert pods(space(workload=load), rendered(text)).load_port == ports[1]


def test_an_older_form_of_kserves_is_told() -> None:
    text = INFERENCE[: INFERENCE.index("spec:")] + "spec: {default: {predictor: {sklearn: {storageUri: x}}}}\n"
    (found, *_) = check(space(integer("x", "replicas")), manifest(text))
    assert "spec.default is of v1alpha2, which KServe serves no longer" in found.message


def test_a_predictor_over_several_nodes_is_told() -> None:
    text = INFERENCE.replace("    minReplicas: 1\n", "    minReplicas: 1\n    workerSpec: {pipelineParallelSize: 2}\n")
    (problem,) = check(space(integer("x", "replicas")), manifest(text))
    assert "a workerSpec spreads each replica over several pods" in problem.message


@pytest.mark.parametrize("kind", ["[Deployment]", "{a: 1}", "1", ""])
def test_a_kind_that_is_no_text_is_no_workload(kind: str) -> None:
    found = check(
        space(integer("workers", "env/A")), manifest(f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: x}}\n")
    )
    assert "no workload that can be tuned" in found[0].message
