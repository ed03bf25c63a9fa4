"""The network namespace the whole cluster lives in, and the cable from it to this machine.

    this machine 10.213.0.254 ---- 10.213.0.1, .2 the nodes ---- 10.214.0.0/16 pods, 10.215.0.0/24 Services

Interfaces, routes, packet filter and ports of the cluster are its own: nothing of the machine's is changed, nothing
clashes, and all of it goes with the namespace, that is with its last process. (Those are the first cluster's addresses;
one with another number has others.) From this machine pods, Services and
node ports are reached by their addresses; pods reach this machine, and nothing beyond it. Pods are joined point to
point (no bridge among them), so every packet between them is routed and Services need no bridge filter.
"""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path

from tests.cluster import daemons
from tests.cluster.places import NUMBER, Node, machine_address, networks, own_name
from tests.cluster.say import CannotError, run

_HOLDER = "network"


def check() -> None:
    """Raise CannotError where an address of ours is in use already."""
    for route in json.loads(run("ip", "-json", "-4", "route", "show") or "[]"):
        if route["dst"] != "default" and any(map(IPv4Network(route["dst"]).overlaps, networks())):
            raise CannotError(
                f"the network {route['dst']} is in use here (device {route.get('dev')}), but the cluster needs "
                f"{', '.join(map(str, networks()))}; with another number in {NUMBER} it takes others"
            )


def up(programs: Path) -> None:
    """Make the namespace, held by a process that does nothing else, and lay the cable."""
    daemons.start(_HOLDER, ["unshare", "--net", f"{programs}/pause"])
    daemons.wait("the network namespace", _separate, 10, _HOLDER)
    holder = str(daemons.pid(_HOLDER))
    run("ip", "link", "add", _cable(), "type", "veth", "peer", "name", "nodes", "netns", holder)
    run(*inside(), "sysctl", "--quiet", "--write", "net.ipv4.ip_forward=1")
    run(*inside(), "ip", "link", "set", "lo", "up")
    run(*inside(), "ip", "link", "set", "nodes", "up")
    _address(Node(number=0))
    # not a default route: an image that is not there is told at once, not after time-outs of name servers
    run(*inside(), "ip", "route", "add", str(networks().services), "dev", "nodes")
    run("ip", "addr", "add", f"{machine_address()}/24", "dev", _cable())
    run("ip", "link", "set", _cable(), "up")
    for network in (networks().pods, networks().services):
        run("ip", "route", "add", str(network), "via", Node(number=0).address)


def join(node: Node) -> None:
    """Give a node its address; the first has it already, since the API server listens there."""
    if node.number:
        _address(node)


def _address(node: Node) -> None:
    run(*inside(), "ip", "addr", "add", f"{node.address}/24", "dev", "nodes")


def exists() -> bool:
    return daemons.pid(_HOLDER) is not None


def inside() -> list[str]:
    """What starts a program in the cluster's network."""
    return ["nsenter", f"--net=/proc/{daemons.pid(_HOLDER)}/ns/net", "--"]


def down() -> None:
    """Take the cable away now; the kernel removes a namespace in its own time, and the cable with it."""
    if _is_laid():
        try:
            run("ip", "link", "delete", _cable())
        except CannotError:
            if _is_laid():
                raise


def _is_laid() -> bool:
    return any(link["ifname"] == _cable() for link in json.loads(run("ip", "-json", "link", "show")))


def _separate() -> bool:
    """True once the holder has left this machine's network namespace."""
    holder = daemons.pid(_HOLDER)
    return holder is not None and Path(f"/proc/{holder}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def _cable() -> str:
    """Its end on this machine; an interface's name has at most 15 characters."""
    return own_name()[:15]
