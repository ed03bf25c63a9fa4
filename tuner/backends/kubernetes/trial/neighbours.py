"""What else in the namespace finds pods by their labels, and what it would do to a trial's.

Services, disruption budgets and network policies select pods themselves; an autoscaler counts those that the selector
of the workload it scales finds. A trial's pods are relabelled so that none of them does (`relabel`), which is held
against what is there: before anything is started, and once more against the live pods, whose labels an operator or
admission may have added to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.refusals import NotAllowed, Refused
from tuner.backends.kubernetes.client.resources import (
    DEPLOYMENTS,
    REPLICA_SETS,
    SERVICES,
    STATEFUL_SETS,
    ApiResource,
    Object,
    name_of,
)
from tuner.backends.kubernetes.client.selector import keys, selects
from tuner.backends.kubernetes.trial.objects import MANAGED_BY, MANAGER, STUDY
from tuner.manifests.kinds.model import at, mapping, mappings

_BUDGETS = ApiResource(
    api_version="policy/v1", kind="PodDisruptionBudget", plural="poddisruptionbudgets", namespaced=True
)
_AUTOSCALERS = ApiResource(
    api_version="autoscaling/v2", kind="HorizontalPodAutoscaler", plural="horizontalpodautoscalers", namespaced=True
)
_POLICIES = ApiResource(
    api_version="networking.k8s.io/v1", kind="NetworkPolicy", plural="networkpolicies", namespaced=True
)
_DOES = {
    "Service": "would send its clients' requests to them",
    "PodDisruptionBudget": "would count them as replicas that may or may not be disrupted",
    "HorizontalPodAutoscaler": "would count their load as that of the workload it scales",
    "NetworkPolicy": "says whom they may speak with",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """An object of the namespace that selects pods."""

    kind: str
    name: str
    selector: Mapping[str, Any]
    """As in meta/v1 LabelSelector."""
    made_at: str = ""
    lets_in: tuple[Mapping[str, Any], ...] = ()
    """Of a network policy: the pods of the namespace that its own may be reached from."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def harms(self) -> bool:
        """Whether production notices when it selects a trial's pods."""
        return self.kind != "NetworkPolicy"

    @property
    def does(self) -> str:
        return _DOES[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Those of a namespace that are not a trial's own."""

    found: tuple[Neighbour, ...] = ()
    unread: tuple[str, ...] = ()
    """Kinds that may not be read, as RBAC calls them."""

    @property
    def keys(self) -> frozenset[str]:
        """The labels that production selects pods by here. Those of network policies alone stay as they are: what a
        policy allows, such as the way to a model's store, the trial needs, too."""
        return frozenset(key for one in self.found if one.harms for key in keys(one.selector))

    def of(self, labels: Mapping[str, Any]) -> tuple[Neighbour, ...]:
        """Those that select a pod with these labels."""
        return tuple(one for one in self.found if selects(one.selector, labels))

    def letting_in(self, labels: Mapping[str, Any]) -> tuple[Neighbour, ...]:
        """Network policies that let a pod with these labels, among others, reach theirs."""
        return tuple(one for one in self.found if any(selects(peer, labels) for peer in one.lets_in))

    def before(self, when: str) -> Neighbours:
        """Those that were there before a moment (RFC 3339): an operator makes some for each trial."""
        then = datetime.fromisoformat(when)
        older = (one for one in self.found if one.made_at and datetime.fromisoformat(one.made_at) < then)
        return Neighbours(found=tuple(older), unread=self.unread)


def read(api: Api) -> Neighbours:
    """What may not be read is left out, and named."""
    unread: list[str] = []
    found: list[Neighbour] = []
    for resource in (SERVICES, _BUDGETS, _POLICIES):
        found += (_neighbour(one, resource, _selector(one, resource)) for one in _there(api, resource, unread))
    autoscalers = _there(api, _AUTOSCALERS, unread)
    found += _autoscalers(api, autoscalers, unread) if autoscalers else ()
    return Neighbours(found=tuple(one for one in found if one.selector is not _NOTHING), unread=tuple(unread))


_NOTHING: Mapping[str, Any] = {"matchExpressions": [{"key": "", "operator": "Exists"}]}
"""Of an object that selects no pods."""


def _there(api: Api, resource: ApiResource, unread: list[str]) -> list[Object]:
    """Those of a kind that are no trial's."""
    try:
        items = api.items(resource)
    except NotAllowed:
        group = resource.api_version.rpartition("/")[0]
        unread.append(f"{resource.plural}.{group}" if group else resource.plural)
        return []
    except Refused as refused:
        if refused.status != 404:  # this cluster does not serve the kind
            raise
        return []
    return [one for one in items if not _is_ours(mapping(one, ("metadata", "labels")))]


def _is_ours(labels: Mapping[str, Any]) -> bool:
    return STUDY in labels and labels.get(MANAGED_BY) == MANAGER


def _neighbour(one: Object, resource: ApiResource, selector: Mapping[str, Any]) -> Neighbour:
    made_at = str(at(one, ("metadata", "creationTimestamp")) or "")
    lets_in = tuple(
        mapping(peer, ("podSelector",))
        for _, rule in mappings(one, ("spec", "ingress"))
        for _, peer in mappings(rule, ("from",))
        if peer.get("podSelector") and not peer.get("namespaceSelector")
    )
    return Neighbour(kind=resource.kind, name=name_of(one), selector=selector, made_at=made_at, lets_in=lets_in)


def _selector(one: Object, resource: ApiResource) -> Mapping[str, Any]:
    if resource is SERVICES:
        labels = mapping(one, ("spec", "selector"))
        return {"matchLabels": labels} if labels else _NOTHING
    found = at(one, ("spec", "podSelector" if resource is _POLICIES else "selector"))
    return found if isinstance(found, Mapping) else _NOTHING


def _autoscalers(api: Api, autoscalers: Sequence[Object], unread: list[str]) -> Iterator[Neighbour]:
    """By the selector of what each scales, where that is of a kind that we read."""
    scaled = {
        (resource.kind, name_of(one)): mapping(one, ("spec", "selector"))
        for resource in (DEPLOYMENTS, STATEFUL_SETS, REPLICA_SETS)
        for one in _there(api, resource, unread)
    }
    for one in autoscalers:
        target = mapping(one, ("spec", "scaleTargetRef"))
        selector = scaled.get((str(target.get("kind")), str(target.get("name"))))
        yield _neighbour(one, _AUTOSCALERS, selector or _NOTHING)
