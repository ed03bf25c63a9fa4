"""How long pods took to start up: from when they had their node, volumes and images until they were ready.

What they waited for before is the cluster's time, not the server's, and is told apart. All by this machine's monotonic
clock: the cluster tells its times in whole seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.backends.kubernetes.pods.awaited import in_place
from tuner.backends.kubernetes.pods.diagnosis import is_ready
from tuner.manifests.kinds.model import at

Object = Mapping[str, Any]


class Startup:
    """Looks at a trial's pods as often as they change."""

    def __init__(self, made_at: float) -> None:
        """`made_at`: from when a pod counts that was never seen to wait."""
        self._made_at = made_at
        self._began: dict[str, float] = {}
        self._ready: dict[str, float] = {}

    def saw(self, pods: Sequence[Object], events: Sequence[Object], now: float) -> None:
        """`pods` are as they are at the instant `now`."""
        for pod in pods:
            uid = str(at(pod, ("metadata", "uid")))
            if not in_place(pod, events):
                self._began[uid] = now
            elif is_ready(pod):
                self._ready.setdefault(uid, now)
            else:
                self._ready.pop(uid, None)

    def took_s(self, pods: Sequence[Object], now: float) -> float:
        """The longest of these pods' start-ups, all of which are ready by now."""
        return max(
            (self._ready.get(uid, now) - self._began.get(uid, self._made_at) for uid in map(_uid, pods)), default=0.0
        )

    def waited_s(self, pods: Sequence[Object]) -> float:
        """The longest that one of them waited for what the cluster had to bring."""
        return max((self._began.get(uid, self._made_at) - self._made_at for uid in map(_uid, pods)), default=0.0)


def _uid(pod: Object) -> str:
    return str(at(pod, ("metadata", "uid")))
