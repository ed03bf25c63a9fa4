"""Addresses of stores: made to mean the same everywhere, and shown without their credentials."""

from __future__ import annotations

import re
from pathlib import Path

_USER_INFO = re.compile(r"(?<=://)[^/\s'\"?#]*@")
_QUERY = re.compile(r"(?i)((?:password|passwd|pwd|secret|token|key|signature)=)[^&\s'\"]+")
_SQLITE = "sqlite:///"


def masked(text: str) -> str:
    """`text` with the user and password of every URL in it (and secret query values) replaced by ``***``."""
    return _QUERY.sub(r"\1***", _USER_INFO.sub("***@", text))


def absolute(uri: str) -> str:
    """`uri` with a relative SQLite path made absolute (from the working folder); any other as it is."""
    path, question, query = uri.removeprefix(_SQLITE).partition("?")
    if not uri.startswith(_SQLITE) or path in ("", ":memory:") or path.startswith("file:"):
        return uri
    return f"{_SQLITE}{Path(path).absolute()}{question}{query}"


def sqlite_file(uri: str) -> Path | None:
    """The file of an absolute SQLite address; None for any other store."""
    if not uri.startswith(f"{_SQLITE}/"):
        return None
    return Path(uri.removeprefix(_SQLITE).partition("?")[0])
