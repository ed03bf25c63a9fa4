"""One readiness probe, as the kubelet does it: HTTP GET answered 200 to 399, or a TCP connect."""

from __future__ import annotations

import socket

from tuner.backends.process.container.ports import LOOPBACK

_TIMEOUT_S = 1.0
_SHOWN = 200


def probe(port: int, http_path: str | None, tls: bool = False) -> str | None:
    """None: ready. Otherwise what was answered instead, in words."""
    if http_path is not None:
        return _http(f"{'https' if tls else 'http'}://{LOOPBACK}:{port}/{http_path.removeprefix('/')}")
    try:
        socket.create_connection((LOOPBACK, port), timeout=_TIMEOUT_S).close()
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return None


def _http(url: str) -> str | None:
    import httpx  # slow to import, and not needed to check a search space

    try:
        # no proxy of the user's stands between this machine and itself; the kubelet verifies no certificates either
        closing = {"Connection": "close"}
        answer = httpx.get(url, timeout=_TIMEOUT_S, headers=closing, trust_env=False, verify=False)  # noqa: S501
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if 200 <= answer.status_code < 400:
        return None
    return f"status {answer.status_code} with {answer.text[:_SHOWN]!r}"
