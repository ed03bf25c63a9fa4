"""What the test cluster promises: nobody unknown gets in, limits are real, and nothing is left of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import cgroups, daemons, network, places, ways
from tests.cluster.fixture import Cluster
from tests.cluster.host import PRIVATE
from tests.cluster.machine import obstacle
from tests.cluster.programs import PAUSE_IMAGE, compiled

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "limited"},
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "containers": [
            {"name": "pause", "image": PAUSE_IMAGE, "resources": {"limits": {"cpu": "250m", "memory": "32Mi"}}}
        ],
    },
}


@pytest.fixture
def own(cluster: Cluster) -> Cluster:
    if not isinstance(cluster.way, ways.Own):
        pytest.skip(f"this is {cluster.way.words}")
    return cluster


@pytest.mark.parametrize(("port", "path"), [(places.API_PORT, "api"), (places.API_PORT, "healthz"), (10250, "pods")])
def test_without_a_certificate_nobody_gets_in(own: Cluster, port: int, path: str) -> None:
    url = f"https://{places.api_address()}:{port}/{path}"
    anyone = ssl.create_default_context()
    anyone.check_hostname = False
    anyone.verify_mode = ssl.CERT_NONE
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(url, context=anyone, timeout=10)
    refusal.value.close()
    assert refusal.value.code == 401


def test_nothing_listens_on_every_address(own: Cluster) -> None:
    sockets = {link for pid in daemons.ours() for link in _descriptors(pid) if link.startswith("socket:")}
    listening = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        command = [*network.inside(), "cat", f"/proc/net/{table}"]
        for line in subprocess.check_output(command, text=True).splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if f"socket:[{inode}]" in sockets and state in ("0A", "07"):  # listening (TCP), unconnected (UDP)
                listening.append(local)
    assert len(listening) >= 5
    assert [address for address in listening if not address.partition(":")[0].strip("0")] == []


def _descriptors(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):  # it may end meanwhile
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            yield str(descriptor.readlink())


def test_a_limit_stands_in_the_control_group(own: Cluster) -> None:
    own.kubectl("apply", "--filename=-", stdin=json.dumps(POD))
    try:
        own.kubectl("wait", "--for=condition=Ready", "pod/limited", "--timeout=60s")
        uid = own.kubectl("get", "pod", "limited", "--output=jsonpath={.metadata.uid}")
        groups = [group for root in cgroups.roots() for group in (root / places.own_name()).rglob(f"pod{uid}")]
        limits = {
            file.name: file.read_text().split()
            for group in groups
            for file in group.iterdir()
            if file.name in ("cpu.max", "cpu.cfs_quota_us", "memory.max", "memory.limit_in_bytes")
        }
    finally:
        own.kubectl("delete", "pod", "limited", "--now")
    assert limits.get("cpu.max", limits.get("cpu.cfs_quota_us", [""]))[0] == "25000"
    assert limits.get("memory.max", limits.get("memory.limit_in_bytes", [""]))[0] == str(32 * 1024 * 1024)


@pytest.fixture
def another(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """How to start a command of scripts/cluster for a cluster beside the session's, on a network of its own."""
    if why := obstacle() or (None if compiled() else "no cluster was compiled yet"):
        pytest.skip(why)
    # a short path: kubelet's sockets lie below it
    monkeypatch.setenv("TUNER_CLUSTER_STATE", str(tmp_path_factory.mktemp("c") / f"try{os.getpid()}"))
    holder = subprocess.Popen(["unshare", "--net", "sleep", "600"])
    ours = Path("/proc/self/ns/net").readlink()
    try:
        while Path(f"/proc/{holder.pid}/ns/net").readlink() == ours:
            time.sleep(0.01)
        yield ["nsenter", f"--net=/proc/{holder.pid}/ns/net", "--", sys.executable, "-m", "tests.cluster"]
    finally:
        subprocess.run([sys.executable, "-m", "tests.cluster", "down"], cwd=places.ROOT, check=True)
        holder.kill()
        holder.wait()


def left() -> dict[str, object]:
    """All that a cluster could leave behind on this machine; those of other test runs may come and go meanwhile."""
    links = json.loads(subprocess.check_output(["ip", "-json", "link"]))
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    settings = ("kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "vm/overcommit_memory")
    return {
        "state": places.state().exists(),
        "processes": daemons.ours() | cgroups.members(),
        "control groups": [str(root) for root in cgroups.roots() if (root / places.own_name()).exists()],
        "mounts": [line for line in mounts if str(places.state()) in line or "netns" in line],
        "folders": [path for path in (*PRIVATE, "/var/log/pods", "/run/netns", "/opt/cni") if Path(path).exists()],
        "settings": {name: (Path("/proc/sys") / name).read_text() for name in settings},
        "links": [link["ifname"] for link in links if not link["ifname"].startswith("tuner-cluster")],
    }


def test_down_leaves_nothing(cluster: Cluster, another: list[str]) -> None:
    before = left()
    subprocess.run([*another, "up"], cwd=places.ROOT, check=True)
    assert left() != before
    subprocess.run([*another, "down"], cwd=places.ROOT, check=True)
    assert left() == before


@pytest.mark.parametrize("reached", ["etcd", "kubelet-node0"])
def test_down_leaves_nothing_of_an_up_that_was_killed(cluster: Cluster, another: list[str], reached: str) -> None:
    before = left()
    with subprocess.Popen([*another, "up"], cwd=places.ROOT) as up:
        while daemons.pid(reached) is None:
            assert up.poll() is None
            time.sleep(0.01)
        os.kill(up.pid, signal.SIGKILL)
    assert daemons.ours()
    subprocess.run([*another, "down"], cwd=places.ROOT, check=True)
    assert left() == before


def test_down_again_does_no_harm(another: list[str]) -> None:
    for _ in range(2):
        subprocess.run([*another, "down"], cwd=places.ROOT, check=True)
