"""The bridge that carries the nodes' addresses, and what the cluster leaves in the kernel's packet filter.

Pods are joined point to point (no bridge among them), so every packet between them is routed by this machine and
Services work without the kernel's bridge filter. The interfaces go with the pods' network namespaces, and those with
the nodes' mount namespace.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time

from tests.cluster.places import BRIDGE, NODE_NETWORK, POD_NETWORK, SERVICE_NETWORK, Node
from tests.cluster.say import CannotError, run

_CHAIN = "TUNER-CLUSTER"
_OURS = (_CHAIN, "KUBE-")
_FAMILIES = ("iptables", "ip6tables")


def check() -> None:
    """Raise CannotError where another cluster already works on this machine: its chains could not be told from ours."""
    for family in _FAMILIES:
        for table, lines in _tables(family).items():
            if any(line.startswith(":KUBE-") for line in lines):
                raise CannotError(f"{family} holds KUBE- chains in table {table}: another cluster runs on this machine")
    taken = (NODE_NETWORK, POD_NETWORK, SERVICE_NETWORK)
    routes = [route["dst"] for route in json.loads(run("ip", "-json", "-4", "route", "show") or "[]")]
    if clash := sorted(set(taken) & set(routes)):
        raise CannotError(f"the network {clash[0]} is routed already; the cluster needs {', '.join(taken)}")


def up() -> None:
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "addr", "add", f"{Node(number=0).address}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    # without a default route, a connection to a Service would fail before the filter can send it to a pod
    run("ip", "route", "add", SERVICE_NETWORK, "dev", BRIDGE)
    # Docker, where it is, drops what is forwarded unless someone accepts it
    forwarded = [f"-A {_CHAIN} -s {POD_NETWORK} -j ACCEPT", f"-A {_CHAIN} -d {POD_NETWORK} -j ACCEPT"]
    rules = ["*filter", f":{_CHAIN} - [0:0]", *forwarded, f"-I FORWARD -j {_CHAIN}", "COMMIT"]
    run("iptables-restore", "--noflush", "--wait", stdin="\n".join(rules) + "\n")


def join(node: Node) -> None:
    """Give a node after the first its address."""
    if node.number:
        run("ip", "addr", "add", f"{node.address}/24", "dev", BRIDGE)


def down(tables_before: dict[str, list[str]]) -> None:
    """Remove the bridge and our chains, and wait until the pods' interfaces are gone; each may be missing."""
    if _links(BRIDGE):
        run("ip", "link", "del", BRIDGE)
    for family in _FAMILIES:
        _remove_chains(family, tables_before.get(family, []))
    _await_interfaces()


def tables() -> dict[str, list[str]]:
    """Which tables the packet filter has, of each family."""
    return {family: sorted(_tables(family)) for family in _FAMILIES}


def _links(*select: str) -> list[str]:
    done = subprocess.run(["ip", "-o", "link", "show", *select], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def _await_interfaces(patience_s: float = 10.0) -> None:
    """The kernel takes a dead namespace's interfaces away in its own time; their routes name our pods."""
    deadline = time.monotonic() + patience_s
    while left := run("ip", "-4", "route", "show", "root", POD_NETWORK):
        if time.monotonic() > deadline:
            raise CannotError(f"interfaces of pods are left:\n{left}")
        time.sleep(0.05)


def _tables(family: str) -> dict[str, list[str]]:
    """The lines of each table that exists. Only reading: it makes no table."""
    if shutil.which(f"{family}-save") is None:
        return {}
    found: dict[str, list[str]] = {}
    table = ""
    for line in run(f"{family}-save").splitlines():
        if line.startswith("*"):
            table = line[1:]
            found[table] = []
        elif table:
            found[table].append(line)
    return found


def _remove_chains(family: str, before: list[str]) -> None:
    """Take our chains and the rules that jump to them out, naming each: what others add meanwhile stays."""
    for table, lines in _tables(family).items():
        chains = [line.split()[0][1:] for line in lines if line.startswith(tuple(f":{name}" for name in _OURS))]
        jumps = [
            f"-D{line[2:]}"
            for line in lines
            if line.startswith("-A ") and line.split()[1] not in chains and set(chains) & set(line.split())
        ]
        if chains:
            emptied = [f":{chain} - [0:0]" for chain in chains]
            rules = [f"*{table}", *emptied, *jumps, *(f"-X {chain}" for chain in chains), "COMMIT"]
            run(f"{family}-restore", "--noflush", "--wait", stdin="\n".join(rules) + "\n")
        if table not in before:
            _remove_table(family, table)


def _remove_table(family: str, table: str) -> None:
    """A table that came with us goes with us, unless someone has come to use it since."""
    lines = [line for line in _tables(family).get(table, []) if line.startswith((":", "-A "))]
    if all(line.startswith(":") and line.split()[1] == "ACCEPT" for line in lines):
        # refused where the kernel's older filter is in use; an empty table does no harm there
        name = {"iptables": "ip", "ip6tables": "ip6"}[family]
        subprocess.run(["nft", "delete", "table", name, table], capture_output=True, check=False)
