"""Capacity, counters, usage, addresses and what is read back: pure parts, without a cluster."""

from __future__ import annotations

import copy
import socket
from typing import Any

import pytest

from tests.backends.kubernetes import toys
from tests.servers.pods import pods_of, toy_container
from tuner.backends.kubernetes.pods import addresses, capacity, counters, readback
from tuner.backends.kubernetes.pods.counters import Counters
from tuner.backends.kubernetes.pods.usage import Snapshot, usage
from tuner.backends.model import Difference
from tuner.manifests.model import PodSet


def node(name: str, cpu: str = "2", memory: str = "4Gi", **others: str) -> dict[str, Any]:
    allocatable = {"cpu": cpu, "memory": memory, "pods": "110", **others}
    return {"metadata": {"name": name}, "spec": {}, "status": {"allocatable": allocatable}}


def test_pods_must_fit_node_by_node_not_in_sum() -> None:
    three = pods_of(toy_container(cpu="1500m"), replicas=2)
    assert capacity.no_room(three, [node("a"), node("b")]) is None
    told = capacity.no_room(three, [node("a"), node("b", cpu="1")])
    assert told is not None
    assert told.startswith("Insufficient cpu: 1 of 2 pods fit on 2 node(s)")
    assert "each requests 1.5 cpu, the largest node has 2" in told


def test_a_cordoned_node_holds_nothing() -> None:
    cordoned = node("a")
    cordoned["spec"]["unschedulable"] = True
    assert "no node" in str(capacity.no_room(pods_of(toy_container()), [cordoned]))


def test_quotas_and_limit_ranges_that_can_never_be_met() -> None:
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"requests.cpu": "1", "pods": "5", "count/secrets": "0"}}}
    assert capacity.refused(pods_of(toy_container(cpu="500m"), replicas=2), [quota], []) is None
    assert "exceeds quota q" in str(capacity.refused(pods_of(toy_container(cpu="500m"), replicas=3), [quota], []))
    limits = {"metadata": {"name": "l"}, "spec": {"limits": [{"type": "Container", "min": {"memory": "128Mi"}}]}}
    assert "less than the 128Mi required" in str(capacity.refused(pods_of(toy_container()), [], [limits]))


V1 = """==> /sys/fs/cgroup/cpuacct/cpuacct.usage <==
1500000000

==> /sys/fs/cgroup/cpu/cpu.stat <==
nr_periods 10
nr_throttled 4
throttled_time 99

==> /sys/fs/cgroup/memory/memory.usage_in_bytes <==
1000

==> /sys/fs/cgroup/memory/memory.stat <==
inactive_file 1
total_inactive_file 300

==> /sys/fs/cgroup/memory/memory.oom_control <==
oom_kill_disable 0
under_oom 0
oom_kill 2
head: cannot open '/sys/fs/cgroup/cpu.stat' for reading: No such file or directory
"""
V2 = """==> /sys/fs/cgroup/cpu.stat <==
usage_usec 1500000
user_usec 1
nr_periods 10
nr_throttled 4
==> /sys/fs/cgroup/memory.current <==
1000
==> /sys/fs/cgroup/memory.stat <==
inactive_file 300
==> /sys/fs/cgroup/memory.events <==
oom 3
oom_kill 2
"""


@pytest.mark.parametrize("text", [V1, V2])
def test_both_versions_of_control_groups_are_read(text: str) -> None:
    found = counters.parse(text, 1.0)
    assert found == Counters(at_s=1.0, cpu_s=1.5, memory_bytes=700, periods=10, throttled=4, oom_kills=2)


def test_what_is_not_there_is_none() -> None:
    assert counters.parse("head: cannot open anything\n", 1.0) == Counters(at_s=1.0)


def reading(at_s: float, *cpu_s: float | None, **others: Any) -> Snapshot:
    found = {
        (f"p{i}", "c"): Counters(at_s=at_s, cpu_s=value, memory_bytes=100 + i, **others)
        for i, value in enumerate(cpu_s)
    }
    return Snapshot(counters=found, at_s=at_s)


def test_usage_is_the_sum_over_the_replicas() -> None:
    found = usage(
        reading(10.0, 1.0, 2.0, periods=0, throttled=0),
        reading(12.0, 2.0, 4.0, periods=10, throttled=5),
        exact=True,
        restarts=1,
    )
    assert (found.cpu_cores, found.memory_peak_bytes, found.throttled_ratio, found.restarts) == (1.5, 201, 0.5, 1)


def test_a_replica_that_could_not_be_read_leaves_no_sum() -> None:
    assert usage(reading(0.0, 1.0, None), reading(2.0, 2.0, None), exact=True, restarts=0).cpu_cores is None


def test_counters_that_do_not_cover_the_window_are_not_used() -> None:
    before, after = reading(0.0, 1.0), Snapshot(counters=reading(15.0, 2.0).counters, at_s=5.0)
    assert usage(before, after, exact=False, restarts=0).cpu_cores is None
    assert usage(reading(0.0, 1.0), reading(5.0, 2.0), exact=False, restarts=0).cpu_cores == pytest.approx(0.2)


def test_ports_behind_services() -> None:
    service = {"spec": {"ports": [{"port": 80, "targetPort": "http"}, {"port": 8000}]}}
    pod = toys.manifest()["spec"]["template"]
    assert addresses.target_port(service, 80, pod) == 9000
    assert addresses.target_port(service, 8000, pod) == 8000
    assert addresses.target_port(service, 9, pod) is None
    assert addresses.pod_urls([{"status": {"podIP": "10.0.0.1"}}, {"status": {"podIP": "fd00::1"}}], 80) == (
        "http://10.0.0.1:80",
        "http://[fd00::1]:80",
    )
    assert addresses.pod_urls([{"status": {"podIP": "10.0.0.1"}}, {"status": {}}], 80) == ()


def test_a_refused_connection_is_a_way_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert addresses.routable("127.0.0.1", port)
    assert addresses.routable("127.0.0.1", port)


def found_in(change: Any) -> list[Difference]:
    manifest = toys.manifest(env={"A": "1"}, cpu="0.5")
    template = manifest["spec"]["template"]
    live = copy.deepcopy(template)
    live["metadata"]["name"] = "toy-0"
    live["spec"] |= {"nodeName": "n", "serviceAccountName": "default", "volumes": [{"name": "token"}]}
    (container,) = live["spec"]["containers"]
    container |= {"terminationMessagePath": "/dev/termination-log", "volumeMounts": [{"name": "token"}]}
    container["resources"]["limits"]["cpu"] = "500m"
    change(live["spec"], container)
    pods: PodSet = toys.deployment([manifest]).pods
    return list(readback.differences(pods, template, [live], {"kind": "Deployment", **manifest}))


def test_defaults_of_the_api_server_are_no_difference() -> None:
    assert found_in(lambda spec, container: None) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda spec, c: c["env"].append({"name": "B", "value": "2"}), "container toy: env B"),
        (lambda spec, c: c["env"][0].update(value="2"), "container toy: env A"),
        (lambda spec, c: c.update(args=["--port", "1"]), "container toy: args/1"),
        (lambda spec, c: c["resources"]["limits"].update(cpu="1"), "container toy: limits/cpu"),
        (lambda spec, c: c["resources"]["limits"].update(gpu="1"), "container toy: limits/gpu"),
        (lambda spec, c: c.update(image="other"), "container toy: image"),
        (lambda spec, c: spec["containers"].append({"name": "sidecar"}), "container sidecar"),
        (lambda spec, c: c.pop("readinessProbe"), "container toy: readinessProbe"),
    ],
)
def test_what_was_changed_is_found_and_by_whom(change: Any, what: str) -> None:
    found = found_in(change)
    assert found
    assert found[0].what.startswith(f"replica 0: {what}")
    assert "when the pod was admitted" in found[0].found


def live(digest: str) -> dict[str, Any]:
    status = {"name": "toy", "image": "registry.example/toy:1", "imageID": digest}
    return {
        "spec": {"containers": [{"name": "toy", "image": "example/toy:1"}]},
        "status": {"containerStatuses": [status, {"name": "injected", "imageID": "sha256:f00"}, {"name": "toy"}]},
    }


def test_the_images_that_really_run_are_told_once_with_their_digests() -> None:
    same = [live("registry.example/toy@sha256:abc"), live("sha256:abc")]
    assert readback.images(same) == ("toy: example/toy:1 is sha256:abc",)
    assert list(readback.uneven_images(same)) == []
    assert readback.images([]) == ()


def test_replicas_of_different_images_under_one_name_are_warned_of() -> None:
    (said,) = readback.uneven_images([live("sha256:abc"), live("sha256:def")])
    assert "all named example/toy:1 (sha256:abc, sha256:def)" in said
