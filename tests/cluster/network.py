"""The bridge the nodes' addresses lie on, and what the cluster leaves in the kernel's tables."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.cluster.places import BRIDGE, NETWORK_NAME, Node, state
from tests.cluster.say import CannotError

_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


def up(nodes: tuple[Node, ...]) -> None:
    if _has("nat", "KUBE-SERVICES"):
        raise CannotError("iptables holds KUBE-SERVICES already: another cluster's kube-proxy works on this machine")
    (state() / "ip_forward").write_text(_FORWARD.read_text())
    _FORWARD.write_text("1\n")
    _run("ip", "link", "add", BRIDGE, "type", "bridge")
    for node in nodes:
        _run("ip", "addr", "add", f"{node.address}/24", "dev", BRIDGE)
    _run("ip", "link", "set", BRIDGE, "up")


def down() -> None:
    """Bridges, pod interfaces, network namespaces of pods and iptables chains; each may be missing."""
    for kind in ("KUBE-", "CNI-"):
        _remove_chains(kind)
    for link in _links():
        _run("ip", "link", "del", link, check=False)
    kept = state() / "ip_forward"
    if kept.exists():
        _FORWARD.write_text(kept.read_text())


def _links() -> list[str]:
    """Our bridges, and the veth ends that hang on them (a crash can leave those)."""
    shown = subprocess.run(["ip", "-o", "link", "show"], capture_output=True, text=True, check=False).stdout
    ours = []
    for line in shown.splitlines():
        name = line.split(": ")[1].split("@")[0]
        if name == BRIDGE or name.startswith("tuner-pods") or " master tuner-pods" in line:
            ours.append(name)
    return sorted(ours, key=lambda name: name.startswith("tuner-"))


def _has(table: str, chain: str) -> bool:
    return subprocess.run(["iptables", "-t", table, "-nL", chain], capture_output=True, check=False).returncode == 0


def _remove_chains(kind: str) -> None:
    """Take chains whose name starts with `kind`, and every rule that names one, out of the tables.

    `up` refused to start beside another kube-proxy, so KUBE- chains are ours; CNI- chains only where their comment
    names our network.
    """
    for family in ("iptables", "ip6tables"):
        for table in ("nat", "filter", "mangle"):
            saved = subprocess.run([f"{family}-save", "-t", table], capture_output=True, text=True, check=False).stdout
            lines = saved.splitlines()
            chains = {line.split()[0][1:] for line in lines if line.startswith(f":{kind}")}
            if kind == "CNI-":
                named = [line for line in lines if f'"{NETWORK_NAME}' in line or f'\\"{NETWORK_NAME}' in line]
                chains = {
                    chain for chain in chains if any(chain in line for line in named) or not _foreign(chain, lines)
                }
            if not chains:
                continue
            kept = [line for line in lines if not any(_names(line, chain) for chain in chains)]
            subprocess.run(
                [f"{family}-restore", "-T", table],
                input="\n".join(kept) + "\n",
                text=True,
                check=False,
                capture_output=True,
            )


def _foreign(chain: str, lines: list[str]) -> bool:
    return any("name:" in line and _names(line, chain) for line in lines)


def _names(line: str, chain: str) -> bool:
    return chain in line.replace(":", " ").split()


def _run(*arguments: str, check: bool = True) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise CannotError(f"{' '.join(arguments)}: {done.stderr.strip()}")
