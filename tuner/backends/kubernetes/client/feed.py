"""Objects of one kind, kept as the cluster has them: listed once, then watched by a thread of its own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

import urllib3

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.refusals import NotAllowed
from tuner.backends.kubernetes.client.resources import ApiResource, Object
from tuner.errors import EnvironmentFailure

_RENEWED_EVERY_S = 60
"""The API server ends a watch after this time; a silence longer than that is a connection that died."""
_PAUSE_S = 0.2


class Feed:
    """`changed` is notified after every change, of this feed and of all others that share it."""

    def __init__(
        self,
        api: Api,
        resource: ApiResource,
        changed: threading.Condition,
        *,
        labels: str = "",
        fields: str = "",
        on_gone: Callable[[Object], None] = lambda _: None,
    ) -> None:
        """`on_gone` hears of an object that is deleted while it is watched, as it was last; `changed` is held then."""
        self._api, self._resource = api, resource
        self._labels, self._fields = labels, fields
        self._on_gone = on_gone
        self._changed = changed
        self._objects: dict[str, Object] = {}
        self._version = ""
        self._failure: EnvironmentFailure | None = None
        self._away_since: float | None = None
        self._stream: urllib3.BaseHTTPResponse | None = None
        self._closed = False
        self._list()
        self._thread = threading.Thread(target=self._run, name=f"watch {resource.plural}", daemon=True)
        self._thread.start()

    def objects(self) -> list[Object]:
        """Raises the failure that ended the watch (the API server away for too long, the right to it missing)."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            return list(self._objects.values())

    @property
    def away_s(self) -> float:
        """For how long the API server has not answered; 0: it does."""
        since = self._away_since
        return 0.0 if since is None else time.monotonic() - since

    def close(self) -> None:
        self._closed = True
        stream = self._stream
        if stream is not None:
            with suppress(Exception):  # it may end by itself this very moment
                stream.shutdown()
        self._thread.join(timeout=2.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _list(self) -> None:
        objects, self._version = self._api.items_at(self._resource, labels=self._labels, fields=self._fields)
        with self._changed:
            self._objects = {found["metadata"]["uid"]: found for found in objects}
            self._changed.notify_all()

    def _run(self) -> None:
        while not self._closed:
            try:
                self._watch()
            except NotAllowed as failure:
                self._fail(failure)
                return
            except (urllib3.exceptions.HTTPError, OSError, ValueError, EnvironmentFailure):
                self._away_since = self._away_since or time.monotonic()
            if self._closed:
                return
            try:
                if self._away_since is not None:
                    time.sleep(_PAUSE_S)
                self._list()
                self._away_since = None
            except EnvironmentFailure as failure:
                self._fail(failure)
                return

    def _watch(self) -> None:
        query = {
            "watch": "true",
            "resourceVersion": self._version,
            "labelSelector": self._labels,
            "fieldSelector": self._fields,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_RENEWED_EVERY_S),
        }
        path = self._resource.path(self._api.namespace)
        stream = self._api.stream(path, query, what=f"watching {self._resource.plural}", silent_s=_RENEWED_EVERY_S + 15)
        self._stream = stream
        try:
            rest = b""
            while not self._closed:
                piece = stream.read1()
                if not piece:
                    return
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if not self._take(json.loads(line)):
                        return
        finally:
            self._stream = None
            stream.close()

    def _take(self, event: Object) -> bool:
        """False: the watch has to start anew."""
        kind, found = event.get("type"), event.get("object") or {}
        if kind == "ERROR":
            return False
        metadata = found.get("metadata") or {}
        self._version = metadata.get("resourceVersion", self._version)
        if kind == "BOOKMARK":
            return True
        with self._changed:
            if kind == "DELETED":
                self._objects.pop(metadata["uid"], None)
                self._on_gone(found)
            else:
                self._objects[metadata["uid"]] = found
            self._changed.notify_all()
        return True

    def _fail(self, failure: EnvironmentFailure) -> None:
        with self._changed:
            self._failure = failure
            self._changed.notify_all()


def wait_until[T](
    changed: threading.Condition, look: Callable[[], T | None], until: float, at_least_every_s: float
) -> T | None:
    """What `look` finds as soon as it is not None; None after the instant `until` (monotonic clock).

    It is asked after every change, and now and then besides, for what depends on time.
    """
    while True:
        with changed:
            found = look()
            if found is not None:
                return found
            left = until - time.monotonic()
            if left <= 0:
                return None
            changed.wait(min(left, at_least_every_s))
