"""One study measures on a node at a time: a Lease (coordination.k8s.io) for each node, held while a trial measures.

It is owned by the trial's anchor where both are in one namespace, renewed as long as this tuner lives, and expires
where it does not. Whoever finds one that is held waits until it is let go. Nodes are taken in the order of their names,
so that two studies never wait for each other. All trials of one process hold their leases together: what it starts side
by side (`tune compare`) is its own affair. Workers of one study are processes of their own, so that of trials beside each
other (`tune run --parallel`) one measures on a node at a time, too.

Another Lease is such a study's turn: one of its trials at a time gets nodes for its pods, else each of two could have a
part of the room that either needs.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.refusals import NotAllowed, Refused
from tuner.backends.kubernetes.client.resources import LEASES, Object
from tuner.backends.kubernetes.trial.objects import MANAGED_BY, MANAGER, STUDY, slug
from tuner.errors import BackendFailure, EnvironmentFailure
from tuner.manifests.kinds.model import at, mapping
from tuner.units import format_seconds

_LIVES_S = 30
_RENEWED_EVERY_S = 8.0
_LOOKED_AGAIN_AFTER_S = 1.0
_MOST_WAIT_S = 1800.0
"""Longer than any trial measures: another study lets go between its trials."""
_PROCESS = secrets.token_hex(8)

_held: Counter[tuple[str, str, str]] = Counter()
"""Of this process: (API server, namespace, name) -> how many of its trials hold it."""
_lock = threading.Lock()


class NodeLeases:
    """Taken once, when the nodes are known; let go once."""

    def __init__(
        self,
        api: Api,
        *,
        namespace: str,
        study: str,
        owner: Mapping[str, Any] | None = None,
        most_wait_s: float = _MOST_WAIT_S,
        lives_s: int = _LIVES_S,
        holder: str = _PROCESS,
    ) -> None:
        """`namespace`: where the leases are, one for all studies that are to know of each other. `study`: as others are
        told who holds it. `owner`: an owner reference, of that namespace. `holder`: who holds it, one a tuner.
        """
        self._api = api
        self._namespace = namespace
        self._study = study
        self._owner = owner if namespace == api.namespace else None
        self._most_wait_s = most_wait_s
        self._lives_s = lives_s
        self._holder = holder
        self._names: list[str] = []
        self._stop = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="node leases", daemon=True)
        self.note = ""
        """Why the nodes are not held, where they cannot be."""

    def take(self, nodes: Iterable[str], tell: Callable[[str], None]) -> None:
        """Wait until nobody else holds the nodes, and hold them; `tell` hears for whom is waited.

        Raises BackendFailure where another study does not let go.
        """
        with self._allowed("another study may measure on the same nodes meanwhile"):
            for node in sorted(set(nodes)):
                self._take(lease_name(node), f"node {node} is measured on", f"has measured on node {node}", tell)

    def take_turn(self) -> None:
        """Wait until no other trial of the study waits for nodes, and be the one that does.

        Raises BackendFailure where another does not let go.
        """
        name = f"tuner-turn-{slug(self._study)}"
        with self._allowed("two trials may each get a part of the nodes that either needs"):
            self._take(name, "nodes are waited for", "has nodes for another trial", lambda _: None)

    def close(self) -> None:
        self.let_go()

    def let_go(self) -> None:
        """What cannot be deleted expires."""
        self._stop.set()
        if self._renewing.is_alive():
            self._renewing.join(timeout=5.0)
        while self._names:
            name = self._names.pop()
            with _lock:
                _held[self._key(name)] -= 1
                last = _held[self._key(name)] <= 0
            if last:
                with suppress(EnvironmentFailure):
                    self._delete(name)

    # inside

    @contextmanager
    def _allowed(self, otherwise: str) -> Iterator[None]:
        """Without the rights to hold a lease that is noted, and what may happen."""
        try:
            yield
        except NotAllowed as refused:
            self.note = f"{otherwise}: {refused}"
        except Refused as refused:
            if refused.status not in (403, 404):
                raise
            self.note = f"{otherwise}: {refused}"
        if self._names:
            self._renewing.start()

    def _take(self, name: str, held: str, until: str, tell: Callable[[str], None]) -> None:
        """`held` and `until`: what whoever has it does, and what it will have done, in words."""
        end, told = time.monotonic() + self._most_wait_s, ""
        while (by := self._try(name)) is not None:
            if time.monotonic() > end:
                wait = format_seconds(self._most_wait_s)
                raise BackendFailure(f"{held} by {by}, which did not let go of it within {wait}")
            if told != by:
                told = by
                tell(f"wait until {by} {until}")
            time.sleep(_LOOKED_AGAIN_AFTER_S)
        self._names.append(name)
        with _lock:
            _held[self._key(name)] += 1

    def _try(self, name: str) -> str | None:
        """Who else holds it; None: it is ours now."""
        there = self._get(name)
        try:
            if there is None:
                self._call("POST", "", self._lease(name))
                return None
            holder = str(at(there, ("spec", "holderIdentity")) or "")
            if holder and holder != self._holder and not expired(there, self._api.now()):
                return f"study {mapping(there, ('metadata', 'labels')).get(STUDY, holder)}"
            version = there["metadata"]["resourceVersion"]
            self._call("PUT", name, self._lease(name, version))
        except Refused as refused:
            if refused.status == 409:  # somebody was faster: look again
                return self._try(name)
            raise
        return None

    def _renew(self) -> None:
        while not self._stop.wait(min(_RENEWED_EVERY_S, self._lives_s / 3)):
            for name in tuple(self._names):
                with suppress(EnvironmentFailure):  # the next one may get through
                    self._try(name)

    def _lease(self, name: str, version: str | None = None) -> Object:
        now = self._api.now().isoformat(timespec="microseconds").replace("+00:00", "Z")
        labels = {MANAGED_BY: MANAGER, STUDY: self._study}
        metadata: Object = {"name": name, "namespace": self._namespace, "labels": labels}
        if version is not None:
            metadata["resourceVersion"] = version
        if self._owner is not None:
            metadata["ownerReferences"] = [dict(self._owner)]
        spec = {"holderIdentity": self._holder, "leaseDurationSeconds": self._lives_s, "renewTime": now}
        return {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}

    def _get(self, name: str) -> Object | None:
        try:
            return self._call("GET", name)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def _delete(self, name: str) -> None:
        there = self._get(name)
        if there is not None and at(there, ("spec", "holderIdentity")) == self._holder:
            version = there["metadata"]["resourceVersion"]
            self._call("DELETE", name, {"preconditions": {"resourceVersion": version}})

    def _call(self, method: str, name: str, body: Object | None = None) -> Object:
        path = LEASES.path(self._namespace, name)
        return self._api.call(method, path, body=body, what=f"Lease {name or lease_name('')} of {self._namespace}")

    def _key(self, name: str) -> tuple[str, str, str]:
        return self._api.server, f"{self._namespace}/{self._holder}", name


def lease_name(node: str) -> str:
    """Of the Lease that stands for a node."""
    return f"tuner-node-{node}"


def expired(lease: Mapping[str, Any], now: datetime) -> bool:
    """Whether its holder has not renewed it in time; one that says nothing of that has expired."""
    try:
        renewed = datetime.fromisoformat(str(at(lease, ("spec", "renewTime"))))
        lives_s = float(at(lease, ("spec", "leaseDurationSeconds")))
    except (TypeError, ValueError):
        return True
    return (now - renewed).total_seconds() > lives_s
