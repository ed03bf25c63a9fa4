"""Addresses of MLflow stores, made to mean the same wherever they are used."""

from __future__ import annotations

from pathlib import Path

_SQLITE = "sqlite:///"


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


def sqlite_uri(file: Path) -> str:
    """The address of the store in a file."""
    return f"{_SQLITE}{file.absolute()}"
