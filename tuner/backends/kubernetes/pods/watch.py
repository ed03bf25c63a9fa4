"""One watch of a workload: its pods, the events about them and the object itself; when something wrong is certain.

Trials, rollouts and the load generator's own pod are all waited for by it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self, cast

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.feed import Feed, wait_until
from tuner.backends.kubernetes.client.resources import EVENTS, PODS, ApiResource, Object
from tuner.backends.kubernetes.pods import diagnosis
from tuner.backends.kubernetes.pods.diagnosis import WorkloadFault
from tuner.errors import BackendFailure
from tuner.units import format_seconds

_LOOKED_AT_LEAST_EVERY_S = 0.5
_MAY_PASS_WITHIN_S = 2.5
"""The scheduler and the quota learn a moment late that other pods are gone."""


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
    ) -> None:
        """`pods` is the selector of the pods, of which those that `counts` names can have a fault; `name` is the
        workload's, and its objects' names begin with it; `workload` None: it says nothing of its pods. `since`, on the
        API server's clock: events from before are another's. `excused`: faults that somebody else puts right.
        """
        self._api = api
        self._name, self._since = name, since
        self._counts, self._excused = counts, excused
        self._may_pass_within_s = may_pass_within_s
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
        """What keeps the pods from serving for good. Room that pods on their way out take is still to come."""
        found = self.fault()
        leaving = any(pod["metadata"].get("deletionTimestamp") for pod in self.pods())
        if found is None or self._excused(found) or (found.may_pass and leaving):
            self._first_seen.clear()
            return None
        since = self._first_seen.setdefault(found.kind, time.monotonic())
        return None if found.may_pass and time.monotonic() - since < self._may_pass_within_s else found

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

    def _counted(self) -> list[Object]:
        return [pod for pod in self.pods() if self._counts(pod)]
