"""One watch of a workload: its pods, the events about them and the object itself; when something wrong is certain.

Trials, rollouts and the load generator's own pod are all waited for by it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Self, cast

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.feed import Feed, wait_until
from tuner.backends.kubernetes.client.resources import EVENTS, NODES, PODS, ApiResource, Object
from tuner.backends.kubernetes.pods import diagnosis
from tuner.backends.kubernetes.pods.awaited import Awaited, autoscaler_refuses, awaited
from tuner.backends.kubernetes.pods.diagnosis import WorkloadFault
from tuner.backends.kubernetes.pods.pools import shortened
from tuner.errors import BackendFailure, EnvironmentFailure
from tuner.manifests.kinds.model import at
from tuner.units import format_seconds

_LOOKED_AT_LEAST_EVERY_S = 0.5
_MAY_PASS_WITHIN_S = 2.5
"""The scheduler and the quota learn a moment late that other pods are gone."""
_AUTOSCALER_SPEAKS_WITHIN_S = 12.0
"""It looks for pods without a node every ten seconds; what it has not spoken of by then fits nowhere."""
_MADE_WITHIN_S = 60.0
"""Who makes pods tries again within that, once the API server is back or a webhook answers again."""
_NODES_SEEN_EVERY_S = 2.0
_WHILE_WAITING = frozenset({"Unschedulable", "RolloutStuck"})
"""Faults that are none while the pods wait for what may come."""


class Watch:
    """From when it is made until it is closed; what was seen last can be asked for afterwards, too."""

    def __init__(
        self,
        api: Api,
        *,
        pods: str,
        name: str,
        workload: ApiResource | None = None,
        since: str = "",
        counts: Callable[[Object], bool] = lambda _: True,
        excused: Callable[[WorkloadFault], bool] = lambda _: False,
        may_pass_within_s: float = _MAY_PASS_WITHIN_S,
        made_within_s: float = _MADE_WITHIN_S,
        autoscaler_speaks_within_s: float = _AUTOSCALER_SPEAKS_WITHIN_S,
    ) -> None:
        """`pods` is the selector of the pods, of which those that `counts` names can have a fault; `name` is the
        workload's, and its objects' names begin with it; `workload` None: it says nothing of its pods. `since`, on the
        API server's clock: events from before are another's. `excused`: faults that somebody else puts right. For a
        node that an autoscaler may add there is patience of its own, until that speaks.
        """
        self._api = api
        self._name, self._since = name, since
        self._counts, self._excused = counts, excused
        self._may_pass_within_s, self._made_within_s = may_pass_within_s, made_within_s
        self._autoscaler_speaks_within_s = autoscaler_speaks_within_s
        self._nodes_seen: tuple[float, list[Object]] = (-math.inf, [])
        self._first_seen: dict[str, float] = {}
        self._changed = threading.Condition()
        with ExitStack() as feeds:
            self._pods = feeds.enter_context(Feed(api, PODS, self._changed, labels=pods))
            self._events = feeds.enter_context(Feed(api, EVENTS, self._changed))
            self._workload = (
                feeds.enter_context(Feed(api, workload, self._changed, fields=f"metadata.name={name}"))
                if workload is not None
                else None
            )
            self._feeds = feeds.pop_all()

    def pods(self) -> list[Object]:
        """All of them, in order. Raises the failure that ended the watch, as all that follows does."""
        return diagnosis.in_order(self._pods.objects())

    def events(self) -> list[Object]:
        return diagnosis.about(self._events.objects(), self.pods(), name=self._name, since=self._since)

    def workload(self) -> Object | None:
        return next(iter(self._workload.objects()), None) if self._workload is not None else None

    def fault(self) -> WorkloadFault | None:
        """What is wrong at the moment; it may pass."""
        return diagnosis.fault(self._counted(), self.events(), self.workload())

    def certain_fault(self) -> WorkloadFault | None:
        """What keeps the pods from serving for good. Room that pods on their way out take is still to come, and so is
        what `awaited` names.
        """
        pods, events = self._counted(), self.events()
        leaving = any(pod["metadata"].get("deletionTimestamp") for pod in self.pods())
        now, seen = time.monotonic(), dict[str, float]()
        certain: WorkloadFault | None = None
        for found in diagnosis.faults(pods, events, self.workload()):
            if self._excused(found) or (found.may_pass and leaving):
                continue
            if found.kind in _WHILE_WAITING and self.awaited() is not None:
                continue
            seen[found.kind] = self._first_seen.get(found.kind, now)
            if not found.may_pass or now - seen[found.kind] >= self._patience_s(found, pods, events):
                certain = self._explained(found, pods, events)
                break
        self._first_seen = seen
        return certain

    def awaited(self) -> Awaited | None:
        """What the pods wait for that may still come."""
        pods = self._counted()
        if all(at(pod, ("spec", "nodeName")) for pod in pods):
            return awaited(pods, self.events(), ())
        return awaited(pods, self.events(), self.nodes())

    def nodes(self) -> list[Object]:
        """As they were a moment ago; empty where they cannot be read."""
        if time.monotonic() - self._nodes_seen[0] > _NODES_SEEN_EVERY_S:
            try:
                found = self._api.items(NODES)
            except EnvironmentFailure:
                found = []
            self._nodes_seen = (time.monotonic(), found)
        return self._nodes_seen[1]

    def wait[T](self, look: Callable[[], T | None], until: float) -> T | WorkloadFault | None:
        """What `look` finds, or the first fault that is certain; None after the instant `until` (monotonic clock)."""

        def found_or_fault() -> T | WorkloadFault | None:
            found = look()
            return found if found is not None else self.certain_fault()

        found = wait_until(self._changed, found_or_fault, until, _LOOKED_AT_LEAST_EVERY_S)
        return cast("T | WorkloadFault | None", found)

    def last_words(self, wanted: int | None = None) -> str:
        """Why pods are not ready yet. `wanted` None: as many as there are."""
        pods = self._counted()
        return diagnosis.last_words(pods, self.events(), len(pods) if wanted is None else wanted)

    def raise_if_away(self, longer_than_s: float) -> None:
        """Raises BackendFailure when the API server has not answered for longer than this."""
        feeds = [self._pods, self._events, *([self._workload] if self._workload is not None else [])]
        away_s = max(feed.away_s for feed in feeds)
        if away_s > longer_than_s:
            raise BackendFailure(f"the API server at {self._api.server} has not answered for {format_seconds(away_s)}")

    def close(self) -> None:
        self._feeds.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _patience_s(self, found: WorkloadFault, pods: list[Object], events: list[Object]) -> float:
        if found.kind == "NotMade":
            return self._made_within_s
        if found.kind != "Unschedulable" or autoscaler_refuses(pods, events) is not None:
            return self._may_pass_within_s
        return max(self._may_pass_within_s, self._autoscaler_speaks_within_s)

    def _explained(self, found: WorkloadFault, pods: list[Object], events: list[Object]) -> WorkloadFault:
        """What an autoscaler has to say of it, too."""
        if found.kind != "Unschedulable":
            return found
        refuses = autoscaler_refuses(pods, events)
        silent = f"no autoscaler spoke of it within {format_seconds(self._autoscaler_speaks_within_s)}"
        said = silent if refuses is None else f"the autoscaler adds no node: {shortened(refuses)}"
        return replace(found, reason=f"{found.reason}; {said}")

    def _counted(self) -> list[Object]:
        return [pod for pod in self.pods() if self._counts(pod)]
