"""One readiness probe, as the kubelet does it: HTTP GET answered 200 to 399, or a TCP connect."""

from __future__ import annotations

import socket

from tuner.backends.process.ports import LOOPBACK

_TIMEOUT_S = 1.0
_SHOWN = 200


def probe(port: int, http_path: str | None) -> str | None:
    """None: ready. Otherwise what was answered instead, in words."""
    if http_path is not None:
        return _http(port, http_path)
    try:
        socket.create_connection((LOOPBACK, port), timeout=_TIMEOUT_S).close()
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return None


def _http(port: int, path: str) -> str | None:
    import httpx  # slow to import, and not needed to check a search space

    url = f"http://{LOOPBACK}:{port}/{path.removeprefix('/')}"
    try:
        # no proxy of the user's stands between this machine and itself
        answer = httpx.get(url, timeout=_TIMEOUT_S, headers={"Connection": "close"}, trust_env=False)
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if 200 <= answer.status_code < 400:
        return None
    return f"status {answer.status_code} with {answer.text[:_SHOWN]!r}"
