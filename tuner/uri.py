"""Addresses of stores and trackers may hold credentials: those are used, never shown and never stored."""

from __future__ import annotations

import re

_USER_INFO = re.compile(r"(?<=://)[^/\s'\"?#]*@")
_QUERY = re.compile(r"(?i)((?:password|passwd|pwd|secret|token|key|signature)=)[^&\s'\"]+")


def masked(text: str) -> str:
    """`text` with the user and password of every URL in it (and secret query values) replaced by ``***``."""
    return _QUERY.sub(r"\1***", _USER_INFO.sub("***@", text))
