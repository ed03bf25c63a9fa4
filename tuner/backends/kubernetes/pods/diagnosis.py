"""What is wrong with a trial's pods, from what the cluster already knows: pods, events and the workload's status.

Pure: takes objects as the API gives them. The cluster's own words are kept in the reason.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tuner.backends.kubernetes.client.refusals import passing
from tuner.backends.kubernetes.client.resources import name_of
from tuner.backends.kubernetes.pods.pools import shortened
from tuner.manifests.kinds import kind_of
from tuner.manifests.kinds.model import at, mapping, mappings
from tuner.units import format_bytes, format_seconds, quantity

Object = Mapping[str, Any]

_NEVER_PULLED = frozenset({"ErrImageNeverPull", "InvalidImageName", "ImagePullBackOff", "ImageInspectError"})
_FINAL_PULL_ERRORS = ("not found", "unauthorized", "denied", "manifest unknown", "no basic auth", "invalid reference")
_STAYS = "Cancelling deletion"
_MISSING = re.compile(r'(?:configmap|secret) "[^"]+" not found|references non-existent (?:config|secret) key: \S+')
"""A volume of the pod is made of what is not there."""
_NOT_BEGUN = frozenset({"ContainerCreating", "PodInitializing"})
_NOT_STARTED = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_AWAY = frozenset({"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"})
_DISRUPTIONS = {"DeletionByTaintManager": "NodeLost", "TerminationByKubelet": "Evicted"}
"""A kubelet ends a pod for what that took of its node; others (drains, preemption) for reasons of their own."""
_MAY_PASS = frozenset({"Unschedulable", "QuotaExceeded", "OperatorFailed", "MissingObject", "NotMade"})
"""What the last trial's pods may still cause in the moment in which they go; an operator may try again, a node may not
have heard yet of what was made a moment before, and who makes pods tries again when the API server is back.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadFault:
    """`pod` and `container` are empty where no container's log tells more; `previous`: it was restarted since."""

    kind: str
    reason: str
    pod: str = ""
    container: str = ""
    previous: bool = False

    @property
    def may_pass(self) -> bool:
        return self.kind in _MAY_PASS

    @property
    def may_be_the_nodes(self) -> bool:
        """The scheduler does not say which taint it is; those of a node that is away (`nodes_away`) are among them."""
        return self.kind == "Unschedulable" and "untolerated taint" in self.reason


def in_order[P: Object](pods: Sequence[P]) -> list[P]:
    """Replicas in the order they are counted in: as they were made, then by name."""
    return sorted(pods, key=lambda pod: (str(at(pod, ("metadata", "creationTimestamp"))), name_of(pod)))


def is_ready(pod: Object) -> bool:
    conditions = {c.get("type"): c.get("status") for _, c in mappings(pod, ("status", "conditions"))}
    return conditions.get("Ready") == "True" and not at(pod, ("metadata", "deletionTimestamp"))


def restarts(pod: Object) -> int:
    return sum(int(status.get("restartCount") or 0) for _, status in mappings(pod, ("status", "containerStatuses")))


def fault(pods: Sequence[Object], events: Sequence[Object], workload: Object | None) -> WorkloadFault | None:
    """The first thing that is certain to keep these pods from serving, or None."""
    return next(faults(pods, events, workload), None)


def faults(pods: Sequence[Object], events: Sequence[Object], workload: Object | None) -> Iterator[WorkloadFault]:
    """All that keeps these pods from serving."""
    for index, pod in enumerate(in_order(pods)):
        yield from _of_pod(f"replica {index}", pod, events)
    yield from _unmade(pods, events, workload)
    for _, condition in mappings(workload, ("status", "conditions")):
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            yield WorkloadFault(kind="RolloutStuck", reason=f"the rollout is stuck: {condition.get('message')}")
    kind = kind_of(workload) if workload is not None else None
    if workload is not None and kind is not None and (why := kind.failed(workload)) is not None:
        yield WorkloadFault(kind="OperatorFailed", reason=f"the operator of {kind.kind} gave up: {why}")


def last_words(pods: Sequence[Object], events: Sequence[Object], wanted: int) -> str:
    """Why pods are not ready yet, in the words of the last probe, or of whatever else the cluster said last."""
    waiting = [pod for pod in in_order(pods) if not is_ready(pod)]
    if not waiting:
        return f"{len(pods)} of {wanted} pods exist" if len(pods) < wanted else "all pods are ready"
    names = {name_of(pod) for pod in waiting}
    told = [event for event in events if at(event, ("involvedObject", "name")) in names]
    probes = [event for event in told if event.get("reason") == "Unhealthy"]
    for event in sorted(probes or told, key=_when, reverse=True):
        said = shortened(str(event.get("message")))
        return said if probes else f"{event.get('reason')}: {said}"
    for _, status in mappings(waiting[0], ("status", "initContainerStatuses")):
        if mapping(status, ("state", "running")):
            return f"init container {status.get('name')} of {name_of(waiting[0])} still runs"
    phase = at(waiting[0], ("status", "phase")) or "not seen by a node yet"
    return f"the pod is {phase}, and the cluster says nothing more"


def claims(pod: Object) -> list[str]:
    """Names of the volume claims a pod mounts."""
    return [
        str(name)
        for _, volume in mappings(pod, ("spec", "volumes"))
        if (name := at(volume, ("persistentVolumeClaim", "claimName")))
    ]


def about[E: Object](events: Sequence[E], pods: Sequence[Object], *, name: str, since: str = "") -> list[E]:
    """Those of a workload's objects, known by their names, and of its pods, which an operator may name otherwise, and
    their volume claims.

    None from before `since`: a name may have been used before, by the same trial when it was interrupted.
    """
    names = {*map(name_of, pods), *(claim for pod in pods for claim in claims(pod))}
    return [
        event
        for event in events
        if ((of := str(at(event, ("involvedObject", "name")))).startswith(name) or of in names)
        and str(at(event, ("metadata", "creationTimestamp"))) >= since
    ]


def nodes_away(nodes: Sequence[Object]) -> list[str]:
    """Nodes that have not been heard of: they take no new pods until they are."""
    return [
        name_of(node)
        for node in nodes
        if any(taint.get("key") in _AWAY for _, taint in mappings(node, ("spec", "taints")))
    ]


def child_out_of_memory(label: str, pod: Object, container: str) -> WorkloadFault:
    """The kernel ended a process of a container whose first process goes on."""
    allowed = _allowed_memory(pod, container)
    reason = f"{label} needed more than {allowed}; the kernel ended one of its processes"
    return WorkloadFault(kind="OOMKilled", reason=reason, pod=name_of(pod), container=container)


def _of_pod(label: str, pod: Object, events: Sequence[Object]) -> Iterator[WorkloadFault]:
    name, status = name_of(pod), mapping(pod, ("status",))
    yield from _lost(label, name, pod, events)
    for _, condition in mappings(status, ("conditions",)):
        scheduled = condition.get("type"), condition.get("status"), condition.get("reason")
        if scheduled == ("PodScheduled", "False", "Unschedulable"):
            said = shortened(str(condition.get("message")))
            yield WorkloadFault(kind="Unschedulable", reason=f"{label} cannot be scheduled: {said}")
    yield from _unmounted(label, name, pod, events)
    for section in ("initContainerStatuses", "containerStatuses"):
        for _, container in mappings(status, (section,)):
            yield from _of_container(label, name, pod, container, events)


def _unmounted(label: str, name: str, pod: Object, events: Sequence[Object]) -> Iterator[WorkloadFault]:
    """A volume cannot be made since the ConfigMap or Secret it is of is not there: nothing of the pod starts."""
    statuses = [
        *(status for _, status in mappings(pod, ("status", "initContainerStatuses"))),
        *(status for _, status in mappings(pod, ("status", "containerStatuses"))),
    ]
    if not statuses or any(at(status, ("state", "waiting", "reason")) not in _NOT_BEGUN for status in statuses):
        return
    for event in events:
        if at(event, ("involvedObject", "name")) == name and event.get("reason") == "FailedMount":
            found = _MISSING.search(str(event.get("message")))
            if found is not None:
                reason = f"{label} cannot start: {found[0]} (needed for a volume; {event.get('message')})"
                yield WorkloadFault(kind="MissingObject", reason=reason)
                return


def _lost(label: str, name: str, pod: Object, events: Sequence[Object]) -> Iterator[WorkloadFault]:
    status, node = mapping(pod, ("status",)), at(pod, ("spec", "nodeName"))
    for event in events:
        message = str(event.get("message"))
        lost = event.get("reason") == "NodeNotReady" or (
            # also said when a node is well again, and of pods that tolerate what it is not
            event.get("reason") == "TaintManagerEviction" and not message.startswith(_STAYS)
        )
        if lost and at(event, ("involvedObject", "name")) == name:
            yield WorkloadFault(kind="NodeLost", reason=f"{label}: its node {node} is lost: {event.get('message')}")
    if status.get("reason") in ("NodeLost", "Terminated", "NodeShutdown"):
        yield WorkloadFault(kind="NodeLost", reason=f"{label}: its node {node} is lost: {status.get('message')}")
    if status.get("reason") == "Evicted":
        yield WorkloadFault(kind="Evicted", reason=f"{label} was evicted: {status.get('message')}")
    for _, condition in mappings(status, ("conditions",)):
        if (condition.get("type"), condition.get("status")) == ("DisruptionTarget", "True"):
            kind = _DISRUPTIONS.get(str(condition.get("reason")), "Removed")
            why = f"{condition.get('reason')}: {condition.get('message')}"
            yield WorkloadFault(kind=kind, reason=f"{label} on node {node} was evicted: {why}")
    if at(pod, ("metadata", "deletionTimestamp")):
        yield WorkloadFault(kind="Removed", reason=f"{label} (pod {name}) was deleted, and not by this tuner")


def _of_container(
    label: str, pod_name: str, pod: Object, status: Object, events: Sequence[Object]
) -> Iterator[WorkloadFault]:
    name = str(status.get("name"))
    who = label if len(mappings(pod, ("spec", "containers"))) == 1 else f"{label}, container {name}"
    if _is_init(pod, name):
        who = f"{label}, init container {name}"
    waiting = mapping(status, ("state", "waiting"))
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    final = reason == "ErrImagePull" and any(words in message for words in _FINAL_PULL_ERRORS)
    if reason in _NEVER_PULLED or final:
        told = _pull_error(pod_name, events) or message
        yield WorkloadFault(
            kind="ErrImagePull", reason=f"{who}: image {status.get('image')} cannot be had ({reason}): {told}"
        )
    if reason in _NOT_STARTED:
        yield WorkloadFault(kind=reason, reason=f"{who} cannot be started ({reason}): {message}")
    last = mapping(status, ("lastState", "terminated"))
    ended = mapping(status, ("state", "terminated")) or last
    if not ended or (ended is not last and ended.get("exitCode") == 0 and _is_init(pod, name)):
        return
    again = int(status.get("restartCount") or 0) > 0 and ended is last
    yield _ended(who, pod, name, pod_name, ended, previous=again)


def _ended(who: str, pod: Object, container: str, pod_name: str, ended: Object, *, previous: bool) -> WorkloadFault:
    code = int(ended.get("exitCode") or 0)
    if ended.get("reason") == "OOMKilled":
        allowed = _allowed_memory(pod, container)
        reason = f"{who} needed more than {allowed} and was ended by the kernel (exit status {code})"
        return WorkloadFault(kind="OOMKilled", reason=reason, pod=pod_name, container=container, previous=previous)
    how = f"was ended by {_signal_name(code - 128)} (status {code})" if code > 128 else f"exited with status {code}"
    lived = _lived(ended)
    within = f" within {format_seconds(lived)} of its start" if lived is not None else ""
    said = f": {ended['message']}" if ended.get("message") else ""
    return WorkloadFault(
        kind="Crashed", reason=f"{who} {how}{within}{said}", pod=pod_name, container=container, previous=previous
    )


def _unmade(pods: Sequence[Object], events: Sequence[Object], workload: Object | None) -> Iterator[WorkloadFault]:
    """Pods that are not even made: the quota, LimitRange or an admission policy forbids them, or nobody could be asked."""
    said = [
        str(condition.get("message"))
        for _, condition in mappings(workload, ("status", "conditions"))
        if (condition.get("type"), condition.get("status")) == ("ReplicaFailure", "True")
    ]
    if at(workload, ("kind",)) != "Deployment":  # a Deployment's condition goes away when a later try succeeds
        failed = [str(event.get("message")) for event in events if event.get("reason") == "FailedCreate"]
        said += [message for message in failed if not (pods and passing(message))]
    for message in said:
        if "exceeded quota" in message:
            yield WorkloadFault(kind="QuotaExceeded", reason=f"the namespace's quota refuses the pods: {message}")
        elif passing(message):
            yield WorkloadFault(kind="NotMade", reason=f"the cluster could not make the pods: {message}")
        else:
            yield WorkloadFault(kind="AdmissionRefused", reason=f"the cluster's admission refuses the pods: {message}")


def _pull_error(pod_name: str, events: Sequence[Object]) -> str:
    told = [
        event
        for event in events
        if at(event, ("involvedObject", "name")) == pod_name
        and event.get("reason") in ("Failed", "InspectFailed", "ErrImageNeverPull")
        and "image" in str(event.get("message"))
        and not str(event.get("message")).startswith("Error: ")
    ]
    return str(max(told, key=_when)["message"]) if told else ""


def _is_init(pod: Object, container: str) -> bool:
    """Init containers end when they are done; those of a server do not."""
    return any(c.get("name") == container for _, c in mappings(pod, ("spec", "initContainers")))


def _allowed_memory(pod: Object, container: str) -> str:
    for _, spec in (*mappings(pod, ("spec", "containers")), *mappings(pod, ("spec", "initContainers"))):
        limit = at(spec, ("resources", "limits", "memory"))
        if spec.get("name") == container and limit is not None:
            return f"its limit of {format_bytes(float(quantity(limit)))}"
    return "the memory its node had"


def _lived(ended: Object) -> float | None:
    try:
        started, finished = (datetime.fromisoformat(str(ended[key])) for key in ("startedAt", "finishedAt"))
    except (KeyError, ValueError):
        return None
    return max((finished - started).total_seconds(), 1.0)  # these times are whole seconds


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _when(event: Object) -> str:
    return str(
        event.get("lastTimestamp") or event.get("eventTime") or at(event, ("metadata", "creationTimestamp")) or ""
    )
