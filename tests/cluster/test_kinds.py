"""Every kind of workload on a real cluster, from a search space to the exported manifest that answers.

SeldonDeployment is made ready by Seldon Core's own operator, InferenceService by KServe's own controller, StatefulSet by
Kubernetes itself; Scorer stands for any other custom resource.
"""

from __future__ import annotations

import dataclasses
import json
import re
import secrets
import shutil
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.tune import Tune
from tests.cluster.fixture import Cluster
from tests.cluster.places import ROOT
from tests.cluster.seldon import operator
from tests.cluster.standin import StandIn, definitions, others, scorer
from tuner.backends.kubernetes import KubernetesBackend
from tuner.backends.kubernetes.trial.running import KubernetesRunning
from tuner.backends.model import Deployment
from tuner.errors import TrialFailure
from tuner.manifests.check.knobs import check
from tuner.manifests.model import Manifest
from tuner.manifests.pods import pods
from tuner.manifests.reader import read
from tuner.manifests.render import render
from tuner.space.file.read import read as read_space
from tuner.space.model import Configuration, SearchSpace
from tuner.workload.model import WorkloadSpec

SPACES = ROOT / "search_spaces"
READY_WITHIN_S = 30.0
REQUEST = b'{"data": {"ndarray": [[1, 2, 3]]}}'
CONTAINER = """\
{name: server, image: "example/toy:1", args: [--port, "9000"], ports: [{name: http, containerPort: 9000}],
 env: [{name: TOY_WORKERS, value: "1"}],
 readinessProbe: {httpGet: {path: /health/status, port: 9000}, periodSeconds: 1},
 resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {cpu: 200m, memory: 64Mi}}}"""
STATEFUL = f"""\
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: toy}}
spec:
  serviceName: toy
  podManagementPolicy: Parallel
  selector: {{matchLabels: {{app: toy}}}}
  template:
    metadata: {{labels: {{app: toy}}}}
    spec:
      containers:
        - {CONTAINER.replace(chr(10), chr(10) + " " * 10)}
---
apiVersion: v1
kind: Service
metadata: {{name: toy}}
spec: {{clusterIP: None, selector: {{app: toy}}, ports: [{{name: http, port: 9000}}]}}
"""
SELDON = f"""\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {{name: toy}}
spec:
  predictors:
    - name: default
      graph: {{name: server, type: MODEL}}
      svcOrchSpec: {{resources: {{requests: {{cpu: 50m, memory: 64Mi}}}}}}
      componentSpecs:
        - spec:
            containers:
              - {CONTAINER.replace(chr(10), chr(10) + " " * 16)}
"""
REPLICA = STATEFUL.replace("kind: StatefulSet", "kind: ReplicaSet").replace(
    "  serviceName: toy\n  podManagementPolicy: Parallel\n", ""
)
ROLLOUT = REPLICA.replace("kind: ReplicaSet", "kind: Rollout").replace("apps/v1", "argoproj.io/v1alpha1", 1)
POD = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: toy, labels: {{app: toy}}}}
spec:
  containers:
    - {CONTAINER.replace(chr(10), chr(10) + " " * 6)}
"""
KNATIVE = f"""\
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {{name: toy}}
spec:
  template:
    metadata: {{annotations: {{autoscaling.knative.dev/min-scale: "1"}}}}
    spec:
      containers:
        - {CONTAINER.replace(chr(10), chr(10) + " " * 10)}
"""
GROUPS = f"""\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {{name: toy}}
spec:
  replicas: 1
  leaderWorkerTemplate:
    size: 2
    leaderTemplate:
      metadata: {{labels: {{role: leader}}}}
      spec:
        containers:
          - {CONTAINER.replace(chr(10), chr(10) + " " * 12)}
    workerTemplate:
      spec:
        containers:
          - {CONTAINER.replace(chr(10), chr(10) + " " * 12).replace("name: server", "name: worker")}
"""
RAY = f"""\
apiVersion: ray.io/v1
kind: RayService
metadata: {{name: toy}}
spec:
  serveConfigV2: "applications: []"
  rayClusterConfig:
    headGroupSpec:
      template:
        spec:
          containers:
            - {CONTAINER.replace(chr(10), chr(10) + " " * 14)}
    workerGroupSpecs:
      - groupName: small
        replicas: 1
        template:
          spec:
            containers:
              - {CONTAINER.replace(chr(10), chr(10) + " " * 16).replace("name: server", "name: worker")}
"""
SCORER = f"""\
apiVersion: models.example.com/v1
kind: Scorer
metadata:
  name: toy
  annotations:
    tuner.dev/service: "{{name}}-front:80"
    tuner.dev/pods: scorer={{name}}
    tuner.dev/containers: /spec/server
    tuner.dev/replicas: /spec/size
spec:
  size: 1
  server:
    {CONTAINER.replace(chr(10), chr(10) + " " * 4).replace("name: server, ", "")}
"""
SEVERAL = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: toy}
spec:
  replicas: 1
  selector: {matchLabels: {app: toy}}
  template:
    metadata: {labels: {app: toy}}
    spec:
      containers:
        - name: server
          image: example/toy:1
          args: [--port, "9000"]
          ports: [{name: http, containerPort: 9000}]
          envFrom: [{configMapRef: {name: toy-settings}}]
          env:
            - {name: TOY_WORKERS, value: "1"}
            - {name: TOKEN, valueFrom: {secretKeyRef: {name: SECRET, key: token}}}
          readinessProbe: {httpGet: {path: /health/status, port: http}, periodSeconds: 1}
          resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {cpu: 200m, memory: 64Mi}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: toy-settings}
data: {TOY_SERVICE_MS: "2"}
---
apiVersion: v1
kind: Service
metadata: {name: toy}
spec: {selector: {app: toy}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: toy}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: toy}
  minReplicas: 1
  maxReplicas: 1
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
"""


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    with cluster.namespace("tuner-kinds") as name:
        yield name


@pytest.fixture(scope="module")
def operators(cluster: Cluster, seldon: None, kserve: None, namespace: str) -> Iterator[None]:
    """Those of Seldon Core and KServe; in the place of the Scorer's and others' the stand-in."""
    definitions.install(cluster, "scorers", *others.NAMES)
    with StandIn(cluster.kubeconfig, namespace, [scorer.operator(), *others.operators()]):
        yield


class Kind:
    """A manifest with the usual knobs, deployed in the namespace."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path) -> None:
        self._cluster, self._namespace, self._folder = cluster, namespace, folder

    def space(self, manifest: str, **knobs: str) -> tuple[SearchSpace, Manifest]:
        """`knobs`: the parameters, as the search-space file writes them."""
        (self._folder / "deployment.yaml").write_text(manifest)
        (self._folder / "request.json").write_bytes(REQUEST)
        listed = "".join(f"  {name}: {text}\n" for name, text in knobs.items())
        text = f"name: toy\nmanifest: deployment.yaml\ncontainer: server\nparameters:\n{listed}"
        text += "workload: {protocol: seldon, request: request.json}\nobjectives: {throughput: maximize}\n"
        (self._folder / "space.yaml").write_text(text)
        space, problems = read_space(self._folder / "space.yaml")
        assert problems == ()
        assert space is not None
        found, problems = read(space.manifest)
        assert problems == ()
        assert found is not None
        return space, found

    def deploy(self, space: SearchSpace, manifest: Manifest, **values: Any) -> tuple[KubernetesBackend, Deployment]:
        rendered = render(space, manifest, Configuration(values=values))
        backend = KubernetesBackend(space, namespace=self._namespace, kubeconfig=self._cluster.kubeconfig)
        deployment = Deployment(study=secrets.token_hex(4), trial=3, rendered=rendered, pods=pods(space, rendered))
        assert backend.check(deployment.pods) == ()
        return backend, deployment

    def live(self, what: str, running: KubernetesRunning) -> list[dict[str, Any]]:
        found = self._cluster.kubectl(
            "get", what, f"--namespace={self._namespace}", f"--selector={running._placed.holding.pods}", "--output=json"
        )
        items: list[dict[str, Any]] = json.loads(found)["items"]
        return items


@pytest.fixture
def kind(cluster: Cluster, images: Callable[[str], str], namespace: str, tmp_path: Path) -> Kind:
    assert images("toy") == "example/toy:1"
    return Kind(cluster, namespace, tmp_path)


def container(pod: Mapping[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in pod["spec"]["containers"] if c["name"] == name)
    return found


def env(of: Mapping[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in of.get("env", ())}


def ask(url: str, body: bytes = REQUEST) -> Any:
    request = urllib.request.Request(
        f"{url}/api/v1.0/predictions", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)["data"]["ndarray"]


IMPATIENT = WorkloadSpec(protocol="seldon", requests=(), ready_timeout_s=6.0)
USUAL = {
    "workers": "{int: [1, 4], set: env/TOY_WORKERS}",
    "replicas": "{int: [1, 2], set: replicas}",
    "cpu": "{choices: [200m, 300m], set: limits/cpu}",
}


@pytest.mark.parametrize(
    "manifest",
    [STATEFUL, SCORER, REPLICA, ROLLOUT, KNATIVE, GROUPS],
    ids=["StatefulSet", "any custom resource", "ReplicaSet", "Rollout", "Knative", "LeaderWorkerSet"],
)
def test_its_knobs_reach_the_pods_which_answer_and_are_gone(operators: None, kind: Kind, manifest: str) -> None:
    space, found = kind.space(manifest, **USUAL)
    assert check(space, found) == ()
    backend, deployment = kind.deploy(space, found, workers=3, replicas=2, cpu="300m")
    with backend.deploy(deployment) as running:
        running.wait_ready(READY_WITHIN_S)
        assert [ask(url) for url in running.endpoint.urls] == [[[13]], [[13]]]
        assert running.differences() == ()
        live = kind.live("pods", running)
        assert [env(container(pod, "server"))["TOY_WORKERS"] for pod in live] == ["3", "3"]
        assert container(live[0], "server")["resources"]["limits"]["cpu"] == "300m"
        running.check_alive()
    assert kind.live("pods", running) == []


@pytest.mark.parametrize("manifest", [POD, RAY], ids=["Pod", "RayService"])
def test_what_has_one_replica_is_deployed_answers_and_is_gone(operators: None, kind: Kind, manifest: str) -> None:
    space, found = kind.space(manifest, workers=USUAL["workers"], cpu=USUAL["cpu"])
    assert check(space, found) == ()
    backend, deployment = kind.deploy(space, found, workers=3, cpu="300m")
    with backend.deploy(deployment) as running:
        running.wait_ready(READY_WITHIN_S)
        assert [ask(url) for url in running.endpoint.urls] == [[[13]]]
        assert running.differences() == ()
        (pod,) = kind.live("pods", running)
        assert env(container(pod, "server"))["TOY_WORKERS"] == "3"
        running.check_alive()
    assert kind.live("pods", running) == []


@pytest.mark.parametrize("direct", [False, True], ids=["orchestrator", "no-engine"])
def test_seldons_knobs_reach_the_pods_through_the_operator(operators: None, kind: Kind, direct: bool) -> None:
    """Component env, args and resources, the predictor's replicas, the orchestrator's env and resources, a switch."""
    engine = "container: seldon-container-engine, when: {direct: false}"
    space, found = kind.space(
        SELDON,
        **USUAL,
        direct="{choices: [false, true], set: annotations/seldon.io/no-engine}",
        port='{choices: ["9000", "9001"], set: args/--port}',
        threads=f"{{int: [1, 2], set: env/GOMAXPROCS, {engine}}}",
        engine_cpu=f"{{choices: [150m, 250m], set: limits/cpu, {engine}}}",
    )
    assert check(space, found) == ()
    of_engine = {} if direct else {"threads": 2, "engine_cpu": "250m"}
    backend, deployment = kind.deploy(
        space, found, workers=2, replicas=2, cpu="300m", direct=direct, port="9000", **of_engine
    )
    with backend.deploy(deployment) as running:
        running.wait_ready(READY_WITHIN_S)
        assert [ask(url) for url in running.endpoint.urls] == [[[13]], [[13]]]
        assert {url.rpartition(":")[2] for url in running.endpoint.urls} == {"9000" if direct else "8000"}
        assert running.differences() == ()
        for pod in kind.live("pods", running):
            server = container(pod, "server")
            assert (env(server)["TOY_WORKERS"], server["resources"]["limits"]["cpu"]) == ("2", "300m")
            assert env(server)["PREDICTIVE_UNIT_HTTP_SERVICE_PORT"] == "9000"
            names = [c["name"] for c in pod["spec"]["containers"]]
            assert names == (["server"] if direct else ["server", "seldon-container-engine"])
            if not direct:
                orchestrator = container(pod, "seldon-container-engine")
                assert env(orchestrator)["GOMAXPROCS"] == "2"
                assert orchestrator["resources"]["limits"]["cpu"] == "250m"
        assert running.meter().stop().memory_peak_bytes
    assert kind.live("pods", running) == []
    assert kind.live("deployments", running) == []


def test_a_service_that_no_operator_makes_is_named(operators: None, kind: Kind) -> None:
    space, found = kind.space(SCORER.replace("{name}-front:80", "{name}-back:80"), workers=USUAL["workers"])
    backend, deployment = kind.deploy(dataclasses.replace(space, workload=IMPATIENT), found, workers=1)
    with pytest.raises(TrialFailure) as raised, backend.deploy(deployment) as running:
        running.wait_ready(READY_WITHIN_S)
    assert raised.value.kind == "NotReady"
    assert f"the operator has made no Service {running._placed.service.name}" in raised.value.reason


def test_an_operator_that_gives_up_is_told_long_before_the_time_is_over(operators: None, kind: Kind) -> None:
    space, found = kind.space(SELDON.replace("graph: {name: server", "graph: {name: sever"), workers=USUAL["workers"])
    backend, deployment = kind.deploy(space, found, workers=1)
    with operator.unasked(), pytest.raises(TrialFailure) as raised, backend.deploy(deployment) as running:
        running.wait_ready(READY_WITHIN_S)
    assert raised.value.kind == "OperatorFailed"
    assert "not clear where to inject engine" in raised.value.reason


def test_what_an_operators_webhook_refuses_is_told_at_once(operators: None, kind: Kind) -> None:
    space, found = kind.space(SELDON.replace("graph: {name: server", "graph: {name: sever"), workers=USUAL["workers"])
    backend, deployment = kind.deploy(space, found, workers=1)
    with pytest.raises(TrialFailure) as raised, backend.deploy(deployment) as running:
        running.wait_ready(READY_WITHIN_S)
    assert raised.value.kind == "AdmissionRefused"
    assert "sever" in raised.value.reason


def test_a_manifest_of_several_documents_is_deployed_whole(cluster: Cluster, namespace: str, kind: Kind) -> None:
    secret = f"token-{secrets.token_hex(3)}"  # a Secret that is there already, and belongs to no trial
    cluster.kubectl("create", f"--namespace={namespace}", "secret", "generic", secret, "--from-literal=token=t0ken")
    space, found = kind.space(SEVERAL.replace("SECRET", secret), workers=USUAL["workers"])
    assert check(space, found) == ()
    backend, deployment = kind.deploy(space, found, workers=2)
    with backend.deploy(deployment) as running:
        running.wait_ready(READY_WITHIN_S)
        assert running.differences() == ()
        (pod,) = kind.live("pods", running)
        told = cluster.kubectl("exec", f"--namespace={namespace}", pod["metadata"]["name"], "--", "env")
        assert {"TOY_SERVICE_MS=2", "TOKEN=t0ken", "TOY_WORKERS=2"} <= set(told.splitlines())
        (scaler,) = kind.live("hpa", running)
        (scaled,) = kind.live("deployments", running)
        assert scaler["spec"]["scaleTargetRef"]["name"] == scaled["metadata"]["name"]
        (service,) = kind.live("services", running)
        assert running._placed.service.name == service["metadata"]["name"]
    cluster.kubectl("get", f"--namespace={namespace}", "secret", secret)


def test_an_autoscaler_on_tuned_replicas_is_told_at_once(cluster: Cluster, namespace: str, kind: Kind) -> None:
    space, _ = kind.space(SEVERAL, replicas=USUAL["replicas"])
    tune = Tune(kind._folder, cluster.kubeconfig)
    done = tune("check", space.file, "--backend", "kubernetes", "--namespace", namespace)
    assert done.status != 0
    assert "this HorizontalPodAutoscaler scales Deployment toy while replicas is tuned" in done.err


@pytest.mark.parametrize("name", ["seldon-iris", "seldon-graph", "kserve-iris"])
def test_a_study_of_a_custom_resource_from_search_space_to_an_exported_manifest_that_answers(
    cluster: Cluster, images: Callable[[str], str], operators: None, namespace: str, tmp_path: Path, name: str
) -> None:
    images("iris")
    space = _quick(name, tmp_path)
    tune = Tune(tmp_path, cluster.kubeconfig)
    options = ("--backend", "kubernetes", "--namespace", namespace)
    checked = tune("check", space, *options)
    assert (checked.status, "nothing is wrong" in checked.out) == (0, True), checked.err
    options += ("--load", "here", "--trials", "2", "--confirm", "0", "--tracking-uri", "none")
    done = tune("run", space, *options, "-o", "best.yaml", within_s=300.0)
    assert done.status == 0, done.err
    best = tmp_path / "best.yaml"
    apply = ("apply", f"--namespace={namespace}", "--server-side", "--validate=strict", f"--filename={best}")
    cluster.kubectl(*apply, "--dry-run=server")
    cluster.kubectl(*apply)
    try:
        resource = "inferenceservice" if name == "kserve-iris" else "seldondeployment"
        cluster.kubectl(
            "wait", f"--namespace={namespace}", f"{resource}/{name}", "--for=condition=Ready", "--timeout=60s"
        )
        service = f"{name}-predictor" if name == "kserve-iris" else f"{name}-default"
        found = json.loads(cluster.kubectl("get", f"--namespace={namespace}", "service", service, "--output=json"))
        url = f"http://{found['spec']['clusterIP']}:{found['spec']['ports'][0]['port']}"
        (_, versicolor, _), *_ = ask(url, (SPACES / _requests(name) / "request.json").read_bytes())
        assert versicolor > 0.9
    finally:
        cluster.kubectl("delete", f"--namespace={namespace}", f"{resource}/{name}", "--wait=false")


@pytest.mark.parametrize("port", [5001, 9500], ids=["orchestrator", "no-engine"])
def test_a_seldon_deployment_is_measured_over_grpc(
    cluster: Cluster, images: Callable[[str], str], operators: None, namespace: str, tmp_path: Path, port: int
) -> None:
    """Where there is no orchestrator the port follows from what the operator does."""
    images("iris")
    space = _quick("seldon-iris", tmp_path)
    manifest = space / "deployment.yaml"
    said, where = ("false", "port: 5001, ") if port == 5001 else ("true", "")
    manifest.write_text(manifest.read_text().replace('no-engine: "false"', f'no-engine: "{said}"'))
    (space / "grpc.yaml").write_text(
        "name: grpc\nmanifest: deployment.yaml\ncontainer: classifier\n"
        "parameters: {workers: {int: [1, 2], set: env/GUNICORN_WORKERS}}\n"
        f"workload: {{protocol: seldon-grpc, {where}request: ../iris/request.json, ready_timeout: 90s}}\n"
        "slo: {latency_p90: 5s}\nobjectives: {throughput: maximize}\n"
    )
    options = ("--backend", "kubernetes", "--namespace", namespace, "--load", "here", "--json")
    load = ("--rate", "10/s", "--duration", "4s")
    done = Tune(tmp_path, cluster.kubeconfig)("bench", space / "grpc.yaml", *load, *options, within_s=300.0)
    assert done.status == 0, done.err
    (start,) = done.json["starts"]
    assert start["window"]["errors"] == {}


def _requests(name: str) -> str:
    """The search space whose request this one sends."""
    return "graph" if name == "seldon-graph" else "iris"


def _quick(name: str, folder: Path) -> Path:
    """The search space with a load that a tenth of a machine bears, beside a copy of what it needs. One of them waits for
    quiet, as a user's does: the cluster's own work is on the same two cores, and what is looked at is not the machine.
    """
    shutil.copytree(SPACES / name, folder / name)
    (folder / _requests(name)).mkdir()
    shutil.copy(SPACES / _requests(name) / "request.json", folder / _requests(name))
    manifest = folder / name / "deployment.yaml"  # one worker on a whole CPU starts in a fraction of the time
    before, _, containers = manifest.read_text().partition("containers:")
    containers = re.sub(r'(GUNICORN_WORKERS\n +value: )"\d"', r'\1"1"', containers)
    containers = containers.replace("cpu: 500m", 'cpu: "1"').replace("cpu: 400m", "cpu: 600m")
    manifest.write_text(f"{before}containers:{containers}")
    space = folder / name / "space.yaml"
    text = space.read_text().replace("int: [1, 4]", "int: [1, 2]").replace("int: [1, 3]", "int: [1, 2]")
    text = text.replace("cpu:      {choices: [250m, 500m]", 'cpu:      {choices: ["1"]')
    text = re.sub(r"cpu: +\{choices: \[200m, .*?\]", "cpu: {choices: [500m, 600m]", text).replace("<= 800m", "<= 1.2")
    text = text.replace("rate: 100/s", "rate: 10/s\n  warm_up: 200ms")
    text = re.sub("latency_p99: [0-9]+ms", "latency_p90: 5s", text)
    space.write_text(text if name == "kserve-iris" else f"{text}disturbed: accept\n")
    return space.parent
