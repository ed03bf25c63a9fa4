"""Objects that are to stay: applied, their rollout followed, and taken back to what was there before.

Unlike a trial's they keep their names, belong to nobody's anchor, and are shared with other managers of their fields.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.refusals import Refused
from tuner.backends.kubernetes.client.resources import PODS, SERVICES, ApiResource, Object
from tuner.backends.kubernetes.client.selector import label_selector
from tuner.backends.kubernetes.pods import diagnosis
from tuner.backends.kubernetes.pods.diagnosis import WorkloadFault
from tuner.backends.kubernetes.pods.logs import of_fault
from tuner.backends.kubernetes.pods.watch import Watch
from tuner.backends.kubernetes.rights import access
from tuner.backends.kubernetes.rights import table as rights
from tuner.backends.kubernetes.rights.table import Load
from tuner.backends.kubernetes.rollout.back import take_back
from tuner.backends.kubernetes.rollout.plan import Change, change_of
from tuner.backends.kubernetes.trial.anchor import Holding
from tuner.backends.kubernetes.trial.load_job import LoadJob
from tuner.backends.kubernetes.trial.objects import Identity
from tuner.backends.kubernetes.trial.running import KubernetesRunning, Placed
from tuner.errors import BackendFailure, EnvironmentFailure, TrialFailure
from tuner.manifests.kinds import kind_of
from tuner.manifests.kinds.model import Service, WorkloadKind, at, mapping
from tuner.manifests.model import PodSet
from tuner.space.model import ClusterSpec
from tuner.units import format_seconds

_AWAY_S = 0.5
_NOTHING = "tuner.dev/none=true"
"""Before an operator has made its Service there are no pods to select."""
_ORDER = {"HorizontalPodAutoscaler": 3}
_MAY_PASS_WITHIN_S = 5.0
"""Room that old pods leave is there a moment after they are gone."""
_REPLACED = frozenset({"NodeLost", "Evicted", "Removed"})
"""The cluster makes such pods anew; it comes to an end by the deadline if that does not help."""


class Rollout:
    """One workload and what belongs to it, in one namespace."""

    def __init__(
        self,
        api: Api,
        objects: Sequence[Mapping[str, Any]],
        *,
        workload: int,
        component: str | None = None,
        ignoring: Sequence[str],
    ) -> None:
        """`workload` is the index of the one that is rolled out, `component` the part of it whose pods are followed;
        `ignoring` are annotations that are no change.
        """
        self._api = api
        self._ignoring = ignoring
        kind = kind_of(objects[workload])
        if kind is None:
            raise ValueError(f"object {workload} of the manifest is no workload")
        self._kind: WorkloadKind = kind if component is None else kind.of(component)
        self._objects = [copy.deepcopy(dict(obj)) for obj in objects]
        self._wanted = self._objects[workload]
        self._main = (str(self._wanted["kind"]), str(self._wanted["metadata"]["name"]))
        self._applied: list[Change] = []
        self._undone: list[str] = []
        self._old: frozenset[str] = frozenset()
        self._since = ""

    @property
    def place(self) -> str:
        return f"namespace {self._api.namespace} of {self._api.cluster} at {self._api.server}"

    @property
    def begun(self) -> bool:
        """Whether anything was sent to the cluster that was not taken back."""
        return bool(self._applied)

    @property
    def undone(self) -> tuple[str, ...]:
        """What became of each object that was taken back, the last applied first."""
        return tuple(self._undone)

    def missing(self, load: Load | None) -> tuple[str, ...]:
        """Rights that the credentials lack, in words. `load`: where it comes from; None: nothing is measured."""
        needed = [right for right in rights.APPLY if right.needed]
        needed += [right for right in rights.IN_CLUSTER if load == "cluster"]
        for resource, obj in self._namespaced():
            group = resource.api_version.rpartition("/")[0]
            workload = kind_of(obj) is not None
            needed += rights.of_applied(group, resource.plural, resource.kind, workload=workload)
        return tuple(
            f"you may not {verb} {right} in namespace {self._api.namespace} (needed for {right.why})"
            for right, verb in access.missing(self._api, tuple(rights.distinct(needed)))
        )

    def host_load(self, *, study: str, image: str, cpus: int, cluster: ClusterSpec) -> LoadJob:
        """A place for load generators beside the pods, to be entered, which raises EnvironmentFailure."""
        return LoadJob(self._api, study=study, image=image, cpus=cpus, cluster=cluster)

    def plan(self) -> tuple[Change, ...]:
        """A server-side dry run of every object. Raises Refused for one that the cluster would not take."""
        return tuple(change_of(self._api, resource, obj, self._ignoring) for resource, obj in self._namespaced())

    def left_out(self) -> tuple[str, ...]:
        """Objects that are the whole cluster's: they are not ours to change."""
        return tuple(
            f"{obj['kind']} {obj['metadata']['name']}"
            for obj in self._objects
            if not self._api.resource_of(obj).namespaced
        )

    def apply(self, planned: Sequence[Change], *, force: bool) -> None:
        """Send the changes. Raises TrialFailure where one is refused: what was sent before is to be taken back."""
        self._since = self._now()
        self._old = frozenset(str(pod["metadata"]["uid"]) for pod in self._api.items(PODS, labels=self._selector()))
        for change in planned:
            if change.diff:
                self._applied.append(change)  # before it is sent: the answer may be lost
                self._send(change, force=force)

    def annotate(self, planned: Sequence[Change], annotations: Mapping[str, str], *, force: bool) -> None:
        """Apply the workloads once more, with these annotations; their pods are not touched by that."""
        for change in planned:
            if kind_of(change.wanted) is not None:
                wanted = copy.deepcopy(change.wanted)
                wanted["metadata"].setdefault("annotations", {}).update(annotations)
                self._api.apply(change.resource, wanted, force=force)

    def follow(self, deadline_s: float, *, alone: bool) -> float:
        """Wait until every replica is new and ready, and with `alone` the old pods are gone; returns the seconds taken.

        Raises TrialFailure as soon as the cluster knows that it will not come to that.
        """
        begin = time.monotonic()
        with self._watch() as watch:

            def rolled_out() -> Literal[True] | None:
                workload = watch.workload()
                if workload is None:
                    reason = f"{' '.join(self._main)} was deleted by somebody else"
                    raise TrialFailure(stage="ready", kind="Deleted", reason=reason)
                return True if self._is_out(workload, watch.pods(), alone=alone) else None

            found = watch.wait(rolled_out, begin + deadline_s)
            if isinstance(found, WorkloadFault):
                logs = of_fault(self._api, found)
                raise TrialFailure(stage="ready", kind=found.kind, reason=found.reason, logs=logs)
            if found is None:
                watch.raise_if_away(_AWAY_S)
                why = self._kind.waiting(watch.workload() or {}) or "old pods are still there"
                reason = (
                    f"not rolled out after {format_seconds(deadline_s)}: {why}; "
                    f"the last that was said: {watch.last_words()}"
                )
                raise TrialFailure(stage="ready", kind="RolloutStuck", reason=reason)
        return time.monotonic() - begin

    def running(
        self, pods: PodSet, study_id: str, ready_timeout_s: float, load: LoadJob | None = None
    ) -> KubernetesRunning:
        """The rolled-out pods, to be verified and measured, then closed. `load`: where it comes from, if not here."""
        workload, selector, wanted = self._workload(), self._selector(), self._wanted
        identity = Identity(study=study_id, trial=0)
        template = mapping(wanted, ("spec", "template")) if wanted["apiVersion"] == "apps/v1" else None
        service = self._kind.service(wanted, self._objects) or Service(name=self._main[1], port=pods.load_port)
        replicas = at(workload, ("spec", "replicas")) if template is not None else pods.replicas
        placed = Placed(
            identity=identity,
            pods=replace(pods, replicas=replicas if isinstance(replicas, int) else pods.replicas),
            kind=self._kind,
            workload=workload,
            service=service,
            template=template,
            holding=Holding(
                anchor="", api_version=wanted["apiVersion"], kind=self._main[0], name=self._main[1], pods=selector
            ),
            started_at=time.monotonic(),
            made_at=self._since or self._now(),
        )
        return KubernetesRunning(
            self._api, placed, ready_timeout_s=ready_timeout_s, load_node=load.node if load else ""
        )

    def take_back(self) -> None:
        """Make everything that was sent what it was before. After an interrupt it goes on where it was.

        Raises EnvironmentFailure that says what is back and what is not.
        """
        while self._applied:
            change = self._applied[-1]
            try:
                outcome = take_back(self._api, change)
            except EnvironmentFailure as failure:
                state = "".join(f"{said}; " for said in self._undone)
                left = ", ".join(map(str, self._applied))
                raise BackendFailure(f"{state}still as exported: {left} ({failure})") from failure
            self._undone.append(outcome)
            self._applied.pop()

    def _send(self, change: Change, *, force: bool) -> None:
        try:
            self._api.apply(change.resource, change.wanted, force=force)
        except Refused as refused:
            if refused.status >= 500 and "denied the request" not in refused.message:
                raise
            raise TrialFailure(stage="deploy", kind="AdmissionRefused", reason=str(refused)) from None

    # planning

    def _namespaced(self) -> Iterator[tuple[ApiResource, Object]]:
        """What the workload needs comes before it, what acts on it after."""
        for obj in sorted(self._objects, key=lambda obj: _ORDER.get(obj["kind"], 2 if kind_of(obj) else 1)):
            resource = self._api.resource_of(obj)
            if resource.namespaced:
                obj["metadata"]["namespace"] = self._api.namespace
                yield resource, obj

    # following

    def _watch(self) -> Watch:
        return Watch(
            self._api,
            pods=self._selector(),
            name=self._main[1],
            workload=self._api.resource_of(self._workload()),
            since=self._since,
            counts=self._is_new,
            excused=lambda fault: fault.kind in _REPLACED,
            may_pass_within_s=_MAY_PASS_WITHIN_S,
        )

    def _is_out(self, workload: Object, pods: Sequence[Object], *, alone: bool) -> bool:
        if self._kind.waiting(workload) is not None:
            return False
        return not alone or (bool(pods) and all(diagnosis.is_ready(pod) for pod in pods))

    def _is_new(self, pod: Object) -> bool:
        return pod["metadata"]["uid"] not in self._old and not pod["metadata"].get("deletionTimestamp")

    def _workload(self) -> Object:
        api_version = self._wanted["apiVersion"]
        found = self._api.get(self._api.resource(api_version, self._main[0]), self._main[1])
        if found is None:
            raise BackendFailure(f"{' '.join(self._main)} is not in namespace {self._api.namespace} any more")
        return {"apiVersion": api_version, "kind": self._main[0], **found}

    def _selector(self) -> str:
        """Of its pods: the workload's own, the one its operator is known by, or that of the Service before them."""
        wanted = self._wanted
        known = self._kind.selector(wanted)
        if known is not None:
            return known
        own = mapping(wanted, ("spec", "selector"))
        if wanted["apiVersion"] == "apps/v1" and own:
            return label_selector(own)
        service = self._kind.service(wanted, self._objects)
        there = self._api.get(SERVICES, service.name) if service is not None else None
        return label_selector({"matchLabels": mapping(there, ("spec", "selector"))}) or _NOTHING

    def _now(self) -> str:
        self._api.call("GET", "/version", what="the version")  # its answer carries the API server's clock
        return self._api.now().strftime("%Y-%m-%dT%H:%M:%SZ")
