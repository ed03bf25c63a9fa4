"""What `tune workflow` does: a search space in, the objects of a Workflow out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tuner.argo.settings import Settings
from tuner.argo.workflow import text
from tuner.backends.kubernetes.rights.table import Load
from tuner.commands.travel import taken_along
from tuner.manifests.documents import load_all


def workflow(path: Path, settings: Settings, load: Load, notice: Callable[[str], None], *, nodes: bool = False) -> str:
    """YAML for ``kubectl apply``. `settings.name` empty: the search space's. Raises InputError with all that `tune check`
    finds without a cluster, and with what cannot travel."""
    space, manifest, inputs = taken_along(path, notice)
    if settings.claim is None and settings.artifacts is None and not settings.workers:
        notice("the study's folder goes when the Workflow does: --claim or --artifacts keeps it")
    settings = replace(settings, name=settings.name or space.name)
    return text(settings, inputs, load_all(manifest.text), load, nodes=nodes)
