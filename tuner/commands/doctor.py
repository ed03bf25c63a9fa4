"""What this machine can and cannot do, told before it matters."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuner.errors import TunerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """`ok`; `limited`: works, with a consequence told in `advice`; `missing`: trials cannot run without it."""

    what: str
    state: Literal["ok", "limited", "missing"]
    found: str
    advice: str = ""


def examine(namespace: str | None = None, context: str | None = None) -> tuple[Capability, ...]:
    """Look at this machine and, where there is one, the cluster; changes nothing."""
    machine = (_python(), _seldon(), _uvloop(), *_process_backend(), _ports(), _disk())
    return (*machine, *_cluster(namespace, context))


def _python() -> Capability:
    version = sys.version.split()[0]
    if sys.version_info[:2] == (3, 12):
        return Capability(what="Python", state="ok", found=version)
    return Capability(
        what="Python", state="limited", found=version, advice="seldon-core needs Python 3.12; all else works here"
    )


def _seldon() -> Capability:
    if importlib.util.find_spec("seldon_core") is not None:
        return Capability(what="seldon-core", state="ok", found="installed")
    return Capability(
        what="seldon-core",
        state="limited",
        found="not installed",
        advice="its microservice cannot be run as a local process; other servers and protocol seldon can: use Python 3.12",
    )


def _uvloop() -> Capability:
    if importlib.util.find_spec("uvloop") is not None:
        return Capability(what="load engine", state="ok", found="uvloop")
    advice = "the load generator runs on uvloop alone: install it"
    return Capability(what="load engine", state="missing", found="no uvloop", advice=advice)


def _process_backend() -> tuple[Capability, ...]:
    from tuner.targets.inputs import backend_of

    try:
        backend = backend_of("process", None)
        facts = dict(backend.describe())
        cpus = backend.generator_cpus()
    except TunerError as error:
        return (Capability(what="process backend", state="missing", found=str(error)),)
    count = len(os.sched_getaffinity(0))
    split = f"{count}: {len(cpus)} for the load generator, {count - len(cpus)} for servers"
    one = Capability(
        what="CPUs",
        state="limited",
        found=str(count),
        advice="load generator and servers share the one CPU: latencies hold both; use two or more",
    )
    limits = facts.pop("limits", "unknown")
    return (
        Capability(what="CPUs", state="ok", found=split) if count > 1 else one,
        Capability(
            what="CPU, memory limits",
            state="ok" if "cgroup" in limits else "limited",
            found=limits,
            advice="" if "cgroup" in limits else "memory limits are not enforced, CPU limits by whole cores only",
        ),
        Capability(what="machine", state="ok", found=", ".join(f"{name} {value}" for name, value in facts.items())),
    )


def _ports() -> Capability:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            return Capability(what="loopback ports", state="ok", found=f"free, for example {server.getsockname()[1]}")
    except OSError as error:
        return Capability(
            what="loopback ports", state="missing", found=str(error), advice="servers need a port each on 127.0.0.1"
        )


def _disk() -> Capability:
    here = Path.cwd()
    free = shutil.disk_usage(here).free
    if not os.access(here, os.W_OK):
        return Capability(
            what="working folder",
            state="missing",
            found=f"{here} is not writable",
            advice="studies/ and mlflow.db go there",
        )
    state: Literal["ok", "limited"] = "ok" if free > 1 << 30 else "limited"
    advice = "" if state == "ok" else "a study of 100 trials with MLflow takes about 100 MB"
    return Capability(what="working folder", state=state, found=f"writable, {free / 2**30:.1f} GiB free", advice=advice)


def _cluster(namespace: str | None, context: str | None) -> tuple[Capability, ...]:
    from tuner.backends.kubernetes.probe import cluster, rights

    found = cluster(context)
    state: Literal["ok", "limited"] = "ok" if found.reachable else "limited"
    reached = Capability(what="cluster", state=state, found=found.text, advice=found.advice)
    if not found.reachable:
        return (reached,)
    try:
        text, lacking = rights(namespace, context)
    except TunerError as error:
        return (reached, Capability(what="cluster rights", state="limited", found="not known", advice=str(error)))
    advice = f"{lacking}; `tune rbac` writes the Role" if lacking else ""
    return (reached, Capability(what="cluster rights", state="limited" if lacking else "ok", found=text, advice=advice))
