"""Where the test cluster keeps what it makes, and the addresses it uses."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

# None is loopback: pods must reach the API server, and a node's address may not be loopback.
NODE_NETWORK = "10.213.0.0/24"
MACHINE_ADDRESS = "10.213.0.254"
POD_NETWORK = "10.214.0.0/16"
SERVICE_NETWORK = "10.215.0.0/24"
SERVICE_ADDRESS = "10.215.0.1"
API_ADDRESS = "10.213.0.1"
API_PORT = 6443


@dataclass(frozen=True, slots=True, kw_only=True)
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
    def folder(self) -> Path:
        return state() / self.name

    @property
    def socket(self) -> Path:
        """containerd's; the folder's path must leave room for it in the 107 bytes of a socket's name."""
        return self.folder / "containerd.sock"


def cache() -> Path:
    """Built programs and images: kept between clusters, outside the work tree."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tuner" / "cluster"


def state() -> Path:
    """Everything of the running cluster; `down` removes it whole."""
    return Path(os.environ.get("TUNER_CLUSTER_STATE") or "/var/lib/tuner-cluster")


def nodes() -> tuple[Node, ...]:
    """The nodes that were started."""
    numbers = sorted(int(folder.name.removeprefix("node")) for folder in state().glob("node[0-9]*"))
    return tuple(Node(number=number) for number in numbers)


def own_name() -> str:
    """What the cluster's control group and its end of the cable are called."""
    return state().name


def started_by_tests() -> Path:
    """Is there when a test run started this cluster, and nobody has asked for it to be kept: each cluster has its own."""
    return cache() / f"{own_name()}.started-by-tests"


@contextmanager
def locked(name: str, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """One process at a time (or all that ask for it `shared`) does what `name` stands for.

    The lock goes with the process that holds it. Raises BlockingIOError where it is held and is not to be waited for.
    """
    (cache() / "locks").mkdir(parents=True, exist_ok=True)
    with (cache() / "locks" / name).open("w") as lock:
        fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        yield
