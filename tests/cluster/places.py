"""Where the test cluster keeps what it makes, and the addresses it uses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
VERSION = "v1.34.4"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl")

# A bridge of our own carries the nodes' addresses; pods and Services have a range each. None is loopback: pods must
# reach the API server, and a node's address may not be loopback.
BRIDGE = "tuner-nodes"
API_ADDRESS = "10.213.0.1"
NODE_NETWORK = "10.213.0.0/24"
POD_NETWORK = "10.214.0.0/16"
SERVICE_NETWORK = "10.215.0.0/24"
SERVICE_ADDRESS = "10.215.0.1"
API_PORT = 6443
CGROUP = "tuner-cluster"
NETWORK_NAME = "tuner"


@dataclass(frozen=True, slots=True)
class Node:
    number: int

    @property
    def name(self) -> str:
        return f"node{self.number}"

    @property
    def address(self) -> str:
        return f"10.213.0.{self.number + 1}"

    @property
    def pods(self) -> str:
        return f"10.214.{self.number}.0/24"

    @property
    def pod_bridge(self) -> str:
        return f"tuner-pods{self.number}"


def cache() -> Path:
    """Built programs and images: kept between clusters, outside the work tree."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tuner" / "cluster"


def state() -> Path:
    """Everything of the running cluster; `down` removes it whole. Short, since sockets lie in it."""
    return Path(os.environ.get("TUNER_CLUSTER_STATE") or "/var/lib/tuner-cluster")
