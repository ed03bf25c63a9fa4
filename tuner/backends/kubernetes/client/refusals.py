"""What the API server refuses, in words, and whether it will pass."""

from __future__ import annotations

import json
import re

from kubernetes.client.exceptions import ApiException

from tuner.errors import BackendFailure, EnvironmentFailure

_BUSY = frozenset({429, 502, 503, 504})
_PASSING = re.compile(
    r"etcdserver|failed calling|connection refused|deadline exceeded|did not complete within|has been modified"
    r'|unable to (?:return a response|handle the request)|re\)initializing|\b(?:Get|Post|Put|Patch|Delete) "?https?://'
)
"""The API server, its store or a webhook was away or late, or two wrote at once: it will pass. Others, such as a value of
the wrong type in an apply, will not.
"""
_RBAC = re.compile(
    r'(?P<who>User "[^"]*") cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)


class NotAllowed(EnvironmentFailure):
    """The credentials do not carry this request: names the verb and the resource, and how to get the right to it."""


class Refused(BackendFailure):
    """The API server understood a request and refused it (admission, quota, validation, conflict, not found)."""

    def __init__(self, *, what: str, status: int, reason: str, message: str) -> None:
        self.status, self.reason, self.message = status, reason, message
        super().__init__(f"{what}: {message}")


def refusal(what: str, status: int, content: bytes) -> EnvironmentFailure:
    try:
        answer = json.loads(content)
        message, reason = str(answer.get("message") or ""), str(answer.get("reason") or "")
    except (ValueError, AttributeError):
        message, reason = content.decode(errors="replace").strip()[:500], ""
    if status == 401:
        return NotAllowed(f"{what}: the API server does not accept these credentials (401 {message})")
    if status == 403 and (match := _RBAC.search(message)):
        group = f" of {match['group']}" if match["group"] else ""
        scope = f"in namespace {match['namespace']}" if match["namespace"] else "at the cluster scope"
        return NotAllowed(
            f"{match['who']} may not {match['verb']} {match['resource']}{group} {scope}; `tune rbac` writes the Role "
            "that allows it"
        )
    return Refused(what=what, status=status, reason=reason, message=message or f"HTTP status {status}")


def will_pass(status: int, content: bytes) -> bool:
    return status in _BUSY or (status == 500 and passing(content.decode(errors="replace")))


def passing(message: str) -> bool:
    """Whether an error, as the API server or a client of it words it, tells that nobody judged what was asked."""
    return "denied the request" not in message and _PASSING.search(message) is not None


def handshake(error: ApiException) -> tuple[int, bytes]:
    """Status and body of an upgrade that the API server refused, from the websocket library's text."""
    text = str(error.reason)
    match = re.search(r"Handshake status (\d+)", text)
    return (int(match[1]) if match else 0), text.rpartition("-+-+- ")[2].encode()
