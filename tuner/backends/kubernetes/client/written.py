"""What a container writes, line by line, from its first to its last, whatever breaks the connection meanwhile."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

import urllib3

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.refusals import Refused
from tuner.backends.kubernetes.client.resources import PODS

_SILENT_S = 60.0
"""A silence longer than that may be a connection that died: it is asked for again."""
_PAUSE_S = 0.5
_FRACTION = re.compile(r"\.(\d+)")

_Stamp = tuple[datetime, int]
"""To the second, and nanoseconds."""
_BEGIN: _Stamp = (datetime.min.replace(tzinfo=UTC), 0)


def lines(api: Api, pod: str, container: str, is_over: Callable[[], bool]) -> Iterator[str]:
    """Until the container is over, or its log is gone. `is_over` is asked between connections.

    Each line comes once: it is known by its time, to the nanosecond, which the cluster's own runtime wrote before it.
    Raises NotAllowed, and what `is_over` raises.
    """
    last = _BEGIN
    while True:
        over = is_over()
        try:
            for stamp, line in _since(api, pod, container, last):
                yield line
                last = stamp
        except Refused as refused:  # not begun yet; or the pod is gone
            if refused.status == 404:
                return
        except (urllib3.exceptions.HTTPError, OSError):
            over = False
        if over:
            return
        time.sleep(_PAUSE_S)


def _since(api: Api, pod: str, container: str, last: _Stamp) -> Iterator[tuple[_Stamp, str]]:
    """Times and lines after the time `last`, as long as the connection holds."""
    query = {"container": container, "follow": "true", "timestamps": "true"}
    if last != _BEGIN:
        query["sinceTime"] = last[0].strftime("%Y-%m-%dT%H:%M:%SZ")
    stream = api.stream(PODS.path(api.namespace, pod, "log"), query, what=f"the log of {pod}", silent_s=_SILENT_S)
    try:
        rest = b""
        while piece := stream.read1():
            *whole, rest = (rest + piece).split(b"\n")
            yield from _told(whole, last)
        if rest:  # the last words may end without an end of line
            yield from _told([rest], last)
    finally:
        stream.close()


def _told(written: Iterable[bytes], last: _Stamp) -> Iterator[tuple[_Stamp, str]]:
    for line in written:
        stamp, _, text = line.decode(errors="replace").partition(" ")
        read = _read(stamp)
        if read is not None and read > last:
            yield read, text


def _read(stamp: str) -> _Stamp | None:
    """Of RFC 3339, in whatever zone the node has. None: it is no time, for it is the node that speaks, and not the container
    (``unable to retrieve container logs for ...``, of one that is gone)."""
    try:
        second = datetime.fromisoformat(_FRACTION.sub("", stamp)).astimezone(UTC)
    except ValueError:
        return None
    fraction = _FRACTION.search(stamp)
    return second, int(fraction[1].ljust(9, "0")[:9]) if fraction else 0
