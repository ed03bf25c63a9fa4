"""A trial's end: everything it holds is deleted, and its pods are waited for until they are really gone.

The pods serve nobody any more, so each is deleted with a grace period of its own: one given when their Deployment is
deleted does not reach them, and one in the pod template would alter the manifest that is measured.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.feed import Feed, wait_until
from tuner.backends.kubernetes.client.refusals import NotAllowed, Refused
from tuner.backends.kubernetes.client.resources import (
    DEPLOYMENTS,
    JOBS,
    NODES,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    ApiResource,
    Object,
)
from tuner.backends.kubernetes.trial.anchor import Holding, owner_of
from tuner.errors import BackendFailure, EnvironmentFailure
from tuner.manifests.kinds.model import at, mappings

_GRACE_S = 1
"""The shortest that waits for the node's word; with 0 the object goes and the processes may live on."""
_FORCED_AFTER_S = 10.0
"""For so long a node that does not answer may come back and end its pods itself: it was away for longer before."""
_GIVEN_UP_AFTER_S = 180.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0
_MAKERS = (DEPLOYMENTS, STATEFUL_SETS, REPLICA_SETS)
"""Whoever would make new pods, from the top down: an operator's own among them."""


def remove(api: Api, holding: Holding) -> None:
    """Raises BackendFailure when the pods do not go.

    Whoever makes the pods is deleted without its dependents: else the cluster's garbage collector would delete the pods
    with their own grace period, and a node that has begun to wait for that long does not stop waiting.
    """
    makers = _makers_left(api, holding)
    pods = api.items(PODS, labels=holding.pods)
    if not any(_is(holding, maker, found) for maker, found in makers):
        _adopt(api, holding, makers)
        _delete_workload(api, holding)  # an operator's object: first, or it would make anew what is deleted
    for maker, found in makers:
        api.delete(maker, found["metadata"]["name"], propagation="Orphan")
    for pod in pods:
        api.delete(PODS, pod["metadata"]["name"], grace_s=_GRACE_S)
    changed = threading.Condition()
    with Feed(api, PODS, changed, labels=holding.pods) as feed:
        api.delete(JOBS, holding.anchor)
        _until_gone(api, feed, changed, holding)


def _is(holding: Holding, resource: ApiResource, found: Object) -> bool:
    return (resource.kind, found["metadata"]["name"]) == (holding.kind, holding.name)


def _adopt(api: Api, holding: Holding, makers: list[tuple[ApiResource, Object]]) -> None:
    """What an operator made becomes the anchor's: else the collector, once the operator's object is deleted, may come
    to its pods before we do. Without the right to it that race is run.
    """
    anchor = api.get(JOBS, holding.anchor)
    owners = [] if anchor is None else [owner_of(anchor)]
    for maker, found in makers:
        if maker is not REPLICA_SETS:
            with suppress(NotAllowed, Refused):
                api.merge(maker, found["metadata"]["name"], {"metadata": {"ownerReferences": owners}})


def _delete_workload(api: Api, holding: Holding) -> None:
    try:
        api.delete(api.resource(holding.api_version, holding.kind), holding.name)
    except Refused as refused:
        if refused.status != 404:
            raise


def _until_gone(api: Api, feed: Feed, changed: threading.Condition, holding: Holding) -> None:
    """Pods that come after the first were told to go are told so too, but ever less often: a controller that has not
    heard yet (after the API server was away that takes it a minute) makes a new one for each.
    """
    begin = time.monotonic()
    next_pass, pause_s = begin, _FIRST_PAUSE_S
    force_at, give_up_at = begin + _FORCED_AFTER_S, begin + _GIVEN_UP_AFTER_S

    def look() -> list[Object] | None:
        """Pods to be told to go; empty: all are gone."""
        pods = feed.objects()
        if not pods:
            return []
        return ([pod for pod in pods if _lingers(pod)] or None) if time.monotonic() >= next_pass else None

    while True:
        found = wait_until(changed, look, min(force_at, give_up_at), _FIRST_PAUSE_S)
        if time.monotonic() >= force_at:
            _force(api, feed)
            force_at += _FORCED_AFTER_S
        if found is None and time.monotonic() < give_up_at:
            continue
        if found is None:
            names = ", ".join(pod["metadata"]["name"] for pod in feed.objects())
            raise BackendFailure(f"pods of {holding.name} are still there after {_GIVEN_UP_AFTER_S:.0f} s: {names}")
        left = _makers_left(api, holding)
        if not found and not left and not api.items(PODS, labels=holding.pods):
            return
        for maker, one in left:  # made by an operator that had not heard yet, or still being collected
            if not one["metadata"].get("deletionTimestamp"):
                api.delete(maker, one["metadata"]["name"], propagation="Orphan")
        for pod in found:
            api.delete(PODS, pod["metadata"]["name"], grace_s=_GRACE_S)
        if time.monotonic() > give_up_at:
            names = ", ".join(f"{maker.kind} {one['metadata']['name']}" for maker, one in left)
            raise BackendFailure(f"{names or holding.name} is still there after {_GIVEN_UP_AFTER_S:.0f} s")
        if found:
            next_pass = time.monotonic() + pause_s
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        else:
            time.sleep(0.05)


def _makers_left(api: Api, holding: Holding) -> list[tuple[ApiResource, Object]]:
    return [(maker, one) for maker in _MAKERS for one in api.items(maker, labels=holding.pods)]


def _lingers(pod: Object) -> bool:
    """Not told to go yet, or with all the time it likes."""
    metadata = pod["metadata"]
    return not metadata.get("deletionTimestamp") or int(metadata.get("deletionGracePeriodSeconds") or 0) > _GRACE_S


def _force(api: Api, feed: Feed) -> None:
    """Pods of a node that is lost never go by themselves."""
    for pod in feed.objects():
        node = at(pod, ("spec", "nodeName"))
        if not node or not _answers(api, str(node)):
            api.delete(PODS, pod["metadata"]["name"], grace_s=0)


def _answers(api: Api, node: str) -> bool:
    try:
        found = api.get(NODES, node)
    except EnvironmentFailure:
        return True  # not ours to know: leave its pods to it
    conditions = {c.get("type"): c.get("status") for _, c in mappings(found, ("status", "conditions"))}
    return conditions.get("Ready") == "True"
