"""A namespace that others use, too: production in it, admission that adds something, rules, and a tight quota."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.backends.kubernetes import toys
from tests.backends.kubernetes.webhook import webhook
from tests.cluster.fixture import Cluster
from tests.cluster.programs import PAUSE_IMAGE
from tests.cluster.ways import Own
from tests.conformance.backend import READY_WITHIN_S, predict, ready
from tuner.backends.kubernetes import KubernetesBackend
from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.resources import LIMIT_RANGES, NODES, PODS, QUOTAS, SERVICES, ApiResource
from tuner.errors import TrialFailure, Where
from tuner.space.model import Choices, ClusterSpec, LoadPodSpec, Parameter, SearchSpace
from tuner.units import quantity

pytestmark = pytest.mark.cluster

WORKERS = Parameter(
    name="workers",
    domain=Choices(values=(1, 2)),
    targets=("env/TOY_WORKERS",),
    where=Where(file="space.yaml", line=3),
)
SPACE = replace(toys.SPACE, parameters=(WORKERS,))
SLICES = ApiResource(api_version="discovery.k8s.io/v1", kind="EndpointSlice", plural="endpointslices", namespaced=True)
BUDGETS = ApiResource(
    api_version="policy/v1", kind="PodDisruptionBudget", plural="poddisruptionbudgets", namespaced=True
)
SIDE_CAR = {
    "name": "mesh",
    "image": toys.IMAGE,
    "imagePullPolicy": "IfNotPresent",
    "args": ["--port", "9990"],
    "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}},
}


@pytest.fixture
def shared(cluster: Cluster, kubeconfig: Path) -> Iterator[Api]:
    """A namespace of the test's own."""
    with cluster.namespace("tuner-shared") as name:
        yield Api(namespace=name, kubeconfig=kubeconfig)


@pytest.fixture
def backend_of(shared: Api, kubeconfig: Path) -> Callable[..., KubernetesBackend]:
    def make(space: SearchSpace = SPACE, **cluster: Any) -> KubernetesBackend:
        asked = replace(space, cluster=ClusterSpec(**cluster))
        return KubernetesBackend(asked, namespace=shared.namespace, kubeconfig=kubeconfig)

    return make


def put(api: Api, resource: ApiResource, name: str, **content: Any) -> None:
    found = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}, **content}
    api.create(resource, found)


def told(backend: KubernetesBackend, *objects: Mapping[str, Any]) -> tuple[list[str], str]:
    """What is wrong, and what is foreseen."""
    problems = backend.check_rendered([toys.rendering("the baseline", objects)])
    return [problem.message for problem in problems], "\n".join(backend.foreseen)


# production


def test_production_neither_reaches_nor_counts_a_trials_pods(
    shared: Api, cluster: Cluster, backend_of: Callable[..., KubernetesBackend]
) -> None:
    manifest = toys.manifest(pod={"topologySpreadConstraints": [SPREAD]})
    manifest["spec"]["template"]["metadata"]["labels"] |= {"team.example/pool": "blue", "inject.example/on": "yes"}
    put(shared, SERVICES, "toy", spec={"selector": {"app": "toy"}, "ports": [{"port": 80, "targetPort": 9000}]})
    put(shared, SERVICES, "blue", spec={"selector": {"team.example/pool": "blue"}, "ports": [{"port": 80}]})
    put(shared, BUDGETS, "toy", spec={"maxUnavailable": 0, "selector": {"matchLabels": {"app": "toy"}}})
    cluster.kubectl("apply", "--filename=-", f"--namespace={shared.namespace}", stdin=json.dumps(manifest))
    cluster.kubectl("autoscale", "deployment/toy", "--max=3", f"--namespace={shared.namespace}")
    backend = backend_of()
    wrong, foreseen = told(backend, manifest)
    assert wrong == []
    assert "values of their own for the labels app, team.example/pool" in foreseen
    with ready(backend.deploy(replace(toys.deployment([manifest]), study_name="iris-2"))) as running:
        assert predict(running.endpoint.urls[0]) == [[13]]
        assert running.differences() == ()
        (pod,) = shared.items(PODS, labels="tuner.dev/study-name=iris-2")
        assert pod["metadata"]["labels"]["inject.example/on"] == "yes"
        address = pod["status"]["podIP"]
        for service in ("toy", "blue"):
            slices = shared.items(SLICES, labels=f"kubernetes.io/service-name={service}")
            assert address not in json.dumps(slices)
        assert "measured_and_exported" in backend.describe()


TOYS = {"matchLabels": {"app": "toy"}}
SPREAD = {
    "maxSkew": 1,
    "topologyKey": "kubernetes.io/hostname",
    "whenUnsatisfiable": "ScheduleAnyway",
    "labelSelector": {"matchLabels": {"app": "toy"}},
}


def test_what_selects_everything_is_told_beforehand(shared: Api, backend_of: Callable[..., KubernetesBackend]) -> None:
    put(shared, BUDGETS, "all", spec={"maxUnavailable": 0, "selector": {}})
    policies = ApiResource(
        api_version="networking.k8s.io/v1", kind="NetworkPolicy", plural="networkpolicies", namespaced=True
    )
    put(shared, policies, "all", spec={"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]})
    put(shared, policies, "toy", spec={"podSelector": {"matchLabels": {"app": "toy"}}, "policyTypes": []})
    lets_in = {"podSelector": {"matchLabels": {"app": "cache"}}, "ingress": [{"from": [{"podSelector": TOYS}]}]}
    put(shared, policies, "cache", spec=lets_in)
    (wrong,), foreseen = told(backend_of(), toys.manifest())
    assert "PodDisruptionBudget all" in wrong
    assert "count them as replicas" in wrong
    assert "NetworkPolicy all selects a trial's pods, too" in foreseen
    assert "NetworkPolicy cache lets the manifest's pods reach others, and a trial's not" in foreseen
    assert "NetworkPolicy toy selects the manifest's pods and not a trial's" in foreseen


# admission


def test_what_admission_adds_is_accepted_recorded_paid_for_and_measured(
    shared: Api, backend_of: Callable[..., KubernetesBackend], tmp_path: Path
) -> None:
    put(
        shared,
        LIMIT_RANGES,
        "defaults",
        spec={"limits": [{"type": "Container", "default": {"ephemeral-storage": "1Gi"}}]},
    )
    patch = [
        {"op": "add", "path": "/spec/containers/-", "value": SIDE_CAR},
        {"op": "add", "path": "/spec/containers/0/env/-", "value": {"name": "IDENTITY", "value": "toy"}},
    ]
    manifest = toys.manifest(env={"TOY_WORKERS": "2"})
    with mutating(shared, tmp_path, patch):
        backend = backend_of()
        wrong, foreseen = told(backend, manifest)
        assert wrong == []
        for added in ("container mesh was added", "env IDENTITY was added", "limits/ephemeral-storage of 1Gi"):
            assert added in foreseen
        assert f"{shared.namespace}-hook" in foreseen
        refused, _ = told(backend_of(admission="refuse"), manifest)
        assert any("container mesh was added" in message for message in refused)
        with ready(backend.deploy(toys.deployment([manifest]))) as running:
            assert running.differences() == ()
            found = running.admitted()
            assert "container mesh was added" in found.said
            assert {one.name: one.requests["cpu"] for one in found.pods.added} == {"mesh": "20m"}
            assert found.pods.containers[0].limits["ephemeral-storage"] == "1Gi"
            assert {container for _, container in running._containers()} == {"toy", "mesh"}
            assert running.meter().stop().memory_peak_bytes


def test_a_side_car_that_holds_its_program_alone_is_measured_by_its_node(
    shared: Api, cluster: Cluster, backend_of: Callable[..., KubernetesBackend]
) -> None:
    if not isinstance(cluster.way, Own):
        pytest.skip("the image with nothing but a program is there on a cluster of our own alone")
    with ready(backend_of().deploy(toys.deployment([toys.manifest(pod={"initContainers": [NATIVE]})]))) as running:
        assert {container for _, container in running._containers()} == {"toy", "bare"}
        end = time.monotonic() + READY_WITHIN_S
        while (used := running.meter().stop()).memory_peak_bytes is None and time.monotonic() < end:
            time.sleep(0.5)
        assert used.memory_peak_bytes


NATIVE = {"name": "bare", "image": PAUSE_IMAGE, "imagePullPolicy": "Never", "restartPolicy": "Always"}


def test_what_admission_does_to_a_knob_is_refused_beforehand_and_at_work(
    shared: Api, backend_of: Callable[..., KubernetesBackend], tmp_path: Path
) -> None:
    manifest = toys.manifest(env={"TOY_WORKERS": "2"})
    patch = [{"op": "replace", "path": "/spec/containers/0/env/0/value", "value": "7"}]
    with mutating(shared, tmp_path, patch):
        (wrong,), _ = told(backend_of(), manifest)
        assert "container toy: env TOY_WORKERS is 7, asked for 2" in wrong
        with ready(backend_of().deploy(toys.deployment([manifest]))) as running:
            (found,) = running.differences()
        assert (found.what, found.asked) == ("replica 0: container toy: env TOY_WORKERS", "2")
        assert told(backend_of(toys.SPACE), manifest)[0] == []  # where it is no knob


@contextmanager
def mutating(api: Api, folder: Path, patch: list[dict[str, Any]]) -> Iterator[None]:
    """A webhook that does this to every pod of the namespace."""
    name = f"{api.namespace}-hook"
    hooks = ApiResource(
        api_version="admissionregistration.k8s.io/v1",
        kind="MutatingWebhookConfiguration",
        plural="mutatingwebhookconfigurations",
        namespaced=False,
    )
    with ExitStack() as stack:
        url, ca = stack.enter_context(webhook(folder, patch))
        hook = {
            "name": "hook.example.com",
            "clientConfig": {"url": url, "caBundle": ca},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": api.namespace}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
        }
        put(api, hooks, name, webhooks=[hook])
        stack.callback(api.delete, hooks, name)
        yield


# what we make ourselves


def test_rules_for_jobs_are_met_or_told_beforehand(shared: Api, backend_of: Callable[..., KubernetesBackend]) -> None:
    rules = [
        (
            "object.spec.template.spec.containers.all(c, has(c.resources.limits) && 'cpu' in c.resources.limits)",
            "limits",
        ),
        ("object.spec.template.spec.containers.all(c, !c.image.contains('invalid'))", "a real image"),
        ("'team' in object.metadata.labels", "a team"),
    ]
    with job_policy(shared, rules):
        backend = backend_of()
        until_in_force(backend)
        wrong, foreseen = told(backend, toys.manifest())
        assert len(wrong) == 1
        assert "refuses the Job that owns all objects of a trial" in wrong[0]
        assert "a team" in wrong[0]
        assert "the load generator cannot run in the cluster" in foreseen
        labelled = backend_of(labels={"team": "scoring"})
        wrong, foreseen = told(labelled, toys.manifest())
        assert wrong == []
        assert "cannot run in the cluster" not in foreseen
        with ready(labelled.deploy(toys.deployment([toys.manifest()]))) as running:
            assert predict(running.endpoint.urls[0]) == [[13]]


def test_a_strict_namespace_takes_what_we_make(
    shared: Api, cluster: Cluster, backend_of: Callable[..., KubernetesBackend]
) -> None:
    enforced = "pod-security.kubernetes.io/enforce=restricted"
    cluster.kubectl("label", "namespace", shared.namespace, enforced)
    wrong, foreseen = told(backend_of(), toys.manifest())
    assert len(wrong) == 1
    assert "violates PodSecurity" in wrong[0]  # the manifest's own pods, and nothing of ours
    assert "cannot run in the cluster" not in foreseen


def test_a_tight_quota_is_told_with_our_share_of_it(shared: Api, backend_of: Callable[..., KubernetesBackend]) -> None:
    put(shared, QUOTAS, "tight", spec={"hard": {"requests.cpu": "1200m"}})
    manifest = toys.manifest(replicas=2)
    backend = backend_of()
    wrong, foreseen = told(backend, manifest)
    assert wrong == []
    assert "takes 1 of the 1.2 of requests.cpu in quota tight" in foreseen
    assert "the baseline does not fit beside the load generator" in foreseen
    small = backend_of(load_generator=LoadPodSpec(cpu="200m", memory="128Mi"))
    _, foreseen = told(small, manifest)
    assert "does not fit" not in foreseen
    assert "gets 200m of a CPU" in foreseen


def test_a_load_generator_that_leaves_no_room_on_the_nodes_is_foreseen(
    shared: Api, backend_of: Callable[..., KubernetesBackend]
) -> None:
    largest = max(quantity(node["status"]["allocatable"]["cpu"]) for node in shared.items(NODES))
    wrong, foreseen = told(backend_of(load_generator=LoadPodSpec(cpu=f"{largest:f}")), toys.manifest(replicas=500))
    assert "the baseline does not fit on the nodes: Insufficient" not in foreseen, "not for the generator's sake"
    manifest = toys.manifest(replicas=len(shared.items(NODES)))
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    container["resources"] = {"requests": {"cpu": f"{largest - Decimal('0.1'):f}"}}
    wrong, foreseen = told(backend_of(load_generator=LoadPodSpec(cpu="200m")), manifest)
    assert wrong == []
    assert "the baseline does not fit on the nodes: Insufficient cpu" in foreseen
    assert "beside the load generator, which requests 0.2 cpu" in foreseen


def test_a_trial_that_fails_for_our_share_says_so(
    shared: Api, backend_of: Callable[..., KubernetesBackend], images: Callable[[str], str]
) -> None:
    put(shared, QUOTAS, "tight", spec={"hard": {"requests.cpu": "500m"}})
    backend = backend_of(load_generator=LoadPodSpec(cpu="300m", labels={"team": "scoring"}))
    deployment = toys.deployment([toys.manifest()])
    with backend.host_load(study="tight", image=images("load"), cpus=1, study_name="iris-2"):
        (pod,) = shared.items(PODS, labels="tuner.dev/study-name=iris-2,team=scoring")
        assert pod["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "300m"
        reason = backend.infeasible(deployment.pods) or ""
        assert "the load generator in the cluster takes 0.3 of the 0.5 of requests.cpu in quota tight" in reason
        with pytest.raises(TrialFailure) as raised, backend.deploy(deployment) as running:
            running.wait_ready(READY_WITHIN_S)
    assert raised.value.kind == "QuotaExceeded"
    assert "the load generator in the cluster takes" in raised.value.reason


@contextmanager
def job_policy(api: Api, rules: list[tuple[str, str]]) -> Iterator[None]:
    """A validating policy on the namespace's Jobs: each an expression, and what it asks for."""
    root = "admissionregistration.k8s.io/v1"
    policies = ApiResource(
        api_version=root, kind="ValidatingAdmissionPolicy", plural="validatingadmissionpolicies", namespaced=False
    )
    bindings = ApiResource(
        api_version=root,
        kind="ValidatingAdmissionPolicyBinding",
        plural="validatingadmissionpolicybindings",
        namespaced=False,
    )
    name = f"{api.namespace}-jobs"
    rule = {"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}
    checks = [{"expression": expression, "message": f"a Job needs {what}"} for expression, what in rules]
    put(api, policies, name, spec={"matchConstraints": {"resourceRules": [rule]}, "validations": checks})
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": api.namespace}}}
    try:
        put(api, bindings, name, spec={"policyName": name, "validationActions": ["Deny"], "matchResources": here})
        yield
    finally:
        api.delete(bindings, name)
        api.delete(policies, name)


def until_in_force(backend: KubernetesBackend) -> None:
    """The API server takes a moment to learn of a policy."""
    end = time.monotonic() + READY_WITHIN_S
    while not told(backend, toys.manifest())[0] and time.monotonic() < end:
        time.sleep(0.2)
