"""A study as a Job, without Argo: its pod decides, and runs the trials itself or leaves them to the pods of a second Job.

Kubernetes starts a pod that is lost again; which ends are final, the Job's pod failure policy says (stable since 1.31,
https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tuner.backends.kubernetes.trial.objects import AWAY_FROM_TRIALS, MANAGED_BY, MANAGER, STUDY_NAME
from tuner.in_cluster.inputs import Inputs
from tuner.in_cluster.pods import GRACE_S, SECURITY, container, passing

CONTAINER = "tune"
FINAL = (1, 2, 70)
"""Exit statuses that another try would not change: nothing met the SLO, bad input, a bug."""
_TRIES = 10
"""Pods that end otherwise (3, kills); those that the cluster takes for itself do not count."""
_KEPT_S = 86_400
"""So long a Job that is over can be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    study: str
    """Its name, of at most 46 lower-case letters, digits and dashes."""
    namespace: str
    """Where it runs, and its trials too."""
    image: str
    """Of the tuner."""
    account: str
    """Service account with the rights of `tune rbac`."""
    secret: str
    """Its keys are variables of the pods, the database's address TUNE_STUDIES among them."""
    words: tuple[str, ...] = ()
    """Further ones for `tune run`."""
    workers: int = 0
    """So many pods run the trials; 0: the study's own."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the Jobs and their pods, besides the tuner's own."""

    @property
    def job(self) -> str:
        return f"tune-{self.study}"

    @property
    def worker_job(self) -> str:
        return f"tune-{self.study}-workers"


def study_job(settings: Settings, inputs: Inputs, config_map: str) -> dict[str, Any]:
    """Suspended, for what it needs is made after it, so that it goes with it."""
    words = (
        *("run", inputs.space, "--name", settings.study, "--resume", "--log-format", "json"),
        *("--backend", "kubernetes", "--namespace", settings.namespace),
        *settings.words,
    )
    volumes = [inputs.volume(config_map), passing("work"), passing("tmp")]
    spec = {**_job(settings, words, volumes), "suspend": True}
    return _object(settings, settings.job, spec)


def worker_job(settings: Settings, owner: Mapping[str, Any]) -> dict[str, Any]:
    """Each pod takes trials until the study ends."""
    volumes = [passing("inputs"), passing("work"), passing("tmp")]
    spec = _job(settings, ("worker", settings.study), volumes)
    spec |= {
        "parallelism": settings.workers,
        "completions": settings.workers,
        "backoffLimit": _TRIES * settings.workers,
    }
    made = _object(settings, settings.worker_job, spec)
    made["metadata"]["ownerReferences"] = [owner]
    return made


def owner_of(job: Mapping[str, Any]) -> dict[str, Any]:
    """A reference: what carries it goes with the Job."""
    return {
        "apiVersion": job["apiVersion"],
        "kind": job["kind"],
        "name": job["metadata"]["name"],
        "uid": job["metadata"]["uid"],
    }


def _job(settings: Settings, words: tuple[str, ...], volumes: list[dict[str, Any]]) -> dict[str, Any]:
    runs = container(settings.image, *words, cpu="500m", memory="512Mi", secret=settings.secret)
    return {
        "backoffLimit": _TRIES,
        "ttlSecondsAfterFinished": _KEPT_S,
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": list(FINAL)},
                },
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            ]
        },
        "template": {
            "metadata": {
                "labels": _labels(settings),
                "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
            },
            "spec": {
                "restartPolicy": "Never",
                "serviceAccountName": settings.account,
                "terminationGracePeriodSeconds": GRACE_S,
                "securityContext": SECURITY,
                "affinity": dict(AWAY_FROM_TRIALS),
                "containers": [{"name": CONTAINER, **runs}],
                "volumes": volumes,
            },
        },
    }


def _object(settings: Settings, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": settings.namespace, "labels": _labels(settings)}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _labels(settings: Settings) -> dict[str, str]:
    own = {MANAGED_BY: MANAGER, STUDY_NAME: settings.study}
    return {**settings.labels, **own}
