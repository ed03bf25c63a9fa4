"""scripts/cluster: a real Kubernetes to try things on, in one of three ways."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cluster import machine
from tests.cluster.say import CannotError, say


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/cluster",
        description="A real Kubernetes for tests. --current: the one your kubeconfig points at (never touched otherwise); "
        "kind, where Docker runs; else one built from published Go modules.",
    )
    parser.add_argument("action", choices=["up", "down", "status", "kubeconfig", "load"])
    parser.add_argument("archive", nargs="?", type=Path, help="with load: an image archive to bring onto the nodes")
    parser.add_argument("--current", action="store_true", help="use the cluster of the current kubeconfig")
    parser.add_argument("--nodes", type=int, choices=[1, 2], default=1, help="with 2, one is there for the load")
    parser.add_argument("--install", action="store_true", help="install missing Debian packages first")
    options = parser.parse_args()
    try:
        _act(options)
    except CannotError as error:
        say(str(error))
        return 3
    return 0


def _act(options: argparse.Namespace) -> None:
    if options.current:
        _current(options.action)
    elif _kind():
        _with_kind(options)
    else:
        _built(options)


def _built(options: argparse.Namespace) -> None:
    if options.action == "up":
        say("no Docker here: a cluster built from published Go modules")
        if options.install:
            machine.install()
        machine.up(options.nodes)
    elif options.action == "down":
        machine.down()
    elif options.action == "status":
        print(machine.status())
    elif options.action == "kubeconfig":
        print(machine.kubeconfig())
    else:
        machine.load(options.archive)


def _current(action: str) -> None:
    """Only looked at: a cluster we were pointed at is neither made nor removed."""
    path = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    if not Path(path).exists():
        raise CannotError(f"--current: {path} is not there; set KUBECONFIG")
    if action == "kubeconfig":
        print(path)
        return
    say(f"the cluster of {path} is used as it is; up and down do nothing to it")
    if action == "status":
        subprocess.run(["kubectl", "--kubeconfig", path, "get", "nodes"], check=False)


def _kind() -> bool:
    """True where kind and a Docker engine that answers are both here."""
    if shutil.which("kind") is None or shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def _with_kind(options: argparse.Namespace) -> None:
    config = Path.home() / ".cache" / "tuner" / "kind.kubeconfig"
    name = ["--name", "tuner"]
    if options.action == "up":
        say("Docker is here: a kind cluster named tuner")
        config.parent.mkdir(parents=True, exist_ok=True)
        nodes = "\n".join(["- role: control-plane", *["- role: worker"] * (options.nodes - 1)])
        definition = f"kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n{nodes}\n"
        command = ["kind", "create", "cluster", *name, "--kubeconfig", str(config), "--config", "-"]
        subprocess.run(command, input=definition, text=True, check=True)
    elif options.action == "down":
        subprocess.run(["kind", "delete", "cluster", *name], check=True)
    elif options.action == "status":
        subprocess.run(["kubectl", "--kubeconfig", str(config), "get", "nodes"], check=False)
    elif options.action == "kubeconfig":
        print(config)
    else:
        subprocess.run(["kind", "load", "image-archive", str(options.archive), *name], check=True)


if __name__ == "__main__":
    sys.exit(main())
