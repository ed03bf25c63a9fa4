"""The three ways to a cluster, and which one is taken here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tests.cluster import machine
from tests.cluster.places import cache, own_name
from tests.cluster.say import CannotError, run, say


class Way(Protocol):
    """A cluster that can be had here. Everything raises CannotError when it cannot."""

    words: str
    """Which way it is and why, for people."""

    def up(self, nodes: int) -> None: ...
    def down(self) -> None: ...
    def status(self) -> str: ...
    def kubeconfig(self) -> Path: ...
    def is_up(self) -> bool: ...
    def load(self, archive: Path) -> None:
        """Bring the images of a Docker archive onto every node."""


def choose(*, current: bool = False) -> Way:
    """The current kubeconfig's only where asked for; else kind where it is with a Docker that answers; else our own."""
    if current:
        return Current(os.environ)
    return Kind() if _kind() else Own()


class Current:
    """A cluster we were pointed at: used as it is, neither made nor removed."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._path = Path(environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
        self.words = f"the cluster of {self._path}, as it is; it is neither started nor stopped"

    def up(self, nodes: int) -> None:
        self.kubeconfig()

    def down(self) -> None:
        self.kubeconfig()

    def status(self) -> str:
        return _shown_nodes(self.kubeconfig())

    def kubeconfig(self) -> Path:
        if not self._path.exists():
            raise CannotError(f"--current: {self._path} is not there; set KUBECONFIG to one file")
        return self._path

    def is_up(self) -> bool:
        return self._path.exists()

    def load(self, archive: Path) -> None:
        raise CannotError(
            f"{archive}: bring it to where the cluster of {self._path} pulls from; that is not ours to do"
        )


class Kind:
    def __init__(self) -> None:
        self._called = own_name()
        self._name = ("--name", self._called)
        self.words = f"kind, since Docker answers here: a cluster named {self._called}"

    def up(self, nodes: int) -> None:
        if self.is_up():
            return say("up already")
        cache().mkdir(parents=True, exist_ok=True)
        listed = "\n".join(["- role: control-plane", *["- role: worker"] * (nodes - 1)])
        definition = f"kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n{listed}\n"
        command = ("kind", "create", "cluster", *self._name, "--wait=120s", "--config=-")
        run(*command, f"--kubeconfig={self._path()}", stdin=definition)
        # kind keeps pods off the control plane as soon as there is a worker; here every node is for pods
        taint = "node-role.kubernetes.io/control-plane-"
        kubectl = ("kubectl", f"--kubeconfig={self._path()}", "taint", "nodes", "--all", taint)
        subprocess.run(kubectl, capture_output=True, check=False)
        return say(f"KUBECONFIG={self._path()}")

    def down(self) -> None:
        run("kind", "delete", "cluster", *self._name, f"--kubeconfig={self._path()}")
        self._path().unlink(missing_ok=True)

    def status(self) -> str:
        return _shown_nodes(self.kubeconfig()) if self.is_up() else "down"

    def kubeconfig(self) -> Path:
        if not self.is_up():
            raise CannotError("no cluster is up here; start one with `scripts/cluster up`")
        return self._path()

    def is_up(self) -> bool:
        return self._called in run("kind", "get", "clusters").split()

    def load(self, archive: Path) -> None:
        run("kind", "load", "image-archive", str(archive), *self._name)

    def _path(self) -> Path:
        return cache() / f"kind-{self._called}.kubeconfig"


class Own:
    words = (
        "a cluster of our own on this machine, compiled from published Go modules (there is no kind with Docker here)"
    )

    up = staticmethod(machine.up)
    down = staticmethod(machine.down)
    status = staticmethod(machine.status)
    kubeconfig = staticmethod(machine.kubeconfig)
    is_up = staticmethod(machine.is_up)
    load = staticmethod(machine.load)


def _kind() -> bool:
    if shutil.which("kind") is None or shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def _shown_nodes(kubeconfig: Path) -> str:
    return run("kubectl", f"--kubeconfig={kubeconfig}", "get", "nodes", "--output=wide").rstrip()
