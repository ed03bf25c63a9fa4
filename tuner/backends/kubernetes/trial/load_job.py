"""The load generator inside the cluster: a Job of one pod that sleeps, and a process in it for each trial.

The Job is made once a study, because a pod takes seconds to start; each trial gets a process of its own in it, over an
exec stream. It keeps off the nodes of the servers as far as the scheduler can: it would rather be on a node labelled
``tuner.dev/load=true``, tolerates a taint of that name, and repels the trials' pods and is repelled by them (a
preference holds in both directions, so that the measured manifest stays as it is).

Its pod is Guaranteed with whole CPUs: where the kubelet's CPU manager is static, those are its own. What else its pod
is, the search space says (`LoadPodSpec`).
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Self

import tuner
from tuner.backends.kubernetes.client.api import BEHIND_S, Api
from tuner.backends.kubernetes.client.exec_pipe import ExecPipe
from tuner.backends.kubernetes.client.refusals import Refused
from tuner.backends.kubernetes.client.resources import JOBS, PODS, Object, name_of
from tuner.backends.kubernetes.pods import diagnosis
from tuner.backends.kubernetes.pods.addresses import Addresses
from tuner.backends.kubernetes.pods.diagnosis import WorkloadFault
from tuner.backends.kubernetes.pods.watch import Watch
from tuner.backends.kubernetes.trial import restricted, share
from tuner.backends.kubernetes.trial.liveness import HeldJob, is_dead
from tuner.backends.kubernetes.trial.objects import (
    AWAY_FROM_TRIALS,
    MANAGED_BY,
    MANAGER,
    STUDY,
    STUDY_NAME,
    label,
    slug,
)
from tuner.backends.kubernetes.trial.share import Share
from tuner.errors import BackendFailure, GeneratorFailure
from tuner.manifests.kinds.model import at
from tuner.space.model import ClusterSpec, LoadPodSpec
from tuner.units import format_seconds

LOAD = "tuner.dev/load"
"""Label of the Jobs and their pods; of nodes kept for them, as a label and as a taint."""

_CONTAINER = "load"
_SLEEP = ["python", "-c", "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit()); signal.pause()"]
_SERVE = ["python", "-P", "-m", "tuner.load", "--serve"]
_VERSION = ["python", "-P", "-c", "import tuner; print(tuner.__version__)"]
_READY_WITHIN_S = 120.0
"""The image may have to be pulled."""
_GONE_WITHIN_S = 20.0
_STARTS = 3
_PAUSE_S = 0.5


class LoadJob:
    """Made and ready by entering the context; leaving it removes it."""

    def __init__(
        self,
        api: Api,
        *,
        study: str,
        image: str,
        cpus: int = 1,
        cluster: ClusterSpec | None = None,
        study_name: str = "",
    ) -> None:
        """`cpus`: how many engines will run in it, each with what `cluster` gives one of them."""
        self._cluster = cluster or ClusterSpec()
        self._study_name = study_name
        self._api = api
        self._cpus = cpus
        self._image = image
        self._study = study
        self._held: HeldJob | None = None
        self._name = ""
        self._pod = self._node = ""
        self.takes: Share = share.NOTHING
        """Of the namespace's quotas."""

    def __enter__(self) -> Self:
        """Raises BackendFailure when the pod does not start, NotAllowed, Refused."""
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._unmake()

    @property
    def node(self) -> str:
        """Where it runs. Asked for before each trial: a pod that was lost meanwhile is replaced. Raises as entering."""
        if self._lost() is not None:
            self._unmake()
            self._make()
        return self._node

    def start(self) -> ExecPipe:
        """A generator that nobody has spoken to yet. Raises GeneratorFailure when there is none to be had."""
        end, tries = time.monotonic() + BEHIND_S, 0
        while True:
            lost = self._lost()
            if lost is not None:
                raise GeneratorFailure(lost)
            try:
                return ExecPipe(self._api, self._pod, _CONTAINER, _SERVE, killed=lambda: _killed(self._pod_now()))
            except Refused as refused:  # right after the API server came back its nodes may not answer yet
                tries += 1
                patient = self._api.was_away(BEHIND_S) and time.monotonic() < end
                if tries >= _STARTS and not patient:
                    raise GeneratorFailure(f"the load generator could not be started: {refused}") from None
                time.sleep(_PAUSE_S)

    def wanted(self) -> Object:
        """The Job as it would be made."""
        self._name = self._name or f"tuner-load-{slug(self._study)}"
        return self._wanted(HeldJob(self._api, lives_by="activeDeadlineSeconds"))

    # inside

    def _wanted(self, held: HeldJob) -> Object:
        return held.wanted(self._name, labels=self._labels, annotations={}, spec=self._spec())

    def _make(self) -> None:
        self._name = f"tuner-load-{slug(self._study)}-{secrets.token_hex(3)}"
        self._held = HeldJob(self._api, lives_by="activeDeadlineSeconds")
        self._held.make(self._wanted(self._held))
        pod = self._ready_pod()
        self._pod, self._node = name_of(pod), str(at(pod, ("spec", "nodeName")))
        self.takes = share.of_load(pod)
        self._check_version()

    def _unmake(self) -> None:
        held, self._held = self._held, None
        if held is not None and held.job:
            held.let_go()
            _remove(self._api, self._name)

    def _ready_pod(self) -> Object:
        with Watch(self._api, pods=f"job-name={self._name}", name=self._name) as watch:
            found = watch.wait(
                lambda: next(filter(diagnosis.is_ready, watch.pods()), None), time.monotonic() + _READY_WITHIN_S
            )
            if found is None:
                after, said = format_seconds(_READY_WITHIN_S), watch.last_words(1)
                raise BackendFailure(f"the load generator's pod was not ready after {after}; the last said: {said}")
        if isinstance(found, WorkloadFault):
            why = found.reason.replace("replica 0", "its pod")
            raise BackendFailure(f"the load generator does not start: {why}")
        return found

    def _check_version(self) -> None:
        try:
            found = self._api.execute(self._pod, _CONTAINER, _VERSION, timeout_s=30.0).strip()
        except Refused as refused:
            raise BackendFailure(f"image {self._image} does not hold the load generator: {refused.message}") from None
        if found != tuner.__version__:
            raise BackendFailure(
                f"image {self._image} holds the load generator of tuner {found}, this is {tuner.__version__}; "
                "build it anew with scripts/images, or name another with --load-image"
            )

    def _lost(self) -> str | None:
        """What became of its pod, where it cannot hold a generator any more.

        A pod that only looks unready right after the API server was away is not lost: its node has not been heard of.
        """
        pod = self._pod_now()
        if pod is None:
            return f"the load generator's pod {self._pod} on node {self._node} is gone"
        if diagnosis.is_ready(pod):
            return None
        fault = diagnosis.fault([pod], (), None)
        if fault is None and self._api.was_away(BEHIND_S):
            return None
        why = fault.reason.replace("replica 0", "it") if fault else "it is not ready any more"
        return f"the load generator's pod {self._pod} on node {self._node} is lost: {why}"

    def _pod_now(self) -> Object | None:
        return next(iter(self._api.items(PODS, fields=f"metadata.name={self._pod}")), None)

    @property
    def _labels(self) -> dict[str, str]:
        named = {STUDY_NAME: found} if (found := label(self._study_name)) else {}
        own = {**self._cluster.labels, **self._cluster.load_generator.labels}
        return {**own, STUDY: label(self._study), MANAGED_BY: MANAGER, LOAD: "true", **named}

    def _spec(self) -> Object:
        asked = self._cluster.load_generator
        resources = resources_of(asked, self._cpus)
        optional: Object = {
            "nodeSelector": dict(asked.node_selector),
            "serviceAccountName": asked.service_account,
            "priorityClassName": asked.priority_class,
            "imagePullSecrets": [{"name": name} for name in asked.image_pull_secrets],
        }
        policy = {"imagePullPolicy": asked.image_pull_policy} if asked.image_pull_policy else {}
        metadata = {"labels": self._labels, "annotations": dict(asked.annotations)}
        return {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": 0,
            "template": {
                "metadata": metadata,
                "spec": {
                    **{name: value for name, value in optional.items() if value},
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 1,
                    "automountServiceAccountToken": False,
                    "affinity": _AFFINITY,
                    "tolerations": [{"key": LOAD, "operator": "Exists"}, *map(dict, asked.tolerations)],
                    "securityContext": dict(restricted.POD),
                    "containers": [
                        {
                            "name": _CONTAINER,
                            "image": self._image,
                            **policy,
                            "command": _SLEEP,
                            "resources": {"requests": resources, "limits": resources},
                            "securityContext": dict(restricted.CONTAINER),
                            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
                        }
                    ],
                    "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
                },
            },
        }


def resources_of(asked: LoadPodSpec, cpus: int) -> dict[str, str]:
    """What a pod of so many engines requests, and is limited to."""
    return {"cpu": _times(asked.cpu, cpus), "memory": _times(asked.memory, cpus)}


def _times(amount: str, count: int) -> str:
    """In the amount's own unit."""
    number, suffix = re.match(r"([0-9.]+)(.*)", amount.strip("+")).groups()  # type: ignore[union-attr]  # it was read
    return f"{(Decimal(number) * count).normalize():f}{suffix}"


_AFFINITY: dict[str, Any] = {
    "nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 100,
                "preference": {"matchExpressions": [{"key": LOAD, "operator": "In", "values": ["true"]}]},
            }
        ]
    },
    **AWAY_FROM_TRIALS,
}


def clean(api: Api) -> list[str]:
    """Remove the load generators of tuners that are gone; says which."""
    removed = []
    for job in api.items(JOBS, labels=f"{LOAD}=true,{MANAGED_BY}={MANAGER}"):
        if is_dead(job, api.now()):
            name, study = job["metadata"]["name"], job["metadata"]["labels"].get(STUDY)
            _remove(api, name)
            removed.append(f"the load generator of study {study}, Job {name} in namespace {api.namespace}")
    return removed


def inside(urls: tuple[str, ...], load_node: str, nodes: Sequence[str]) -> Addresses:
    """The pods' own addresses, for a generator on `load_node`; `nodes`: the replicas'."""
    shared = sum(node == load_node for node in nodes)
    if not shared:
        return Addresses(urls=urls, load_from=f"a pod on node {load_node}, which no replica shared")
    who = "the replica" if len(nodes) == 1 else f"{shared} of {len(nodes)} replicas"
    said = (
        f"the load generator shared node {load_node} with {who}: they took CPU time from each other; give it a node of "
        f"its own, with the label {LOAD}=true"
    )
    return Addresses(urls=urls, said=(said,), load_from=f"a pod on node {load_node}, shared with {who}")


def _remove(api: Api, name: str) -> None:
    """Its pod is gone afterwards, or nearly: the next measurement must not share the node with it."""
    api.delete(JOBS, name)
    end = time.monotonic() + _GONE_WITHIN_S
    while api.items(PODS, labels=f"job-name={name}") and time.monotonic() < end:
        time.sleep(0.1)


def _killed(pod: Object | None) -> str:
    if pod is None:
        return "its pod is gone"
    return "more memory than its pod has was needed, or it was killed"
