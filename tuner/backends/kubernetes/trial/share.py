"""What the tuner's own objects take of the namespace's quotas and of the nodes, so that a trial never fails for them unsaid.

Pure: takes quotas as the API gives them. Quotas with a scope may not be about these pods, and are left to the cluster.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tuner.backends.kubernetes.pods.admitted import running_containers
from tuner.backends.kubernetes.pods.capacity import Beside
from tuner.manifests.kinds.model import at, mapping
from tuner.manifests.model import PodSet
from tuner.space.model import ClusterSpec
from tuner.units import format_bytes, quantity

Object = Mapping[str, Any]
Share = Mapping[str, Decimal]
"""By the entries of a quota (``requests.cpu``, ``pods``, ``count/jobs.batch``)."""

_ALIAS = {"cpu": "requests.cpu", "memory": "requests.memory", "jobs.batch": "count/jobs.batch", "pods": "count/pods"}
NOTHING: Share = {}


def of_load(pod: Object) -> Share:
    """The load generator's Job and its one pod, as it was admitted: with its side-cars, if it got any."""
    found = {"count/pods": Decimal(1), "count/jobs.batch": Decimal(1)}
    for container in running_containers(pod):
        for section in ("requests", "limits"):
            for name, amount in mapping(container, ("resources", section)).items():
                key = f"{section}.{name}"
                found[key] = found.get(key, Decimal(0)) + quantity(str(amount))
    return found


def of_pods(pods: PodSet) -> Share:
    """A trial's pods, its anchor, and the Service in front of them."""
    found = {"count/pods": Decimal(pods.replicas), "count/jobs.batch": Decimal(1), "services": Decimal(1)}
    for container in (*pods.containers, *pods.added):
        for section, amounts in (("requests", container.requests), ("limits", container.limits)):
            for name, amount in amounts.items():
                key = f"{section}.{name}"
                found[key] = found.get(key, Decimal(0)) + pods.replicas * quantity(amount)
    return found


def times(share: Share, number: int) -> Share:
    return {key: number * amount for key, amount in share.items()}


def on_nodes(load: Share, number: int, cluster: ClusterSpec) -> Beside | None:
    """So many load generators, as pods that need room beside the trials'; None: there are none, or they may be on nodes
    where no trial may."""
    here, theirs = cluster.node_selector, cluster.load_generator.node_selector
    if not load or not here.items() <= theirs.items():
        return None
    start = "requests."
    requests = {key.removeprefix(start): amount for key, amount in load.items() if key.startswith(start)}
    cpus = f"{requests.get('cpu', Decimal(0)).normalize():f} cpu"
    which = f"the load generator, which requests {cpus}" if number == 1 else f"{number} load generators of {cpus} each"
    return Beside(
        what=f"{which}, in the cluster (--load here sends from this machine)",
        requests=requests,
        number=number,
        node_selector=theirs,
    )


def less(quotas: Sequence[Object], share: Share) -> list[dict[str, Any]]:
    """The quotas as they are for whatever runs beside this share."""
    found = [copy.deepcopy(dict(quota)) for quota in quotas]
    for quota in filter(_is_about_all, found):
        for key, hard in mapping(quota, ("spec", "hard")).items():
            quota["spec"]["hard"][key] = str(quantity(str(hard)) - _of(share, key))
    return found


def told(quotas: Sequence[Object], share: Share) -> Iterator[str]:
    """``512 Mi of the 1 Gi of requests.memory in quota small``, where it takes any."""
    for quota in filter(_is_about_all, quotas):
        for key, hard in mapping(quota, ("spec", "hard")).items():
            if (part := _of(share, key)) and not key.startswith("count/") and key != "pods":
                name = at(quota, ("metadata", "name"))
                yield f"{_amount(key, part)} of the {_amount(key, quantity(str(hard)))} of {key} in quota {name}"


def short(quotas: Sequence[Object], *shares: Share) -> Iterator[str]:
    """Each entry of which less is free than these shares take together, in words."""
    for quota in filter(_is_about_all, quotas):
        used = mapping(quota, ("status", "used"))
        for key, hard in mapping(quota, ("spec", "hard")).items():
            free = quantity(str(hard)) - quantity(str(used.get(key, 0)))
            wanted = sum((_of(share, key) for share in shares), Decimal(0))
            if wanted > max(free, Decimal(0)):
                name = at(quota, ("metadata", "name"))
                yield (
                    f"quota {name} has {_amount(key, max(free, Decimal(0)))} of its {_amount(key, quantity(str(hard)))} "
                    f"of {key} left, {_amount(key, wanted)} are needed"
                )


def _of(share: Share, key: str) -> Decimal:
    return share.get(key) or share.get(_ALIAS.get(key, ""), Decimal(0))


def _is_about_all(quota: Object) -> bool:
    return not at(quota, ("spec", "scopes")) and not at(quota, ("spec", "scopeSelector"))


def _amount(key: str, amount: Decimal) -> str:
    return format_bytes(float(amount)) if "memory" in key or "storage" in key else f"{amount.normalize():f}"
