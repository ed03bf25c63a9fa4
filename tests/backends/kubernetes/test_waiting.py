"""On a cluster, what will come is waited for and is no start-up, and what cannot come is told in seconds."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.backends.kubernetes import toys
from tests.backends.kubernetes.test_failures import CONFIG_MAPS, failure, made, obj
from tests.cluster.fixture import Cluster
from tuner.backends.kubernetes import KubernetesBackend
from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.resources import EVENTS, NODES, PODS, ApiResource
from tuner.errors import TrialFailure
from tuner.manifests.kinds.model import at

pytestmark = pytest.mark.cluster

CLAIMS = ApiResource(api_version="v1", kind="PersistentVolumeClaim", plural="persistentvolumeclaims", namespaced=True)
VOLUMES = ApiResource(api_version="v1", kind="PersistentVolume", plural="persistentvolumes", namespaced=False)
CLASSES = ApiResource(api_version="storage.k8s.io/v1", kind="StorageClass", plural="storageclasses", namespaced=False)
WITHIN_S = 90.0
COMES_AFTER_S = 2.0
"""What is waited for takes its time to come: longer than what is not worth telling."""


@contextmanager
def once(waiting_for: str, act: Callable[[], None]) -> Iterator[Callable[[str], None]]:
    """What hears of the waiting; `act` is called, beside it, when it hears of this."""
    heard = threading.Event()
    ended = threading.Event()
    went_wrong: list[Exception] = []

    def acting() -> None:
        while not heard.wait(0.1):
            if ended.is_set():
                return
        time.sleep(COMES_AFTER_S)
        try:
            act()
        except Exception as error:
            went_wrong.append(error)

    actor = threading.Thread(target=acting)
    actor.start()

    def hear(text: str) -> None:
        if waiting_for in text:
            heard.set()

    try:
        yield hear
    finally:
        ended.set()
        actor.join()
        assert went_wrong == []


def test_a_node_that_joins_late_is_waited_for_and_is_no_start_up(
    backend: KubernetesBackend, api: Api, cluster: Cluster
) -> None:
    """As with an autoscaler, which says of a pod that it adds a node for it."""
    node = str(api.items(NODES)[-1]["metadata"]["name"])
    manifest = toys.manifest(pod={"nodeSelector": {"kubernetes.io/hostname": node}})
    with ExitStack() as away:
        away.enter_context(cluster.without(f"kubelet-{node}"))
        api.delete(NODES, node)
        with (
            once("pod triggered scale-up", away.close) as hear,
            backend.deploy(toys.deployment([manifest])) as running,
        ):
            announce_scale_up(api)
            running.tell_waiting(hear)
            begin = time.monotonic()
            startup_s = running.wait_ready(WITHIN_S)
            assert startup_s < time.monotonic() - begin
            told = [
                said for said in running.not_enforced if "not counted as start-up, for a node: pod triggered" in said
            ]
    assert len(told) == 1


def announce_scale_up(api: Api) -> None:
    end = time.monotonic() + WITHIN_S
    while not (pods := api.items(PODS, labels="tuner.dev/study")) and time.monotonic() < end:
        time.sleep(0.1)
    (pod,) = pods
    about = {key: pod["metadata"][key] for key in ("name", "namespace", "uid")}
    said = {"reason": "TriggeredScaleUp", "message": "pod triggered scale-up: [{pool-a 0->1 (max: 3)}]"}
    event = obj(EVENTS, f"{pod['metadata']['name']}.{secrets.token_hex(4)}")
    api.create(EVENTS, {**event, **said, "involvedObject": {"kind": "Pod", **about}, "type": "Normal"})


def test_a_volume_that_binds_late_is_waited_for(backend: KubernetesBackend, api: Api) -> None:
    name = f"late-{secrets.token_hex(3)}"
    claim = {"storageClassName": name, "accessModes": ["ReadOnlyMany"], "resources": {"requests": {"storage": "1Mi"}}}
    volume = {
        "storageClassName": name,
        "accessModes": ["ReadOnlyMany"],
        "capacity": {"storage": "1Mi"},
        "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": "/usr"},
    }
    mounts = [{"name": "data", "mountPath": "/data", "readOnly": True}]
    mounted = {"name": "data", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}}
    manifest = toys.manifest(container={"volumeMounts": mounts}, pod={"volumes": [mounted]})
    binding = {"provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}

    def provide() -> None:
        """The scheduler looks when a volume is new, which is before it is available, and may miss that it became so: it
        looks again at any later change.
        """
        api.create(VOLUMES, obj(VOLUMES, name, spec=volume))
        end = time.monotonic() + WITHIN_S
        while at(api.get(VOLUMES, name), ("status", "phase")) != "Bound" and time.monotonic() < end:
            api.merge(VOLUMES, name, {"metadata": {"labels": {"looked-at": secrets.token_hex(3)}}})
            time.sleep(1.0)

    try:
        with (
            made(api, CLASSES, name, **binding),
            once("a volume", provide) as hear,
            backend.deploy(toys.deployment([obj(CLAIMS, "data", spec=claim), manifest])) as running,
        ):
            running.tell_waiting(hear)
            assert running.wait_ready(WITHIN_S) > 0.0
            assert any("not counted as start-up, for a volume" in said for said in running.not_enforced)
    finally:
        api.delete(VOLUMES, name)


def test_room_that_others_take_is_waited_for_in_vain(backend: KubernetesBackend, api: Api, cluster: Cluster) -> None:
    names = [str(node["metadata"]["name"]) for node in api.items(NODES)]
    cluster.kubectl("cordon", *names)
    try:
        with backend.deploy(toys.deployment([toys.manifest()])) as running, pytest.raises(TrialFailure) as raised:
            running.wait_ready(5.0)
    finally:
        cluster.kubectl("uncordon", *names)
    assert raised.value.kind == "Unschedulable"
    assert f"it still waits for room on {len(names)} node(s) that could hold it" in raised.value.reason


def test_a_pool_that_is_not_there_and_that_nobody_adds(backend: KubernetesBackend) -> None:
    found = failure(backend, toys.manifest(pod={"nodeSelector": {"pool": "gpu"}}))
    assert found.kind == "Unschedulable"
    assert "no autoscaler spoke of it within" in found.reason


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        ({"configMap": {"name": "nowhere"}}, 'configmap "nowhere" not found'),
        ({"secret": {"secretName": "nowhere"}}, 'secret "nowhere" not found'),
        (
            {"configMap": {"name": "settings", "items": [{"key": "model", "path": "model"}]}},
            "references non-existent config key: model",
        ),
    ],
)
def test_a_volume_of_what_is_not_there(backend: KubernetesBackend, volume: dict[str, Any], words: str) -> None:
    mounts = [{"name": "conf", "mountPath": "/conf"}]
    manifest = toys.manifest(container={"volumeMounts": mounts}, pod={"volumes": [{"name": "conf", **volume}]})
    settings = obj(CONFIG_MAPS, "settings", data={"a": "1"})
    found = failure(backend, settings, manifest)
    assert found.kind == "MissingObject"
    assert words in found.reason


def test_an_init_container_that_fails_is_named_with_its_log(backend: KubernetesBackend) -> None:
    command = ["python3", "-c", "print('no model at s3://models'); raise SystemExit(3)"]
    fetch = {"name": "fetch", "image": toys.IMAGE, "imagePullPolicy": "IfNotPresent", "command": command}
    found = failure(backend, toys.manifest(pod={"initContainers": [fetch]}))
    assert found.kind == "Crashed"
    assert "init container fetch exited with status 3" in found.reason
    assert "no model at s3://models" in found.logs
