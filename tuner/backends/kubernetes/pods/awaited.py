"""What pods wait for that may still come: a node, room on one, a volume, an image.

Pure: takes objects as the API gives them. What is named here is no fault yet, for as long as there is patience; and the
time until it came is not the server's start-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from tuner.backends.kubernetes.client.resources import name_of
from tuner.backends.kubernetes.pods import capacity
from tuner.backends.kubernetes.pods.diagnosis import claims
from tuner.backends.kubernetes.pods.pools import shortened
from tuner.manifests.kinds.model import at, mapping, mappings
from tuner.units import quantity

Object = Mapping[str, Any]

_SCALES_UP = frozenset({"TriggeredScaleUp", "Nominated"})
"""What an autoscaler says of a pod for which it adds a node: the cluster's own, and Karpenter."""
_SCALES_NOT = frozenset({"NotTriggerScaleUp"})
_VOLUME_WORDS = ("unbound immediate PersistentVolumeClaims", "didn't find available persistent volumes to bind")
_VOLUME_EVENTS = frozenset({"WaitForFirstConsumer", "WaitForPodScheduled", "ExternalProvisioning", "Provisioning"})
_VOLUME_LATE = frozenset({"FailedBinding", "ProvisioningFailed"})
_TAKEN = ("Insufficient ", "Too many pods")
_PASSING = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/", "karpenter.sh/")
"""Taints that a node has while it comes up, is cordoned or is short of something: they go again."""
_PASSING_WORDS = (*(f"untolerated taint {{{prefix}" for prefix in _PASSING), "were unschedulable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """`text` says it in a sentence's end (``a node: pod triggered scale-up: ...``)."""

    what: Literal["node", "volume", "image"]
    text: str


def awaited(pods: Sequence[Object], events: Sequence[Object], nodes: Sequence[Object]) -> Awaited | None:
    """The first thing that these pods wait for and that may still come; None: there is none, or it cannot come.

    `events` are theirs and their claims'; `nodes` empty: they cannot be read.
    """
    for pod in pods:
        scheduled = at(pod, ("spec", "nodeName"))
        found = _image(pod, events) if scheduled else _of_unscheduled(pod, pods, events, nodes)
        if found is not None:
            return found
    return None


def in_place(pod: Object, events: Sequence[Object]) -> bool:
    """Whether a pod has its node, with it its volumes, and its images: from then on it starts up."""
    return bool(at(pod, ("spec", "nodeName"))) and _image(pod, events) is None


def autoscaler_refuses(pods: Sequence[Object], events: Sequence[Object]) -> str | None:
    """Why an autoscaler adds no node for these pods, in its words; None: it says nothing of the kind."""
    names = {name_of(pod) for pod in pods if not at(pod, ("spec", "nodeName"))}
    told = [event for event in events if _about(event) in names and event.get("reason") in _SCALES_NOT]
    return str(told[-1].get("message")) if told else None


def _of_unscheduled(
    pod: Object, pods: Sequence[Object], events: Sequence[Object], nodes: Sequence[Object]
) -> Awaited | None:
    said = next(
        (
            str(condition.get("message") or "")
            for _, condition in mappings(pod, ("status", "conditions"))
            if (condition.get("type"), condition.get("status")) == ("PodScheduled", "False")
        ),
        "",
    )
    own = [event for event in events if _about(event) == name_of(pod)]
    for event in reversed(own):
        if event.get("reason") in _SCALES_UP:
            return Awaited(what="node", text=f"a node: {event.get('message')}")
    volume = _volume(pod, said, events)
    if volume is not None:
        return volume
    here = [node for node in nodes if _takes(node, pod)]
    waiting = [one for one in pods if not at(one, ("spec", "nodeName"))]
    taken = any(words in said for words in _TAKEN)
    passing = any(words in said for words in _PASSING_WORDS)
    if here and (taken or passing) and capacity.room_for(_requests(pod), here) >= max(len(pods), len(waiting)):
        able = sum(capacity.room_for(_requests(pod), [node]) > 0 for node in here)
        return Awaited(what="node", text=f"room on {able} node(s) that could hold it: {shortened(said)}")
    return None


def _volume(pod: Object, said: str, events: Sequence[Object]) -> Awaited | None:
    """The scheduler says nothing of a pod whose volumes it has asked for; then the claims' events alone tell."""
    names = claims(pod)
    told = [event for event in events if _about(event) in names]
    if any(event.get("reason") in _VOLUME_LATE and "not found" in str(event.get("message")) for event in told):
        return None  # the storage class is not there
    if said and not any(words in said for words in _VOLUME_WORDS):
        return None
    named = [event for event in told if event.get("reason") in _VOLUME_EVENTS | _VOLUME_LATE]
    if not said and not named:
        return None
    words = f"{_about(named[-1])}: {named[-1].get('message')}" if named else shortened(said)
    return Awaited(what="volume", text=f"a volume: {words}")


def _image(pod: Object, events: Sequence[Object]) -> Awaited | None:
    """An image on its way to the pod's node: begun, not there, and the container not begun."""
    for section in ("initContainerStatuses", "containerStatuses"):
        for _, status in mappings(pod, ("status", section)):
            if not mapping(status, ("state", "waiting")) or mapping(status, ("lastState", "terminated")):
                continue
            image = str(status.get("image"))
            told = [
                str(event.get("reason"))
                for event in events
                if _about(event) == name_of(pod)
                and str(at(event, ("involvedObject", "fieldPath"))).endswith(f"{{{status.get('name')}}}")
            ]
            if "Pulling" in told and not {"Pulled", "Created", "Failed"} & set(told):
                return Awaited(what="image", text=f"the image {image} on node {at(pod, ('spec', 'nodeName'))}")
    return None


def _takes(node: Object, pod: Object) -> bool:
    """Whether a node, were it empty and at peace, is one that the pod asks for and tolerates."""
    labels = mapping(node, ("metadata", "labels"))
    if any(labels.get(key) != value for key, value in mapping(pod, ("spec", "nodeSelector")).items()):
        return False
    required = ("spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    terms = mappings(mapping(pod, required), ("nodeSelectorTerms",))
    if terms and not any(_matches(labels, term) for _, term in terms):
        return False
    tolerations = [toleration for _, toleration in mappings(pod, ("spec", "tolerations"))]
    return all(
        str(taint.get("key")).startswith(_PASSING)
        or taint.get("effect") == "PreferNoSchedule"
        or any(_tolerates(toleration, taint) for toleration in tolerations)
        for _, taint in mappings(node, ("spec", "taints"))
    )


def _matches(labels: Mapping[str, Any], term: Object) -> bool:
    return all(_holds(labels, wanted) for _, wanted in mappings(term, ("matchExpressions",)))


def _holds(labels: Mapping[str, Any], wanted: Object) -> bool:
    value, values = labels.get(str(wanted.get("key"))), [str(one) for one in wanted.get("values") or ()]
    match wanted.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return True  # Gt and Lt: of numbers, seldom; the scheduler knows


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") and toleration.get("effect") != taint.get("effect"):
        return False
    if toleration.get("operator") == "Exists":
        return not toleration.get("key") or toleration.get("key") == taint.get("key")
    same_value = (toleration.get("value") or "") == (taint.get("value") or "")
    return toleration.get("key") == taint.get("key") and same_value


def _requests(pod: Object) -> dict[str, Decimal]:
    amounts: dict[str, Decimal] = {}
    for _, container in mappings(pod, ("spec", "containers")):
        for name, amount in mapping(container, ("resources", "requests")).items():
            amounts[name] = amounts.get(name, Decimal(0)) + quantity(str(amount))
    return amounts


def _about(event: Object) -> str:
    return str(at(event, ("involvedObject", "name")))
