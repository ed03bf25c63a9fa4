"""Where the test cluster keeps what it makes, and the addresses it uses."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import NamedTuple

from tests.cluster.say import CannotError

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

API_PORT = 6443
NUMBER = "TUNER_CLUSTER"
"""The variable that says which of the clusters beside each other is meant, from 1 on."""
_MOST = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    number: int

    @property
    def name(self) -> str:
        return f"node{self.number}"

    @property
    def address(self) -> str:
        return str(networks().nodes[self.number + 1])

    @property
    def pods(self) -> str:
        return f"{networks().pods[256 * self.number]}/24"

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


def number() -> int:
    """Clusters with different ones run beside each other. Raises CannotError."""
    given = os.environ.get(NUMBER) or "1"
    if not given.isdecimal() or not 1 <= int(given) <= _MOST:
        raise CannotError(f"{NUMBER}={given}: a number from 1 to {_MOST} is wanted")
    return int(given)


class Networks(NamedTuple):
    """None is loopback: pods must reach the API server, and a node's address may not be loopback."""

    nodes: IPv4Network
    pods: IPv4Network
    services: IPv4Network


def networks() -> Networks:
    first = 210 + 3 * number()
    return Networks(*(IPv4Network(f"10.{first + which}.0.0/{bits}") for which, bits in enumerate((24, 16, 24))))


def machine_address() -> str:
    """This machine's, as pods see it."""
    return str(networks().nodes[254])


def api_address() -> str:
    """The API server listens on the first node's."""
    return Node(number=0).address


def name() -> str:
    """Of the cluster, short enough for an interface."""
    return "tuner-cluster" + ("" if number() == 1 else str(number()))


def state() -> Path:
    """Everything of the running cluster; `down` removes it whole."""
    return Path(os.environ.get("TUNER_CLUSTER_STATE") or f"/var/lib/{name()}")


def nodes() -> tuple[Node, ...]:
    """The nodes that were started."""
    numbers = sorted(int(folder.name.removeprefix("node")) for folder in state().glob("node[0-9]*"))
    return tuple(Node(number=number) for number in numbers)


def own_name() -> str:
    """What the cluster's control group and its end of the cable are called."""
    return state().name


def started_by_tests() -> Path:
    """Is there when a test run started this cluster, and nobody asked for it to be kept: each has its own."""
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
