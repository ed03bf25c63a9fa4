"""Can these pods ever run in this namespace? By the nodes' allocatable resources, the quota and the limit ranges.

Pure: takes objects as the API gives them. What is free at the moment is the scheduler's matter: here only what can
never fit is refused. Taints are not looked at, since the pods may tolerate them; a cordoned node counts, since it may
come back; and where nodes come from an autoscaler, those that there are say nothing of those to come.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tuner.backends.kubernetes.pods import pools
from tuner.manifests.kinds.model import at, mapping, mappings
from tuner.manifests.model import Container, PodSet
from tuner.units import quantity

Object = Mapping[str, Any]

_GROWING_POOLS = frozenset(pools.POOL_LABELS) - {"node.kubernetes.io/instance-type"}
_FIXED = frozenset({"kind", "k3s", "minikube"})
"""Providers of clusters on one machine."""
_PODS = Decimal(110)
"""That a node holds at most, where it does not say."""
_QUOTA_KEYS = {"cpu": "requests.cpu", "memory": "requests.memory"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """So many other pods, which are there at the same time, on nodes with these labels."""

    what: str
    """As a sentence names them."""
    requests: Mapping[str, Decimal]
    """Of each."""
    number: int = 1
    node_selector: Mapping[str, str] | None = None

    def may_be_on(self, node: Object) -> bool:
        labels = mapping(node, ("metadata", "labels"))
        return all(labels.get(key) == value for key, value in (self.node_selector or {}).items())


def requests_of(pods: PodSet) -> Mapping[str, Decimal]:
    """What one pod requests, by resource."""
    amounts: dict[str, Decimal] = {}
    for container in pods.containers:
        for name, amount in container.requests.items():
            amounts[name] = amounts.get(name, Decimal(0)) + quantity(amount)
    return amounts


def no_room(pods: PodSet, nodes: Sequence[Object], beside: Beside | None = None) -> str | None:
    """Why the nodes can never hold these pods, in a sentence that begins as the scheduler's does; None: they can."""
    wanted = requests_of(pods)
    if not nodes:
        return "Insufficient nodes: the cluster has none"
    if grows(nodes):
        return None
    room = room_for(wanted, nodes)
    if room >= pods.replicas:
        if beside is None or _spare(wanted, room - pods.replicas, nodes, beside):
            return None
        room = _room_beside(wanted, nodes, beside)
        if room >= pods.replicas:
            return None
        short = sorted(name for name in wanted if _room_beside({name: wanted[name]}, nodes, beside) < pods.replicas)
        also = f" beside {beside.what}"
    else:
        short = sorted(name for name, amount in wanted.items() if room_for({name: amount}, nodes) < pods.replicas)
        also = ""
    short = short or sorted(wanted)
    details = "; ".join(_shortage(name, wanted[name], nodes) for name in short)
    which = ", ".join(f"Insufficient {name}" for name in short)
    return f"{which}: {room} of {pods.replicas} pods fit on {len(nodes)} node(s){also} ({details})"


def grows(nodes: Sequence[Object]) -> bool:
    """Whether others like these, or of other pools, may be added: they belong to pools of a provider."""
    return any(
        any(key in mapping(node, ("metadata", "labels")) for key in _GROWING_POOLS)
        or str(at(node, ("spec", "providerID")) or "kind:").partition(":")[0] not in _FIXED
        for node in nodes
    )


def refused(pods: PodSet, quotas: Sequence[Object], limit_ranges: Sequence[Object]) -> str | None:
    """Which rule of the namespace forbids these pods whatever else runs, or None."""
    return next(_refusals(pods, quotas, limit_ranges), None)


def _refusals(pods: PodSet, quotas: Sequence[Object], limit_ranges: Sequence[Object]) -> Iterator[str]:
    for quota in quotas:
        if at(quota, ("spec", "scopes")) or at(quota, ("spec", "scopeSelector")):
            continue  # it may not be about these pods; the server-side dry run knows
        for key, hard in mapping(quota, ("spec", "hard")).items():
            asked = _asked(pods, key)
            if asked > quantity(str(hard)):
                name = at(quota, ("metadata", "name"))
                yield (
                    f"exceeds quota {name}: {pods.replicas} pods ask for {pools.amount(key, asked)} of {key}, "
                    f"at most {hard} is allowed"
                )
    for limit_range in limit_ranges:
        name = at(limit_range, ("metadata", "name"))
        for _, limit in mappings(limit_range, ("spec", "limits")):
            if limit.get("type") == "Container":
                for container in pods.containers:
                    yield from _outside(f"LimitRange {name}, container {container.name}", container, limit)


def _outside(where: str, container: Container, limit: Object) -> Iterator[str]:
    for resource, most in mapping(limit, ("max",)).items():
        asked = container.limits.get(resource)
        if asked is not None and quantity(asked) > quantity(str(most)):
            yield f"{where}: the {resource} limit of {asked} is more than the {most} allowed"
    for resource, least in mapping(limit, ("min",)).items():
        asked = container.requests.get(resource)
        if asked is not None and quantity(asked) < quantity(str(least)):
            yield f"{where}: the {resource} request of {asked} is less than the {least} required"


def _asked(pods: PodSet, key: str) -> Decimal:
    """What all replicas ask of one entry of a quota; 0 for entries that are about other things."""
    if key == "pods":
        return Decimal(pods.replicas)
    if key.startswith(("requests.", "limits.")):
        section, _, resource = key.partition(".")
    elif key in _QUOTA_KEYS:
        section, resource = "requests", key
    else:
        return Decimal(0)
    amounts = [container.limits if section == "limits" else container.requests for container in pods.containers]
    return pods.replicas * sum((quantity(a[resource]) for a in amounts if resource in a), Decimal(0))


def _fitting(wanted: Mapping[str, Decimal], there: Mapping[str, Decimal]) -> int:
    """How many such pods fit into these resources of one node."""
    counts = [int(there.get(name, Decimal(0)) // amount) for name, amount in wanted.items() if amount > 0]
    return max(min([*counts, int(there.get("pods", _PODS))]), 0)


def room_for(wanted: Mapping[str, Decimal], nodes: Sequence[Object]) -> int:
    """How many such pods fit on these nodes when they are empty."""
    return sum(_fitting(wanted, pools.allocatable(node)) for node in nodes)


def _spare(wanted: Mapping[str, Decimal], spare: int, nodes: Sequence[Object], beside: Beside) -> bool:
    """Whether there is room for the others whichever nodes they are on; so much is quickly told."""
    ratios = [beside.requests.get(name, Decimal(0)) / amount for name, amount in wanted.items() if amount > 0]
    displaces = max(1, *(math.ceil(ratio) for ratio in ratios)) if ratios else 1
    return spare >= beside.number * displaces and (
        room_for(beside.requests, [node for node in nodes if beside.may_be_on(node)]) >= beside.number
    )


def _room_beside(wanted: Mapping[str, Decimal], nodes: Sequence[Object], beside: Beside) -> int:
    """How many such pods fit when the others are where they leave most room; 0 where those do not fit themselves."""
    most: list[int | None] = [0, *[None] * beside.number]  # by how many of the others are on the nodes so far
    for node in nodes:
        there = pools.allocatable(node)
        held = min(_fitting(beside.requests, there), beside.number) if beside.may_be_on(node) else 0
        left = [_fitting(wanted, _less(there, beside.requests, others)) for others in range(held + 1)]
        most = [
            max(
                (before + left[n] for n in range(min(held, placed) + 1) if (before := most[placed - n]) is not None),
                default=None,
            )
            for placed in range(beside.number + 1)
        ]
    return most[-1] or 0


def _less(there: Mapping[str, Decimal], requests: Mapping[str, Decimal], number: int) -> Mapping[str, Decimal]:
    taken = {**requests, "pods": Decimal(1)}
    return {name: amount - number * taken.get(name, Decimal(0)) for name, amount in {"pods": _PODS, **there}.items()}


def _shortage(name: str, amount: Decimal, nodes: Sequence[Object]) -> str:
    largest = max(pools.allocatable(node).get(name, Decimal(0)) for node in nodes)
    return f"each requests {pools.amount(name, amount)} {name}, the largest node has {pools.amount(name, largest)}"
