"""The way back: an object that was applied becomes what it was before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.backends.kubernetes.client.api import FIELD_MANAGER, Api
from tuner.backends.kubernetes.client.refusals import Refused
from tuner.backends.kubernetes.client.resources import Object
from tuner.backends.kubernetes.rollout import changes
from tuner.backends.kubernetes.rollout.plan import Change
from tuner.errors import BackendFailure
from tuner.manifests.kinds.model import mappings

_TRIES = 5
"""Where others' writes come in between."""


def take_back(api: Api, change: Change) -> str:
    """What became of it, in words. Raises EnvironmentFailure."""
    if change.live is None:
        there = api.get(change.resource, change.name)
        if there is None:
            return f"{change} is not there, as before"
        if not _applied_by_us(there):
            return f"{change} was left alone: somebody else made it meanwhile"
        api.delete(change.resource, change.name)
        return f"{change} was deleted: there was none before"
    for _ in range(_TRIES):
        there = api.get(change.resource, change.name)
        if there is None:
            return f"{change} was deleted by somebody else and stays so; it was saved before"
        try:
            _patch_back(api, change, there)
        except Refused as refused:
            if refused.status != 409:
                raise
            continue  # written by somebody else between the two
        return f"{change} is as it was before"
    raise BackendFailure(f"{change} is written by others all the time")


def _patch_back(api: Api, change: Change, there: Object) -> None:
    """First the values; then who they belong to, which a patch that also changes values would get wrong."""
    assert change.live is not None  # noqa: S101 - the caller's
    name, live = change.name, change.live
    patch = changes.back(there, live)
    if patch:
        version = there["metadata"]["resourceVersion"]
        patch["metadata"] = {**patch.get("metadata", {}), "resourceVersion": version}
        there = api.merge(change.resource, name, patch)
    owners = live["metadata"].get("managedFields")
    if owners:
        kept = [e for e in there["metadata"].get("managedFields") or () if e.get("subresource")]
        restored = [*(e for e in owners if not e.get("subresource")), *kept]
        version = there["metadata"]["resourceVersion"]
        api.merge(change.resource, name, {"metadata": {"managedFields": restored, "resourceVersion": version}})


def _applied_by_us(obj: Mapping[str, Any]) -> bool:
    return any(entry.get("manager") == FIELD_MANAGER for _, entry in mappings(obj, ("metadata", "managedFields")))
