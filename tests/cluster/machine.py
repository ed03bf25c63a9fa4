"""The cluster on this one machine: up, down, status."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.cluster import cgroups, control, daemons, host, network, node, pki
from tests.cluster.places import Node, locked, nodes, state
from tests.cluster.programs import compiled, programs
from tests.cluster.say import CannotError, run, say

_PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "openssl": "openssl",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "sysctl": "procps",
    "mount": "mount",
}
_CNI_PACKAGE = "containernetworking-plugins"


def obstacle() -> str | None:
    """Why no cluster can be started here as it is; None when it can."""
    if sys.platform != "linux":
        return "a cluster of our own needs Linux"
    if os.geteuid() != 0:
        return "a cluster of our own needs root: it makes containers, interfaces and control groups"
    if packages := missing(_PACKAGES):
        return f"missing here: {' '.join(packages)}; `scripts/cluster up --install` installs them"
    if shutil.which("go") is None and not compiled():
        return "go is not on PATH: the cluster is compiled from Go modules; install Go 1.25 or later"
    return None


def missing(wanted: dict[str, str]) -> list[str]:
    """Debian packages whose programs are not here."""
    packages = {package for program, package in wanted.items() if shutil.which(program) is None}
    if wanted is _PACKAGES and not (node.CNI_PROGRAMS / "ptp").exists():
        packages.add(_CNI_PACKAGE)
    return sorted(packages)


def install() -> None:
    """Install what is missing from Debian's packages."""
    install_packages(missing(_PACKAGES))


def install_packages(packages: list[str]) -> None:
    if not packages:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise CannotError(f"missing here: {' '.join(packages)}; installing them needs root and apt-get")
    say(f"installing {' '.join(packages)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with locked("packages"):
        subprocess.run(["apt-get", "update", "--quiet"], env=env, check=False, capture_output=True)
        run("apt-get", "install", "--yes", "--no-install-recommends", *packages, env=env)


def up(count: int) -> None:
    """Start the cluster, or what is missing of one that runs; raises CannotError when it cannot be."""
    if why := obstacle():
        raise CannotError(why)
    with locked(state().name):
        built = programs()
        began = time.monotonic()
        if state().exists() and not is_up():
            say("a cluster was left half-way; taking it down first")
            _remove()
        if is_up():
            control.wait(built)  # a test may have stopped it for a while
            _complete(built, count)
            return say(f"up already; KUBECONFIG={control.kubeconfig()}")
        try:
            _start(built)
            _complete(built, count)
        except BaseException:
            _remove()
            raise
    took = time.monotonic() - began
    return say(f"{len(nodes())} node(s) ready after {took:.1f} s; KUBECONFIG={control.kubeconfig()}")


def is_up() -> bool:
    """True from the end of `up` on, until `down` or the machine's end; also while a part of it is stopped."""
    return (state() / "complete").exists() and network.exists()


def _start(built: Path) -> None:
    network.check()
    say("starting the network, etcd and the control plane")
    state().mkdir(parents=True, mode=0o711)
    host.note()
    host.make_folders()
    pki.make()
    network.up(built)
    control.up(built)


def _complete(built: Path, count: int) -> None:
    """Start the nodes that are not there yet and wait until pods can run."""
    for number in range(len(nodes()), count):
        added = Node(number=number)
        say(f"starting {added.name}")
        node.up(built, added)
        for archive in node.loaded(Node(number=0)):
            node.load_image(added, archive)
    kubelets = [node.kubelet(member) for member in nodes()]
    ready = ("get", "nodes", "-o", 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}')
    wanted = " ".join(["True"] * len(kubelets))
    daemons.wait("nodes", lambda: control.kubectl(built, *ready).stdout == wanted, 60, *kubelets)
    # without it no pod is admitted
    account = ("get", "serviceaccount", "default")
    daemons.wait("service accounts", lambda: not control.kubectl(built, *account).returncode, 30, *kubelets)
    (state() / "complete").touch()


def down() -> None:
    """Remove everything, also what a crash half-way left. Nothing that is not ours is touched; may be repeated."""
    with locked(state().name):
        _remove()
    say("down")


def _remove() -> None:
    daemons.end(lambda: daemons.ours() | cgroups.members())
    network.down()
    cgroups.remove()
    host.restore()
    shutil.rmtree(state(), ignore_errors=True)
    if state().exists():
        raise CannotError(f"{state()} could not be removed; run `scripts/cluster down` again")


def status() -> str:
    if not state().exists():
        return "down"
    lines = [f"{name}: {'running' if daemons.pid(name) else 'not running'}" for name in daemons.names()]
    shown = control.kubectl(programs(), "get", "nodes", "-o", "wide")
    return "\n".join([*lines, (shown.stdout or shown.stderr).rstrip()])


def kubeconfig() -> Path:
    if not control.kubeconfig().exists():
        raise CannotError("no cluster is up here; start one with `scripts/cluster up`")
    return control.kubeconfig()


def load(archive: Path) -> None:
    """Import an image archive on every node; at once where that was done already."""
    kubeconfig()
    for member in nodes():
        node.load_image(member, archive)
