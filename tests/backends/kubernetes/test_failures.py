"""Each failure provoked for real on a cluster: told early, in words, as a typed outcome."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.backends.kubernetes import toys
from tests.backends.kubernetes.webhook import webhook
from tests.cluster.fixture import Cluster
from tests.conformance.backend import READY_WITHIN_S, predict, ready
from tests.servers.pods import SERVERS
from tuner.backends.kubernetes import KubernetesBackend
from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.refusals import NotAllowed
from tuner.backends.kubernetes.client.resources import (
    DEPLOYMENTS,
    JOBS,
    LIMIT_RANGES,
    NODES,
    PODS,
    QUOTAS,
    SERVICES,
    ApiResource,
)
from tuner.backends.kubernetes.rights.access import rights
from tuner.backends.kubernetes.trial.liveness import DEAD_AFTER_S
from tuner.errors import BackendFailure, EnvironmentFailure, TrialFailure
from tuner.space.model import ClusterSpec

pytestmark = pytest.mark.cluster

CONFIG_MAPS = ApiResource(api_version="v1", kind="ConfigMap", plural="configmaps", namespaced=True)
WEBHOOKS = ApiResource(
    api_version="admissionregistration.k8s.io/v1",
    kind="MutatingWebhookConfiguration",
    plural="mutatingwebhookconfigurations",
    namespaced=False,
)
PATIENCE_S = 45.0
"""The time-out that a failure must not wait for."""


def failure(backend: KubernetesBackend, *objects: Mapping[str, Any]) -> TrialFailure:
    """How it fails, which must be long before the time-out."""
    begin = time.monotonic()
    with pytest.raises(TrialFailure) as raised, backend.deploy(toys.deployment(objects)) as running:
        running.wait_ready(PATIENCE_S)
    assert time.monotonic() - begin < PATIENCE_S, "it was told by the time-out, not by the cluster"
    return raised.value


@contextmanager
def made(api: Api, resource: ApiResource, name: str, **content: Any) -> Iterator[None]:
    api.create(resource, obj(resource, name, **content))
    try:
        yield
    finally:
        api.delete(resource, name)


def obj(resource: ApiResource, name: str, **content: Any) -> dict[str, Any]:
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}, **content}


def test_more_than_is_free_is_unschedulable_with_what_there_is(backend: KubernetesBackend) -> None:
    found = failure(backend, toys.manifest(cpu="1900m", replicas=4))
    assert found.kind == "Unschedulable"
    assert "Insufficient cpu" in found.reason
    assert "node0 has 2 cpu" in found.reason


def test_an_extended_resource_that_no_node_has(backend: KubernetesBackend) -> None:
    manifest = toys.manifest(container={"resources": {"limits": {"example.com/fpga": "1"}}})
    assert "Insufficient example.com/fpga" in (backend.infeasible(toys.deployment([manifest]).pods) or "")
    found = failure(backend, manifest)
    assert (found.kind, "example.com/fpga" in found.reason) == ("Unschedulable", True)


def test_a_rollout_that_is_stuck(backend: KubernetesBackend) -> None:
    manifest = toys.manifest(env={"TOY_FAIL": "never-ready"})
    manifest["spec"]["progressDeadlineSeconds"] = 3
    found = failure(backend, manifest)
    assert (found.kind, found.stage) == ("RolloutStuck", "ready")
    assert "has timed out progressing" in found.reason


def test_a_node_that_is_lost_while_it_is_measured(backend: KubernetesBackend, api: Api, cluster: Cluster) -> None:
    """Its kubelet is stopped: the servers run on, but nobody knows what became of them, nor ends them."""
    node = str(api.items(NODES)[-1]["metadata"]["name"])
    manifest = toys.manifest(pod={"nodeSelector": {"kubernetes.io/hostname": node}})

    def lose(stack: ExitStack) -> None:
        with ready(backend.deploy(toys.deployment([manifest]))) as running:
            running.check_alive()
            stack.enter_context(cluster.without(f"kubelet-{node}"))
            end = time.monotonic() + PATIENCE_S
            while time.monotonic() < end:
                running.check_alive()
                time.sleep(1.0)

    with ExitStack() as stack:
        with pytest.raises(TrialFailure) as raised:
            lose(stack)
        assert api.items(PODS, labels="tuner.dev/study") == [], "before the node is back"
        with (
            pytest.raises(BackendFailure, match=f"away for 3 s: {node}; replica 0 cannot be scheduled"),
            backend.deploy(toys.deployment([manifest])) as next_one,
        ):
            next_one.wait_ready(3.0)
    assert (raised.value.kind, raised.value.stage) == ("NodeLost", "measure")
    assert raised.value.reason.startswith(f"replica 0: its node {node} is lost: ")


def test_an_image_that_is_not_there(backend: KubernetesBackend) -> None:
    found = failure(backend, toys.manifest(image="tuner.local/nowhere:9", container={"imagePullPolicy": "Never"}))
    assert found.kind == "ErrImagePull"
    assert "tuner.local/nowhere:9" in found.reason


def test_a_crash_is_told_with_its_log(backend: KubernetesBackend) -> None:
    found = failure(backend, toys.manifest(env={"TOY_FAIL": "crash"}))
    assert found.kind == "Crashed"
    assert "status 1" in found.reason
    assert "crashing at the start, as asked" in found.logs


def test_a_program_that_is_not_in_the_image(backend: KubernetesBackend) -> None:
    found = failure(backend, toys.manifest(container={"command": ["/no/such/program"]}))
    assert found.kind in ("Crashed", "RunContainerError", "CreateContainerError")
    assert "/no/such/program" in found.reason


def test_a_config_map_that_is_not_there(backend: KubernetesBackend) -> None:
    found = failure(backend, toys.manifest(container={"envFrom": [{"configMapRef": {"name": "nowhere"}}]}))
    assert found.kind == "CreateContainerConfigError"
    assert "nowhere" in found.reason


def test_a_quota_that_is_too_small(backend: KubernetesBackend, api: Api) -> None:
    manifest = toys.manifest(replicas=2)
    with made(api, QUOTAS, "small", spec={"hard": {"requests.cpu": "300m"}}):
        assert "exceeds quota small" in (backend.infeasible(toys.deployment([manifest]).pods) or "")
        found = failure(backend, manifest)
    assert found.kind == "QuotaExceeded"
    assert "small" in found.reason


def test_a_limit_range_is_found_beforehand_and_at_work(backend: KubernetesBackend, api: Api) -> None:
    with made(api, LIMIT_RANGES, "narrow", spec={"limits": [{"type": "Container", "max": {"cpu": "280m"}}]}):
        manifest = toys.manifest(cpu="300m")
        (problem,) = backend.check_rendered([toys.rendering("the largest configuration", [manifest])])
        assert "maximum cpu usage per Container is 280m" in problem.message
        assert "LimitRange narrow" in (backend.infeasible(toys.deployment([manifest]).pods) or "")
        found = failure(backend, manifest)
    assert found.kind == "AdmissionRefused"
    assert "maximum cpu usage per Container is 280m" in found.reason


@pytest.fixture
def refusing(kubeconfig: Path, namespace: str) -> KubernetesBackend:
    """Of a study that takes nothing from admission."""
    space = replace(toys.SPACE, cluster=ClusterSpec(admission="refuse"))
    return KubernetesBackend(space, namespace=namespace, kubeconfig=kubeconfig)


def test_what_admission_changes_is_a_difference_where_it_is_refused(refusing: KubernetesBackend, api: Api) -> None:
    spec = {"limits": [{"type": "Container", "default": {"ephemeral-storage": "1Gi"}}]}
    with (
        made(api, LIMIT_RANGES, "defaults", spec=spec),
        ready(refusing.deploy(toys.deployment([toys.manifest()]))) as running,
    ):
        found = {difference.what: difference.found for difference in running.differences()}
    assert "replica 0: container toy: limits/ephemeral-storage" in found
    assert "LimitRanger" in found["replica 0: container toy: limits/ephemeral-storage"]


def test_what_somebody_else_changed_is_told_with_his_name(
    backend: KubernetesBackend, api: Api, cluster: Cluster
) -> None:
    with ready(backend.deploy(toys.deployment([toys.manifest()]))) as running:
        (there,) = api.items(DEPLOYMENTS, labels="tuner.dev/study")
        name = f"deployment/{there['metadata']['name']}"
        cluster.kubectl(
            "set", "env", f"--namespace={api.namespace}", name, "TOY_WORKERS=3", "--field-manager=a-stranger"
        )
        end = time.monotonic() + PATIENCE_S
        while not (found := running.differences()) and time.monotonic() < end:
            time.sleep(0.2)
    told = {difference.what.partition(": ")[2]: difference.found for difference in found}
    assert told["container toy: env TOY_WORKERS"] == "3 (the Deployment was changed by a-stranger)"


def test_what_a_webhook_changes_is_told_with_what_may_have_done_it(
    refusing: KubernetesBackend, api: Api, tmp_path: Path
) -> None:
    with webhook(tmp_path, [ADDED]) as (url, ca):
        injector = {
            "name": "injector.example.com",
            "clientConfig": {"url": url, "caBundle": ca},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": api.namespace}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
        }
        with (
            made(api, WEBHOOKS, f"{api.namespace}-injector", webhooks=[injector]),
            ready(refusing.deploy(toys.deployment([toys.manifest()]))) as running,
        ):
            (found,) = running.differences()
    assert (found.what, found.asked) == ("replica 0: container toy: env INJECTED", "not set")
    assert found.found.startswith("by a webhook (changed when the pod was admitted")
    assert f"webhook injector.example.com of MutatingWebhookConfiguration {api.namespace}-injector" in found.found


ADDED = {"op": "add", "path": "/spec/containers/0/env", "value": [{"name": "INJECTED", "value": "by a webhook"}]}


def test_a_manifest_that_the_cluster_refuses(backend: KubernetesBackend) -> None:
    found = failure(backend, toys.manifest(pod={"restartPolicy": "Never"}))
    assert (found.kind, found.stage) == ("AdmissionRefused", "deploy")
    assert "restartPolicy" in found.reason


def test_a_pod_that_others_evict_is_noticed(backend: KubernetesBackend, api: Api) -> None:
    with ready(backend.deploy(toys.deployment([toys.manifest()]))) as running:
        (pod,) = api.items(PODS, labels="tuner.dev/study")
        name = pod["metadata"]["name"]
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        api.call("POST", PODS.path(api.namespace, name, "eviction"), body=body, what="the eviction")
        with pytest.raises(TrialFailure) as raised:
            running.check_alive()
    assert raised.value.kind == "Removed"
    assert "EvictionByEvictionAPI" in raised.value.reason


def test_a_foreign_object_of_the_same_name_is_left_alone(backend: KubernetesBackend, api: Api) -> None:
    deployment = toys.deployment([obj(CONFIG_MAPS, "settings", data={"a": "1"}), toys.manifest()])
    theirs = f"settings-{deployment.study}-0"
    with made(api, CONFIG_MAPS, theirs, data={"a": "theirs"}):
        with pytest.raises(BackendFailure, match="not this tuner's"), backend.deploy(deployment):
            pass
        left = api.get(CONFIG_MAPS, theirs)
        assert left is not None
        assert left["data"] == {"a": "theirs"}


def test_several_documents_are_deployed_with_their_references(backend: KubernetesBackend) -> None:
    config = obj(CONFIG_MAPS, "settings", data={"TOY_WORKERS": "3"})
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    service = obj(SERVICES, "front", spec={"selector": {"app": "toy"}, "ports": ports})
    manifest = toys.manifest(kind="StatefulSet", container={"envFrom": [{"configMapRef": {"name": "settings"}}]})
    manifest["spec"]["serviceName"] = "front"
    with ready(backend.deploy(toys.deployment([config, service, manifest]))) as running:
        assert predict(running.endpoint.urls[0]) == [[13]]
        assert running.differences() == ()


def test_the_same_trial_is_held_by_one_tuner_only(backend: KubernetesBackend) -> None:
    deployment = toys.deployment([toys.manifest()])
    with (
        backend.deploy(deployment),
        pytest.raises(BackendFailure, match="held by another tuner"),
        backend.deploy(deployment),
    ):
        pass


KILLED_TUNER = """
import sys
from pathlib import Path
from tests.backends.kubernetes import toys
from tuner.backends.kubernetes import KubernetesBackend

backend = KubernetesBackend(toys.SPACE, namespace=sys.argv[2], kubeconfig=Path(sys.argv[1]))
with backend.deploy(toys.deployment([toys.manifest(replicas=2)], study="killed")) as running:
    running.wait_ready(30)
    print("ready", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_tuner(api: Api, kubeconfig: Path) -> Iterator[None]:
    """A process that has a trial of its own, of study `killed`, and is killed in the end."""
    command = [sys.executable, "-c", KILLED_TUNER, str(kubeconfig), api.namespace]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=SERVERS.parent.parent
    ) as tuner:
        assert tuner.stdout is not None
        assert tuner.stdout.readline() == "ready\n"
        yield
        tuner.kill()


def test_what_a_killed_tuner_left_is_removed_and_a_living_ones_is_not(
    backend: KubernetesBackend, api: Api, kubeconfig: Path
) -> None:
    with another_tuner(api, kubeconfig):
        assert backend.clean() == ()
        assert len(api.items(PODS, labels="tuner.dev/study=killed")) == 2
    (sentence,) = backend.clean()
    assert "trial 0 of study killed" in sentence
    assert api.items(PODS, labels="tuner.dev/study=killed") == []
    assert api.items(JOBS, labels="tuner.dev/study=killed") == []
    assert backend.clean() == ()


def test_what_a_worker_left_that_was_lost_with_a_trial_is_removed_before_the_trial_is_begun_anew(
    backend: KubernetesBackend, api: Api, kubeconfig: Path
) -> None:
    """As a worker in another pod sees it: by the heartbeat alone, which stays out."""
    with another_tuner(api, kubeconfig):
        pass
    (job,) = api.items(JOBS, labels="tuner.dev/study=killed")
    notes = job["metadata"]["annotations"]
    elsewhere = json.dumps({**json.loads(notes["tuner.dev/tuner"]), "pids": "of another pod"})
    beat = (api.now() - timedelta(seconds=DEAD_AFTER_S - 3.0)).isoformat()
    changed = {"metadata": {"annotations": {"tuner.dev/tuner": elsewhere, "tuner.dev/heartbeat": beat}}}
    api.merge(JOBS, job["metadata"]["name"], changed)
    lost = {pod["metadata"]["uid"] for pod in api.items(PODS, labels="tuner.dev/study=killed")}
    with ready(backend.deploy(toys.deployment([toys.manifest()], study="killed"))) as running:
        assert predict(running.endpoint.urls[0]) == [[13]]
        (pod,) = api.items(PODS, labels="tuner.dev/study=killed")
        assert pod["metadata"]["uid"] not in lost
    assert api.items(JOBS, labels="tuner.dev/study=killed") == []


def test_a_tuner_that_was_thought_dead_leaves_the_trial_to_whom_has_it_since(
    backend: KubernetesBackend, api: Api
) -> None:
    with backend.deploy(toys.deployment([toys.manifest()], study="late")):
        (job,) = api.items(JOBS, labels="tuner.dev/study=late")
        signed = {**json.loads(job["metadata"]["annotations"]["tuner.dev/tuner"]), "token": "another"}
        api.merge(JOBS, job["metadata"]["name"], {"metadata": {"annotations": {"tuner.dev/tuner": json.dumps(signed)}}})
    assert api.items(JOBS, labels="tuner.dev/study=late")
    assert api.items(DEPLOYMENTS, labels="tuner.dev/study=late")
    api.delete(JOBS, job["metadata"]["name"])


Limited = Callable[[tuple[str, str] | None], KubernetesBackend]


@pytest.fixture
def limited(api: Api, kubeconfig: Path, tmp_path: Path) -> Limited:
    """A backend with the credentials of a service account that has the Role of `access.rights` for a Deployment, less
    one (resource, verb).
    """

    def make(left_out: tuple[str, str] | None) -> KubernetesBackend:
        rules = [
            {"apiGroups": [right.group], "resources": [right.resource], "verbs": verbs}
            for right in rights([DEPLOYMENTS])
            if right.needed and (verbs := [verb for verb in right.verbs if (right.resource, verb) != left_out])
        ]
        rbac = "rbac.authorization.k8s.io"
        account = ApiResource(api_version="v1", kind="ServiceAccount", plural="serviceaccounts", namespaced=True)
        role = ApiResource(api_version=f"{rbac}/v1", kind="Role", plural="roles", namespaced=True)
        binding = ApiResource(api_version=f"{rbac}/v1", kind="RoleBinding", plural="rolebindings", namespaced=True)
        api.apply(account, obj(account, "limited"))
        api.apply(role, obj(role, "limited", rules=rules))
        subject = {"kind": "ServiceAccount", "name": "limited", "namespace": api.namespace}
        reference = {"apiGroup": rbac, "kind": "Role", "name": "limited"}
        api.apply(binding, obj(binding, "limited", subjects=[subject], roleRef=reference))
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
        answer = api.call("POST", account.path(api.namespace, "limited", "token"), body=asked, what="a token")
        config = yaml.safe_load(kubeconfig.read_text())
        config["users"] = [{"name": config["users"][0]["name"], "user": {"token": answer["status"]["token"]}}]
        path = tmp_path / "limited.kubeconfig"
        path.write_text(json.dumps(config))
        return KubernetesBackend(toys.SPACE, namespace=api.namespace, kubeconfig=path)

    return make


def test_with_the_needed_rights_alone_a_trial_runs_and_says_what_it_could_not_read(limited: Limited) -> None:
    backend = limited(None)
    deployment = toys.deployment([toys.manifest()])
    assert backend.check(deployment.pods) == ()
    assert backend.infeasible(deployment.pods) is None
    with ready(backend.deploy(deployment)) as running:
        usage = running.meter().stop()
        assert running.differences() == ()
    assert usage.cpu_cores is None
    said = "\n".join(running.not_enforced)
    assert "may not create pods/exec" in said or "may not get pods/exec" in said
    assert "nodes/proxy" in said
    assert backend.clean() == ()


@pytest.mark.parametrize("left_out", [("jobs", "create"), ("pods", "watch"), ("deployments", "patch")])
def test_a_missing_right_is_named_beforehand_and_at_work(limited: Limited, left_out: tuple[str, str]) -> None:
    backend = limited(left_out)
    resource, verb = left_out
    deployment = toys.deployment([toys.manifest()])
    (problem,) = backend.check(deployment.pods)
    assert f"you may not {verb} {resource}" in problem.message
    assert "tune rbac" in problem.fix
    with pytest.raises(EnvironmentFailure) as raised, backend.deploy(deployment) as running:
        running.wait_ready(READY_WITHIN_S)
    assert isinstance(raised.value, NotAllowed)
    assert f"may not {verb} {resource}" in str(raised.value)
