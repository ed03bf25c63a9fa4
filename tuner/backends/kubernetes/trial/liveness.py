"""Whose a Job in the cluster is, and whether that tuner is alive: it signs its Jobs, and its heart beats for them.

A Job whose tuner is gone is ended by the cluster itself: a heartbeat moves on the time that it has left to live.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.refusals import Refused
from tuner.backends.kubernetes.client.resources import JOBS, Object
from tuner.errors import BackendFailure, EnvironmentFailure

_TUNER, _HEARTBEAT = "tuner.dev/tuner", "tuner.dev/heartbeat"
"""Annotations: which process made a Job, and when that was last alive."""
_LIFE_S = 600
"""Time to live after the last heartbeat: longer than any API server's absence that a study survives."""
_BEAT_EVERY_S = 20.0
DEAD_AFTER_S = 90.0
"""Without a heartbeat for so long, a tuner on another machine counts as dead."""


class HeldByAnother(BackendFailure):
    """A Job of that name is another tuner's."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        super().__init__(_who_holds(job))
        self.job = job


class HeldJob:
    """A Job that is this tuner's: its heart beats from when it is made until it is let go."""

    def __init__(self, api: Api, *, lives_by: Literal["activeDeadlineSeconds", "ttlSecondsAfterFinished"]) -> None:
        """`lives_by` is the field of its spec, in seconds since it was made, by which the cluster ends it."""
        self._api = api
        self._lives_by = lives_by
        self._token = secrets.token_hex(8)
        self._stop = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self.job: Object = {}
        """As the API server has it; empty until it is made."""

    def wanted(self, name: str, *, labels: Mapping[str, str], annotations: Mapping[str, str], spec: Object) -> Object:
        """The Job as it is to be made."""
        signed = {**annotations, _TUNER: json.dumps({**_this_process(), "token": self._token})}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": name,
                "namespace": self._api.namespace,
                "labels": dict(labels),
                "annotations": {**signed, **_heartbeat(self._api.now())},
            },
            "spec": {**spec, self._lives_by: _LIFE_S},
        }

    def make(self, wanted: Object) -> None:
        """Raises HeldByAnother."""
        name = wanted["metadata"]["name"]
        try:
            self.job = self._api.create(JOBS, wanted)
        except Refused as refused:
            found = self._api.get(JOBS, name) if refused.status == 409 else None
            if found is None:
                raise
            if _tuner_of(found).get("token") != self._token:  # else: made, and the answer was lost
                raise HeldByAnother(found) from None
            self.job = found
        self._beating.start()

    def is_anothers(self) -> bool:
        """Whether one of its name is there that another tuner has made since."""
        found = self._api.get(JOBS, self.job["metadata"]["name"])
        return found is not None and _tuner_of(found).get("token") != self._token

    def let_go(self) -> None:
        """Its heart stops; it is there still."""
        self._stop.set()
        if self._beating.is_alive():
            self._beating.join(timeout=5.0)

    def _beat(self) -> None:
        metadata = self.job["metadata"]
        made = datetime.fromisoformat(metadata["creationTimestamp"])
        while not self._stop.wait(_BEAT_EVERY_S):
            now = self._api.now()
            change: Object = {
                "metadata": {"annotations": _heartbeat(now)},
                "spec": {self._lives_by: int((now - made).total_seconds()) + _LIFE_S},
            }
            with suppress(EnvironmentFailure):  # the next one may get through
                self._api.merge(JOBS, metadata["name"], change)


def is_dead(job: Mapping[str, Any], now: datetime) -> bool:
    """Whether the tuner that made this Job is gone: known at once on its own machine, else by its heartbeat."""
    if _of_this_machine(job):
        return not lives_here(job)
    try:
        beat = datetime.fromisoformat(job["metadata"]["annotations"][_HEARTBEAT])
    except (KeyError, TypeError, ValueError):
        return True
    return (now - beat).total_seconds() > DEAD_AFTER_S


def lives_here(job: Mapping[str, Any]) -> bool:
    """Whether the tuner that made it is a living process of this machine."""
    tuner = _tuner_of(job)
    return _of_this_machine(job) and _start_time(int(tuner.get("pid", 0))) == tuner.get("started")


def _of_this_machine(job: Mapping[str, Any]) -> bool:
    tuner, here = _tuner_of(job), _this_process()
    return all(tuner.get(key) == here[key] for key in ("boot", "pids"))


def _heartbeat(now: datetime) -> dict[str, str]:
    return {_HEARTBEAT: now.isoformat(timespec="seconds")}


def _who_holds(job: Mapping[str, Any]) -> str:
    tuner = _tuner_of(job)
    return (
        f"Job {job['metadata']['name']}: this very trial is held by another tuner, process {tuner.get('pid')} on "
        f"{tuner.get('host')}; if that one is dead, `tune clean --backend kubernetes` removes what it left, at the "
        f"latest {DEAD_AFTER_S:.0f} s after its last heartbeat"
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
