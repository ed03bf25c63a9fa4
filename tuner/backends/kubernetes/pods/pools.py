"""Many nodes in few words: by the pools they belong to; and the scheduler's words about them, cut to what matters.

Pure: takes objects as the API gives them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tuner.manifests.kinds.model import at, mapping
from tuner.units import format_bytes, quantity

Object = Mapping[str, Any]

POOL_LABELS = (
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "alpha.eksctl.io/nodegroup-name",
    "karpenter.sh/nodepool",
    "kubernetes.azure.com/agentpool",
    "agentpool",
    "doks.digitalocean.com/node-pool",
    "node.kubernetes.io/instance-type",
)
"""Labels by which nodes of a kind are known, the first that a node has."""

_NAMED = 3
"""So many nodes are told one by one."""
_POOLS = 8
_LONGEST = 600
_REASONS = 6
_REASON = re.compile(r"(?:^|, )(\d+) (.*?)(?=, \d+ |$)", re.S)
_TAINT = re.compile(r"\{([^:}]+)(?::[^}]*)?\}")


def pool(node: Object) -> str:
    """The pool a node belongs to, in words; by its size where no label says more."""
    found = named(node)
    return f"pool {found}" if found is not None else f"nodes of {_size(node, ('cpu', 'memory'))}"


def named(node: Object) -> str | None:
    """The name of the pool a node belongs to; None: no label tells."""
    labels = mapping(node, ("metadata", "labels"))
    return next((str(labels[key]) for key in POOL_LABELS if labels.get(key)), None)


def allocatable(node: Object) -> dict[str, Decimal]:
    """What a node has for pods, by resource."""
    return {name: quantity(str(amount)) for name, amount in mapping(node, ("status", "allocatable")).items()}


def resources(nodes: Sequence[Object], names: Sequence[str]) -> str:
    """What nodes have of some resources, in words: of each, or by pool where there are many."""
    return by_pool(
        nodes, one=lambda node: f"{at(node, ('metadata', 'name'))} has {_size(node, names)}", names=tuple(names)
    )


def by_pool(nodes: Sequence[Object], *, one: Callable[[Object], str], names: Sequence[str]) -> str:
    """Each node as `one` tells it; where there are many, each pool with the most that a node of it has of `names`."""
    if len(nodes) <= _NAMED:
        return "; ".join(map(one, nodes))
    pools: dict[str, list[Object]] = {}
    for node in nodes:
        pools.setdefault(pool(node), []).append(node)
    largest = sorted(pools.items(), key=lambda item: (-len(item[1]), item[0]))
    told = [f"{len(of)} node(s) of {name} have up to {_most(of, names)}" for name, of in largest[:_POOLS]]
    left = largest[_POOLS:]
    if left:
        told.append(f"{sum(len(of) for _, of in left)} more in {len(left)} other pools")
    return "; ".join(told)


def shortened(message: str) -> str:
    """What the scheduler said, cut where it names hundreds of nodes and taints: like reasons are added up."""
    if len(message) <= _LONGEST:
        return message
    head, separator, rest = message.partition("nodes are available: ")
    if not separator:
        return _clipped(message)
    reasons: Counter[str] = Counter()
    first, _, _ = rest.partition(". ")  # after it comes what preempting other pods would not change either
    for number, reason in _REASON.findall(first.rstrip(".")):
        reasons[_TAINT.sub(r"{\1}", reason)] += int(number)
    if not reasons:
        return _clipped(message)
    told = [f"{number} {_clipped(reason, 120)}" for reason, number in reasons.most_common(_REASONS)]
    left = len(reasons) - len(told)
    more = [f"and {left} more reasons"] if left else []
    return f"{_clipped(head, 80)}{separator}{', '.join((*told, *more))}."


def amount(name: str, value: Decimal) -> str:
    """An amount of a resource, in its unit."""
    if "memory" in name or "storage" in name:
        return format_bytes(float(value))
    return f"{value.normalize():f}"


def _size(node: Object, names: Iterable[str]) -> str:
    there = allocatable(node)
    return ", ".join(f"{amount(name, there.get(name, Decimal(0)))} {name}" for name in names)


def _most(nodes: Sequence[Object], names: Iterable[str]) -> str:
    there = [allocatable(node) for node in nodes]
    return ", ".join(f"{amount(name, max(one.get(name, Decimal(0)) for one in there))} {name}" for name in names)


def _clipped(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
