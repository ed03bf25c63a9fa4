"""A node: a containerd and a kubelet of our own, with every file in the cluster's state folder."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from tests.cluster import daemons
from tests.cluster.build import PAUSE_IMAGE
from tests.cluster.places import CGROUP, NETWORK_NAME, Node, state

_CNI_PROGRAMS = "/usr/lib/cni"


def up(programs: Path, node: Node) -> None:
    """Start the node's runtime and its kubelet."""
    folder = state() / node.name
    for name in ("cni", "kubelet", "logs", "manifests"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    socket = containerd_socket(node)
    (folder / "containerd.toml").write_text(_containerd(folder, socket))
    (folder / "cni" / "10-tuner.conflist").write_text(json.dumps(_network(folder, node), indent=1))
    (folder / "resolv.conf").write_text("# a pod of a test needs no name but those of its Services\n")
    (folder / "kubelet.json").write_text(json.dumps(_kubelet(folder, node, socket), indent=1))
    _make_cgroup(node)
    daemons.start(f"containerd-{node.name}", ["containerd", "--config", str(folder / "containerd.toml")])
    daemons.wait("containerd", lambda: _ctr(node, "version").returncode == 0, 20, f"containerd-{node.name}")
    load_image(node, programs / "pause.tar")
    daemons.start(
        f"kubelet-{node.name}",
        [
            f"{programs}/kubelet",
            f"--config={folder / 'kubelet.json'}",
            f"--kubeconfig={state()}/pki/{node.name}.kubeconfig",
            f"--root-dir={folder / 'kubelet'}",
            f"--cert-dir={folder / 'kubelet' / 'pki'}",
            f"--hostname-override={node.name}",
            f"--node-ip={node.address}",
        ],
    )


def containerd_socket(node: Node) -> Path:
    return state() / node.name / "containerd.sock"


def load_image(node: Node, archive: Path) -> None:
    done = _ctr(node, "--namespace", "k8s.io", "images", "import", str(archive))
    if done.returncode:
        raise daemons.CannotError(f"{archive}: could not be imported: {done.stderr.strip()}")


def down() -> None:
    """What containers and kubelets leave: mounts, network namespaces and control groups below our own names."""
    mine = str(state())
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed([mount for mount in mounts if mount.startswith(mine + "/")]):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
    for namespace in (state() / "netns").glob("*"):
        subprocess.run(["umount", "--lazy", str(namespace)], check=False, capture_output=True)
    for namespace in Path("/run/netns").glob("cni-*") if Path("/run/netns").is_dir() else ():
        if _recorded(namespace.name):
            subprocess.run(["ip", "netns", "delete", namespace.name], check=False, capture_output=True)
    _remove_cgroups()


def kill_members() -> None:
    """Kill whoever still stands in our control groups, by id."""
    for root in _cgroup_roots():
        for procs in (root / CGROUP).rglob("cgroup.procs"):
            for pid in procs.read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)


def _recorded(namespace: str) -> bool:
    """True for a network namespace our own CNI configuration gave an address to."""
    marks = (path.read_text(errors="replace") for path in state().glob("*/ipam/**/*") if path.is_file())
    results = (path.read_text(errors="replace") for path in Path("/var/lib/cni/results").glob(f"{NETWORK_NAME}-*"))
    return any(namespace in text for text in (*marks, *results))


def _ctr(node: Node, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ctr", "--address", str(containerd_socket(node)), *arguments], capture_output=True, text=True, check=False
    )


def _containerd(folder: Path, socket: Path) -> str:
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "{folder}/containerd"
state = "{folder}/run"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "{socket}"
[{cri}]
  sandbox_image = "{PAUSE_IMAGE}"
  # a machine may withhold the right to lower an OOM score; without this every sandbox fails there
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
[{cri}.containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"
[{cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[{cri}.containerd.runtimes.runc.options]
  SystemdCgroup = false
[{cri}.cni]
  bin_dir = "{_CNI_PROGRAMS}"
  conf_dir = "{folder}/cni"
"""


def _network(folder: Path, node: Node) -> dict[str, object]:
    addresses = {
        "type": "host-local",
        "dataDir": f"{folder}/ipam",
        "ranges": [[{"subnet": node.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": node.pod_bridge,
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": addresses,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": NETWORK_NAME, "plugins": [bridge, ports]}


def _kubelet(folder: Path, node: Node, socket: Path) -> dict[str, object]:
    pki = state() / "pki"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/{node.name}.crt",
        "tlsPrivateKeyFile": f"{pki}/{node.name}.key",
        "containerRuntimeEndpoint": f"unix://{socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}/{node.name}",
        "failSwapOn": False,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "healthzPort": 0,
        "podLogsDir": f"{folder}/logs",
        "volumePluginDir": f"{folder}/plugins",
        "resolvConf": f"{folder}/resolv.conf",
        "registerWithTaints": [],
        "serializeImagePulls": False,
    }


def _cgroup_roots() -> list[Path]:
    """The hierarchies in use: one of v2, or one a controller of v1."""
    roots = []
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2"):
            roots.append(Path(mount))
    return roots


def _make_cgroup(node: Node) -> None:
    """The node's own group; in v1's cpuset a new group has no CPUs until it is given its parent's."""
    for root in _cgroup_roots():
        for group in (root / CGROUP, root / CGROUP / node.name):
            with contextlib.suppress(FileExistsError, PermissionError):
                group.mkdir()
            for name in ("cpuset.cpus", "cpuset.mems"):
                if (group / name).exists() and not (group / name).read_text().strip():
                    (group / name).write_text((group.parent / name).read_text())
        controllers = root / "cgroup.controllers"
        if controllers.exists() and controllers.read_text().strip():
            enabled = " ".join(f"+{name}" for name in controllers.read_text().split())
            for group in (root, root / CGROUP, root / CGROUP / node.name):
                with contextlib.suppress(OSError):
                    (group / "cgroup.subtree_control").write_text(enabled)


def _remove_cgroups() -> None:
    for root in _cgroup_roots():
        top = root / CGROUP
        groups = sorted(
            (path for path in top.rglob("*") if path.is_dir()), key=lambda path: len(path.parts), reverse=True
        )
        for group in [*groups, top] if top.is_dir() else ():
            for _ in range(50):
                with contextlib.suppress(FileNotFoundError):
                    try:
                        group.rmdir()
                    except OSError:
                        time.sleep(0.02)
                        continue
                break
