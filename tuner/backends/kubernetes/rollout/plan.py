"""What applying one object would change, as the API server itself says beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.refusals import Refused
from tuner.backends.kubernetes.client.resources import ApiResource, Object
from tuner.backends.kubernetes.rollout import changes
from tuner.backends.kubernetes.rollout.changes import Conflict


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object of the manifest, and what becomes of the one that is live."""

    resource: ApiResource
    wanted: Object
    live: Object | None
    """None: there is none yet."""
    after: Object
    """What the API server's dry run made of it."""
    conflicts: tuple[Conflict, ...]
    diff: str
    """Empty: nothing changes."""

    @property
    def name(self) -> str:
        return str(self.wanted["metadata"]["name"])

    def __str__(self) -> str:
        return f"{self.resource.kind} {self.name}"


def change_of(api: Api, resource: ApiResource, obj: Object, ignoring: Sequence[str]) -> Change:
    """By a server-side dry run. Raises Refused where it would be refused. `ignoring`: annotations of no interest."""
    live = api.get(resource, obj["metadata"]["name"])
    found: tuple[Conflict, ...] = ()
    try:
        after = api.apply(resource, obj, dry_run=True)
    except Refused as refused:
        if refused.status != 409 or live is None:
            raise
        found = changes.conflicts(refused.message)
        after = api.apply(resource, obj, dry_run=True, force=True)
    return Change(
        resource=resource,
        wanted=obj,
        live=live,
        after=after,
        conflicts=found,
        diff=changes.unified(live, after, ignoring),
    )
