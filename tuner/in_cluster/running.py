"""A study's Job: made with all that it needs, and followed to its end, whichever pod is at it."""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from tuner.backends.kubernetes.client import written
from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.feed import Feed, wait_until
from tuner.backends.kubernetes.client.refusals import Refused
from tuner.backends.kubernetes.client.resources import JOBS, PODS, Object, name_of
from tuner.backends.kubernetes.pods.diagnosis import WorkloadFault, in_order
from tuner.backends.kubernetes.pods.watch import Watch
from tuner.errors import BackendFailure, EnvironmentFailure
from tuner.in_cluster.inputs import Inputs
from tuner.in_cluster.job import CONTAINER, FINAL, Settings, owner_of, study_job, worker_job
from tuner.manifests.documents import load_all
from tuner.manifests.kinds.model import at, mapping, mappings

_MADE_BY = "tuner.dev/made-by"
_GONE_WITHIN_S = 200.0
"""A study that is told to end takes its trial down first."""
_LOOKED_AGAIN_S = 5.0
_HEARD_WITHIN_S = 2.0
"""A pod's end is, after its log has ended."""
_LOST = frozenset({"Evicted", "NodeLost", "Removed"})
"""Faults of pods that others take the place of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    status: int | None
    """Exit status of the last pod; None: nobody saw it."""
    reason: str
    """In the cluster's words, where the Job failed."""


class Gone(BackendFailure):
    """There is no Job any more."""


def is_there(api: Api, settings: Settings) -> bool:
    """Whether the study's Job runs. One that is over is removed, so that another can take its place. Raises Refused,
    NotAllowed, BackendFailure."""
    job = api.get(JOBS, settings.job)
    if job is None:
        return False
    if _end(job) is None and not at(job, ("metadata", "deletionTimestamp")):
        return True
    api.delete(JOBS, settings.job, propagation="Foreground")
    end = time.monotonic() + _GONE_WITHIN_S
    while api.get(JOBS, settings.job) is not None:
        if time.monotonic() > end:
            raise BackendFailure(f"Job {settings.job} in namespace {api.namespace} does not go away; look at its pods")
        time.sleep(0.5)
    return False


def start(api: Api, settings: Settings, inputs: Inputs) -> None:
    """Raises Refused (409: a Job of the study is there), NotAllowed, BackendFailure; then nothing is left."""
    config_map = f"{settings.job}-{secrets.token_hex(3)}"
    job = _made(api, study_job(settings, inputs, config_map))
    try:
        owner = owner_of(job)
        (files,) = load_all(inputs.config_map(config_map, api.namespace))
        _made(api, {**files, "metadata": {**files["metadata"], "ownerReferences": [owner]}})
        if settings.workers:
            _made(api, worker_job(settings, owner))
        api.merge(JOBS, settings.job, {"spec": {"suspend": False}})
    except BaseException:
        stop(api, settings)
        raise


def stop(api: Api, settings: Settings) -> None:
    """What belongs to the Job goes with it, and its pod takes down what it deployed."""
    with suppress(EnvironmentFailure):
        api.delete(JOBS, settings.job)


def follow(api: Api, settings: Settings, say: Callable[[str], None], notice: Callable[[str], None]) -> Ended:
    """What the study's pods write, line by line, to the Job's end. `notice`: what becomes of them.

    Raises Gone where the first pod cannot start at all, and where the Job was deleted; BackendFailure and NotAllowed leave
    the study as it is.
    """
    followed: list[str] = []
    status: int | None = None
    since = str(at(api.get(JOBS, settings.job), ("metadata", "creationTimestamp")) or "")
    while True:
        found = _next(api, settings, followed, since, notice)
        if isinstance(found, Ended):
            return Ended(status=status, reason=found.reason)
        pod = name_of(found)
        if followed:
            notice(f"pod {pod} goes on with the study")
        with _Seen(api, found) as seen:
            for line in written.lines(api, pod, CONTAINER, seen.is_over):
                say(line)
            last = seen.at_its_end()
        followed.append(pod)
        status = _exit_status(last)
        if status not in (0, *FINAL):
            notice(f"pod {pod} is lost: {_why(last, status)}")


class _Seen:
    """A pod as it was last there: one that is evicted is gone soon after its end, and then nobody could be asked why."""

    def __init__(self, api: Api, pod: Object) -> None:
        self._last = pod
        self._changed = threading.Condition()
        self._feed = Feed(api, PODS, self._changed, fields=f"metadata.name={name_of(pod)}", on_gone=self._take)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._feed.close()

    def is_over(self) -> bool:
        for pod in self._feed.objects():
            if pod["metadata"]["uid"] == self._last["metadata"]["uid"]:
                self._last = pod
                return not _runs(pod)
        return True

    def at_its_end(self) -> Object:
        """Its log may be gone a moment before it is heard that the pod is."""
        wait_until(self._changed, lambda: self.is_over() or None, time.monotonic() + _HEARD_WITHIN_S, 0.1)
        return self._last

    def _take(self, pod: Object) -> None:
        if pod["metadata"]["uid"] == self._last["metadata"]["uid"]:
            self._last = pod


def _next(
    api: Api, settings: Settings, followed: list[str], since: str, notice: Callable[[str], None]
) -> Object | Ended:
    """The next pod that has something to say, or the Job's end. `since`: when the Job was made."""
    told = ""
    with Watch(
        api,
        pods=f"job-name={settings.job}",
        name=settings.job,
        workload=JOBS,
        since=since,
        counts=lambda pod: name_of(pod) not in followed and not at(pod, ("metadata", "deletionTimestamp")),
    ) as watch:

        def look() -> Object | Ended | None:
            new = [
                pod
                for pod in in_order(watch.pods())
                if name_of(pod) not in followed and (_runs(pod) or _exit_status(pod) is not None)
            ]
            if new:
                return new[0]
            job = watch.workload()
            if job is None:
                raise Gone(f"Job {settings.job} in namespace {api.namespace} was deleted")
            return _end(job)

        while True:
            found: Object | Ended | WorkloadFault | None = watch.wait(look, math.inf)
            if isinstance(found, WorkloadFault):
                _tell(api, settings, found, followed, told, notice)
                told = found.reason
                time.sleep(_LOOKED_AGAIN_S)
            elif found is not None:
                return found


def _tell(
    api: Api,
    settings: Settings,
    fault: WorkloadFault,
    followed: Sequence[str],
    told: str,
    notice: Callable[[str], None],
) -> None:
    """What keeps a pod from starting: for the first there is no point in waiting. Raises Gone."""
    why = fault.reason.replace("replica 0", "its pod")
    if not followed and fault.kind not in _LOST:
        stop(api, settings)
        raise Gone(f"the study does not start: {why}; Job {settings.job} is removed")
    if fault.reason != told:
        notice(f"waits: {why}")


def _made(api: Api, obj: Mapping[str, Any]) -> Object:
    """Also where the answer was lost, and it was asked for again."""
    token = secrets.token_hex(8)
    metadata = {**obj["metadata"], "annotations": {_MADE_BY: token}}
    resource = api.resource_of(obj)
    try:
        return api.create(resource, {**obj, "metadata": metadata})
    except Refused as refused:
        found = api.get(resource, name_of(obj)) if refused.status == 409 else None
        if found is None or at(found, ("metadata", "annotations", _MADE_BY)) != token:
            raise
        return found


def _runs(pod: Object) -> bool:
    return any(mapping(status, ("state", "running")) for status in _containers(pod))


def _exit_status(pod: Object) -> int | None:
    """None: it runs, has not begun, or is gone."""
    ended = [mapping(status, ("state", "terminated")) for status in _containers(pod)]
    return next((int(one.get("exitCode") or 0) for one in ended if one), None)


def _containers(pod: Object) -> list[Mapping[str, Any]]:
    return [status for _, status in mappings(pod, ("status", "containerStatuses"))]


def _why(pod: Object, status: int | None) -> str:
    for _, condition in mappings(pod, ("status", "conditions")):
        if (condition.get("type"), condition.get("status")) == ("DisruptionTarget", "True"):
            return f"{condition.get('reason')}: {condition.get('message')}"
    if said := at(pod, ("status", "message")):
        return str(said)
    return "it is gone" if status is None else f"it ended with status {status}"


def _end(job: Mapping[str, Any]) -> Ended | None:
    for _, condition in mappings(job, ("status", "conditions")):
        if condition.get("status") == "True" and condition.get("type") in ("Complete", "Failed"):
            return Ended(status=None, reason=str(condition.get("message") or ""))
    return None
