"""What a study takes along to where others run it: its search space and all that it names, checked as far as one can here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tuner.errors import InputError
from tuner.in_cluster.inputs import Inputs, inputs
from tuner.manifests.model import Manifest
from tuner.manifests.secret_values import secret_values
from tuner.space.file.read import read
from tuner.space.model import SearchSpace
from tuner.targets.inputs import checked
from tuner.targets.kept import imported


def taken_along(path: Path, notice: Callable[[str], None]) -> tuple[SearchSpace, Manifest, Inputs]:
    """Raises InputError with all that `tune check` finds without a cluster, and with what cannot travel."""
    space, found = read(path)
    manifest, problems = checked(space, found)
    if problems or space is None or manifest is None:
        raise InputError(problems)
    secret = secret_values(manifest.text, ())
    if secret:
        named = ", ".join(dict.fromkeys(one.name for one in secret))
        notice(f"{manifest.file}: literal values that look secret go into the ConfigMap as they are: {named}")
    return space, manifest, inputs(space, _imported(space))


def _imported(space: SearchSpace) -> tuple[Path, ...]:
    """What its .proto file imports from beside it."""
    proto = space.workload.proto
    if proto is None or "://" in proto:
        return ()
    return tuple(imported(Path(proto), Path(proto).parent, set()))
