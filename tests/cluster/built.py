"""The cluster built from Go modules: up, down, status."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from tests.cluster import build, control, daemons, machine, network, pki
from tests.cluster.places import Node, state
from tests.cluster.say import CannotError, say

_NEEDED = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "openssl": "openssl",
}
_CNI_PACKAGE = "containernetworking-plugins"


def missing() -> list[str]:
    """Debian packages that are not installed here."""
    packages = {package for program, package in _NEEDED.items() if shutil.which(program) is None}
    if not Path("/usr/lib/cni/bridge").exists():
        packages.add(_CNI_PACKAGE)
    return sorted(packages)


def install() -> None:
    """Install what is missing from Debian's packages."""
    packages = missing()
    if not packages:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    say(f"installing {' '.join(packages)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "--quiet"], env=env, check=False, capture_output=True)
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
    if done.returncode:
        raise CannotError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")


def up(nodes: int) -> None:
    if os.geteuid() != 0:
        raise CannotError("a cluster of our own needs root: containers, bridges and control groups are made")
    if missing():
        raise CannotError(f"missing: {' '.join(missing())}; `scripts/cluster up --install` installs them")
    programs = build.programs()
    if state().exists():
        if _answers(programs):
            say("up already")
            return
        say("a cluster was left half-way; taking it down first")
        down()
    began = time.monotonic()
    state().mkdir(parents=True, mode=0o711)
    try:
        _start(programs, tuple(Node(number) for number in range(nodes)))
    except BaseException:
        down()
        raise
    say(f"up after {time.monotonic() - began:.1f} s; KUBECONFIG={kubeconfig()}")


def _start(programs: Path, nodes: tuple[Node, ...]) -> None:
    pki.make(state() / "pki", nodes)
    network.up(nodes)
    control.up(programs)
    for node in nodes:
        machine.up(programs, node)
    control.proxy(programs)
    wanted = " ".join(["True"] * len(nodes))
    query = ("get", "nodes", "-o", 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}')
    kubelets = tuple(f"kubelet-{node.name}" for node in nodes)
    daemons.wait("nodes", lambda: control.kubectl(programs, *query).stdout.strip() == wanted, 60, *kubelets)
    account = ("get", "serviceaccount", "default")
    daemons.wait(
        "the default service account", lambda: not control.kubectl(programs, *account).returncode, 30, *kubelets
    )


def down() -> None:
    """Remove everything, also what a crash half-way left. Nothing that is not ours is touched."""
    if not state().exists():
        say("nothing is up")
        return
    order = ("kubelet", "kube-proxy", "kube-scheduler", "kube-controller-manager")
    for name in sorted(daemons.names(), key=lambda name: not name.startswith(order)):
        if name.startswith(order):
            daemons.stop(name)
    machine.kill_members()
    for name in daemons.names():
        daemons.stop(name)
    daemons.end_strays()
    machine.down()
    network.down()
    shutil.rmtree(state(), ignore_errors=False)
    say("down")


def status() -> str:
    if not state().exists():
        return "down"
    lines = [f"{name}: {'running' if daemons.running(name) else 'not running'}" for name in daemons.names()]
    programs = build.programs()
    nodes = control.kubectl(programs, "get", "nodes", "-o", "wide").stdout
    return "\n".join([*lines, nodes.rstrip()])


def kubeconfig() -> Path:
    return state() / "pki" / "admin.kubeconfig"


def load(archive: Path) -> None:
    """Import an image archive on every node."""
    for folder in sorted(state().glob("node*")):
        machine.load_image(Node(int(folder.name.removeprefix("node"))), archive)


def _answers(programs: Path) -> bool:
    return control.kubectl(programs, "get", "--raw=/readyz").returncode == 0
