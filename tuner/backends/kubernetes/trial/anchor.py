"""The anchor: the one object that owns all others of a trial, and that the cluster itself removes when nobody does.

It is a Job with no completions: finished the moment it is made, without a pod, so that its
``ttlSecondsAfterFinished`` runs from the start. A living tuner moves that time on with every heartbeat; the trial of a
dead one is removed by the cluster's own TTL controller, and its objects, being owned, follow. (Job API, "TTL mechanism
for finished Jobs": the TTL may be changed at any time before it has run out.)
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from tuner.backends.kubernetes.client.api import JOBS, Api, Object, Refused
from tuner.backends.kubernetes.trial.objects import Identity
from tuner.errors import BackendFailure, EnvironmentFailure

ANCHOR = "tuner.dev/anchor"
SELECTOR = f"{ANCHOR}=true"
_TUNER, _HEARTBEAT, _PODS, _WORKLOAD = "tuner.dev/tuner", "tuner.dev/heartbeat", "tuner.dev/pods", "tuner.dev/workload"

LIFE_S = 600
"""Time to live after the last heartbeat: longer than any API server's absence that a study survives."""
_BEAT_EVERY_S = 20.0
_DEAD_AFTER_S = 90.0
"""Without a heartbeat for so long, a tuner on another machine counts as dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a trial holds in the cluster, as its anchor says."""

    anchor: str
    api_version: str
    kind: str
    name: str
    """Of the workload."""
    pods: str
    """The selector of its pods."""

    @classmethod
    def of(cls, job: Mapping[str, Any]) -> Self:
        notes = job["metadata"].get("annotations") or {}
        api_version, kind, name = str(notes.get(_WORKLOAD, "//")).rsplit("/", 2)
        return cls(
            anchor=job["metadata"]["name"],
            api_version=api_version,
            kind=kind,
            name=name,
            pods=str(notes.get(_PODS, "")),
        )


class Anchor:
    """Made by entering the context; its heart beats until it is left. It is deleted by `teardown.remove`."""

    def __init__(self, api: Api, identity: Identity, *, workload: Mapping[str, Any], pods: str) -> None:
        """`workload` as placed in the cluster, `pods` the selector of its pods."""
        self._api = api
        self._token = secrets.token_hex(8)
        self._stop = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self.holding = Holding(
            anchor=identity.name("tuner"),
            api_version=workload["apiVersion"],
            kind=workload["kind"],
            name=workload["metadata"]["name"],
            pods=pods,
        )
        self._identity = identity
        self.job: Object = {}

    @property
    def owner(self) -> Object:
        return owner_of(self.job)

    def make(self) -> None:
        """Raises BackendFailure when another tuner holds this trial."""
        wanted = self._wanted()
        try:
            self.job = self._api.create(JOBS, wanted)
        except Refused as refused:
            found = self._api.get(JOBS, self.holding.anchor) if refused.status == 409 else None
            if found is None:
                raise
            if _tuner_of(found).get("token") != self._token:  # else: made, and the answer was lost
                raise BackendFailure(_held(found)) from None
            self.job = found
        self._beating.start()

    def close(self) -> None:
        self._stop.set()
        if self._beating.is_alive():
            self._beating.join(timeout=5.0)

    def _beat(self) -> None:
        made = datetime.fromisoformat(self.job["metadata"]["creationTimestamp"])
        while not self._stop.wait(_BEAT_EVERY_S):
            now = self._api.now()
            change: Object = {
                "metadata": {"annotations": heartbeat(now)},
                "spec": {"ttlSecondsAfterFinished": int((now - made).total_seconds()) + LIFE_S},
            }
            with suppress(EnvironmentFailure):  # the next one may get through
                self._api.merge(JOBS, self.holding.anchor, change)

    def _wanted(self) -> Object:
        held = self.holding
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": held.anchor,
                "namespace": self._api.namespace,
                "labels": {**self._identity.labels, ANCHOR: "true"},
                "annotations": {
                    **this_tuner(self._token),
                    **heartbeat(self._api.now()),
                    _WORKLOAD: f"{held.api_version}/{held.kind}/{held.name}",
                    _PODS: held.pods,
                },
            },
            "spec": {
                "completions": 0,
                "parallelism": 0,
                "ttlSecondsAfterFinished": LIFE_S,
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [{"name": "never-started", "image": "none.invalid/none"}],
                    }
                },
            },
        }


def this_tuner(token: str = "") -> dict[str, str]:
    """The annotation that says which process made an object."""
    return {_TUNER: json.dumps({**_this_process(), "token": token})}


def heartbeat(now: datetime) -> dict[str, str]:
    """The annotation that says when that process was last alive."""
    return {_HEARTBEAT: now.isoformat(timespec="seconds")}


def owner_of(job: Mapping[str, Any]) -> Object:
    """The owner reference to an anchor."""
    metadata = job["metadata"]
    return {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}


def is_dead(job: Mapping[str, Any], now: datetime) -> bool:
    """Whether the tuner that made this anchor is gone: known at once on its own machine, else by its heartbeat."""
    tuner, here = _tuner_of(job), _this_process()
    if all(tuner.get(key) == here[key] for key in ("boot", "pids")):
        return _start_time(int(tuner.get("pid", 0))) != tuner.get("started")
    try:
        beat = datetime.fromisoformat(job["metadata"]["annotations"][_HEARTBEAT])
    except (KeyError, TypeError, ValueError):
        return True
    return (now - beat).total_seconds() > _DEAD_AFTER_S


def _held(job: Mapping[str, Any]) -> str:
    tuner = _tuner_of(job)
    return (
        f"Job {job['metadata']['name']}: this very trial is held by another tuner, process {tuner.get('pid')} on "
        f"{tuner.get('host')}; if that one is dead, `tune clean --backend kubernetes` removes what it left, at the "
        f"latest {_DEAD_AFTER_S:.0f} s after its last heartbeat"
    )


def _tuner_of(job: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((job["metadata"].get("annotations") or {})[_TUNER])
    except (KeyError, TypeError, ValueError):
        return {}
    return found


def _this_process() -> dict[str, Any]:
    """Process ids mean something only within one boot and one pid namespace."""
    return {
        "host": socket.gethostname(),
        "boot": _read("/proc/sys/kernel/random/boot_id"),
        "pids": _link("/proc/self/ns/pid"),
        "pid": os.getpid(),
        "started": _start_time(os.getpid()),
    }


def _start_time(pid: int) -> str:
    """In clock ticks since the boot; empty: there is no such process, or it is a zombie."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] != "Z" else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
