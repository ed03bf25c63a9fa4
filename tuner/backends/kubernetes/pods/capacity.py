"""Can these pods ever run in this namespace? By the nodes' allocatable resources, the quota and the limit ranges.

Pure: takes objects as the API gives them. What is free at the moment is the scheduler's matter: here only what can
never fit is refused. Taints are not looked at, since the pods may tolerate them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tuner.manifests.kinds.model import at, mapping, mappings
from tuner.manifests.model import Container, PodSet
from tuner.units import format_bytes, quantity

Object = Mapping[str, Any]

_QUOTA_KEYS = {"cpu": "requests.cpu", "memory": "requests.memory"}


def requests_of(pods: PodSet) -> Mapping[str, Decimal]:
    """What one pod requests, by resource."""
    amounts: dict[str, Decimal] = {}
    for container in pods.containers:
        for name, amount in container.requests.items():
            amounts[name] = amounts.get(name, Decimal(0)) + quantity(amount)
    return amounts


def no_room(pods: PodSet, nodes: Sequence[Object]) -> str | None:
    """Why the nodes can never hold these pods, in a sentence that begins as the scheduler's does; None: they can."""
    wanted = requests_of(pods)
    usable = [node for node in nodes if not at(node, ("spec", "unschedulable"))]
    if not usable:
        return "Insufficient nodes: the cluster has no node that pods may be scheduled on"
    room = _room(wanted, usable)
    if room >= pods.replicas:
        return None
    alone = [name for name, amount in wanted.items() if _room({name: amount}, usable) < pods.replicas]
    short = sorted(alone or wanted)
    details = "; ".join(_shortage(name, wanted[name], usable) for name in short)
    which = ", ".join(f"Insufficient {name}" for name in short)
    return f"{which}: {room} of {pods.replicas} pods fit on {len(usable)} node(s) ({details})"


def allocatable(nodes: Sequence[Object], names: Sequence[str]) -> str:
    """What the nodes have of some resources, in words."""
    return "; ".join(
        f"{at(node, ('metadata', 'name'))} has "
        + ", ".join(f"{_amount(name, _allocatable(node).get(name, Decimal(0)))} {name}" for name in names)
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
                    f"exceeds quota {name}: {pods.replicas} pods ask for {_amount(key, asked)} of {key}, "
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


def _fitting(wanted: Mapping[str, Decimal], node: Object) -> int:
    """How many such pods one empty node holds."""
    there = _allocatable(node)
    counts = [int(there.get(name, Decimal(0)) // amount) for name, amount in wanted.items() if amount > 0]
    return min([*counts, int(there.get("pods", Decimal(110)))])


def _room(wanted: Mapping[str, Decimal], nodes: Sequence[Object]) -> int:
    """How many such pods fit on these nodes when they are empty."""
    return sum(_fitting(wanted, node) for node in nodes)


def _allocatable(node: Object) -> dict[str, Decimal]:
    return {name: quantity(str(amount)) for name, amount in mapping(node, ("status", "allocatable")).items()}


def _shortage(name: str, amount: Decimal, nodes: Sequence[Object]) -> str:
    largest = max(_allocatable(node).get(name, Decimal(0)) for node in nodes)
    return f"each requests {_amount(name, amount)} {name}, the largest node has {_amount(name, largest)}"


def _amount(name: str, amount: Decimal) -> str:
    if "memory" in name or "storage" in name:
        return format_bytes(float(amount))
    return f"{amount.normalize():f}"
