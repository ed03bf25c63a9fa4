"""What the cluster changes on the machine beside its own things: noted before anything starts, put back by `down`."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.cluster.places import state

# What kubelet sets, beside what belongs to a network namespace.
_SETTINGS = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)

PRIVATE = ("/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers")
"""Folders that containerd, kubelet and CNI have written into their source: each node sees one of its own there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """How the machine was: `settings` by their path below /proc/sys, and which of the folders to mount on were
    missing, outermost first."""

    settings: dict[str, str]
    missing: list[str]


def note() -> None:
    """Write how the machine is into the state folder; the file is there whole or not at all."""
    settings = {name: (Path("/proc/sys") / name).read_text().strip() for name in _SETTINGS if _known(name)}
    wanted = dict.fromkeys(str(folder) for path in PRIVATE for folder in (*reversed(Path(path).parents), path))
    missing = [folder for folder in wanted if not Path(folder).exists()]
    before = Before(settings=settings, missing=missing)
    half = state() / "before.json.new"
    half.write_text(json.dumps(asdict(before), indent=1))
    half.rename(state() / "before.json")


def make_folders() -> None:
    """The folders to mount on."""
    for path in PRIVATE:
        Path(path).mkdir(parents=True, exist_ok=True)


def noted() -> Before | None:
    """How the machine was before `up`; None when `up` got no further than that, or was never begun."""
    path = state() / "before.json"
    return Before(**json.loads(path.read_text())) if path.exists() else None


def restore(before: Before) -> None:
    for name, value in before.settings.items():
        path = Path("/proc/sys") / name
        if path.read_text().strip() != value:
            path.write_text(value + "\n")
    for folder in reversed(before.missing):
        with contextlib.suppress(OSError):  # not empty: something of another's has come to lie in it
            Path(folder).rmdir()


def _known(name: str) -> bool:
    return (Path("/proc/sys") / name).exists()
