"""Addresses of stores and trackers may hold credentials: those are used, never shown and never stored."""

from __future__ import annotations

import re

_URL = re.compile(r"([A-Za-z][A-Za-z0-9.-]*(?:\+[A-Za-z0-9.-]+)?)://(\S*)")
_QUERY = re.compile(
    r"(?i)((?:password|passwd|pwd|pass|secret|token|key|signature|sig|auth|credentials?|session)=)"
    r"[^&\s]+?(?=[\"'),;\]}]*(?:[&\s]|\Z))"
)
_END = re.compile(r"[/?#'\"]")
_DATABASES = frozenset(
    (
        "postgresql",
        "postgres",
        "mysql",
        "mariadb",
        "mssql",
        "oracle",
        "cockroachdb",
        "redis",
        "rediss",
        "amqp",
        "mongodb",
    )
)


def masked(text: str) -> str:
    """`text` with the user and password of every URL in it (and secret query values) replaced by ``***``.

    A password may hold any character, also those that end a URL's authority: what users paste is seldom encoded.
    """
    return _QUERY.sub(r"\1***", _URL.sub(_without_user, text))


def _without_user(found: re.Match[str]) -> str:
    scheme, rest = found[1], found[2]
    if "@" not in rest:
        return found[0]
    ended = _END.search(rest)
    authority = rest[: ended.start()] if ended else rest
    if scheme.lower().partition("+")[0] in _DATABASES or (ended and _broken_off(authority, rest[ended.start()])):
        return f"{scheme}://***@{rest.rpartition('@')[2]}"
    if "@" not in authority:
        return found[0]
    return f"{scheme}://***@{authority.rpartition('@')[2]}{rest[len(authority) :]}"


def _broken_off(authority: str, mark: str) -> bool:
    """Whether what looks like an authority is the beginning of user:password, cut by a mark within the password."""
    if "@" in authority:
        return False
    host, colon, port = authority.rpartition(":")
    return bool(colon and host and (not port.isdigit() or mark in "'\"?#") and not authority.endswith("]"))
