"""What a cluster changes on the machine beside its own things: noted before the first starts, put back by the last."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.cluster.places import locked, state

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
    """Write how the machine is into the state folder; the file is there whole or not at all.

    Where another cluster is up already, the machine is as that one made it: what it noted holds for both.
    """
    with locked("host"):
        before = _seen() if (other := next(_others(), None)) is None else other.read_text()
        half = _note().with_suffix(".new")
        half.write_text(before)
        half.rename(_note())


def _seen() -> str:
    settings = {name: (Path("/proc/sys") / name).read_text().strip() for name in _SETTINGS if _known(name)}
    wanted = dict.fromkeys(str(folder) for path in PRIVATE for folder in (*reversed(Path(path).parents), path))
    missing = [folder for folder in wanted if not Path(folder).exists()]
    return json.dumps(asdict(Before(settings=settings, missing=missing)), indent=1)


def make_folders() -> None:
    """The folders to mount on."""
    for path in PRIVATE:
        Path(path).mkdir(parents=True, exist_ok=True)


def restore() -> None:
    """Put everything back that was noted, unless another cluster is up: then it is for that one to do."""
    with locked("host"):
        if not _note().exists():  # `up` got no further than that, or was never begun
            return
        if next(_others(), None) is None:
            _put_back(Before(**json.loads(_note().read_text())))
        _note().unlink()


def _put_back(before: Before) -> None:
    for name, value in before.settings.items():
        path = Path("/proc/sys") / name
        if path.read_text().strip() != value:
            path.write_text(value + "\n")
    for folder in reversed(before.missing):
        with contextlib.suppress(OSError):  # not empty: something of another's has come to lie in it
            Path(folder).rmdir()


def _note() -> Path:
    return state() / "before.json"


def _others() -> Iterator[Path]:
    """What other clusters of this machine noted."""
    return (note for note in state().parent.glob(f"*/{_note().name}") if note != _note())


def _known(name: str) -> bool:
    return (Path("/proc/sys") / name).exists()
