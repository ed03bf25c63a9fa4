"""The control groups of the nodes: a group a cluster, in it one a node, in every hierarchy of v1 or v2."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from tests.cluster.places import Node, own_name
from tests.cluster.say import CannotError


def make(node: Node) -> None:
    """The node's own group; in v1's cpuset a new group has no CPUs until it is given its parent's."""
    for root in roots():
        for group in (root / own_name(), root / own_name() / node.name):
            group.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):
                if (root / "cpuset.clone_children").exists() and not (group / name).read_text().strip():
                    (group / name).write_text((group.parent / name).read_text())
        controllers = root / "cgroup.controllers"
        if controllers.exists() and (offered := controllers.read_text().split()):
            for group in (root, root / own_name(), root / own_name() / node.name):
                (group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in offered))


def members() -> set[int]:
    """Every process of every pod."""
    found: set[int] = set()
    for root in roots():
        for procs in (root / own_name()).rglob("cgroup.procs"):
            with contextlib.suppress(OSError):  # the group may go meanwhile
                found.update(int(pid) for pid in procs.read_text().split() if pid != "0")
    return found


def remove(patience_s: float = 10.0) -> None:
    """Remove the emptied groups; the kernel may hold one for a moment after its last process ended."""
    deadline = time.monotonic() + patience_s
    while left := [root / own_name() for root in roots() if (root / own_name()).is_dir()]:
        for top in left:
            for group in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
                with contextlib.suppress(OSError):
                    group.rmdir()
            with contextlib.suppress(OSError):
                top.rmdir()
        if time.monotonic() > deadline:
            raise CannotError(f"control groups are not empty: {', '.join(map(str, left))}")
        time.sleep(0.02)


def roots() -> list[Path]:
    """Where the hierarchies are mounted."""
    lines = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [Path(line[1]) for line in lines if line[2] in ("cgroup", "cgroup2")]
