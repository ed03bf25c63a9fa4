from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.trials.database.place import url
from tuner.trials.database.connection import Database

__all__ = ["url"]


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with Database(url, patience_s=20.0) as found:
        yield found


@pytest.fixture
def name() -> str:
    """Of a study that nobody else has."""
    return f"study-{secrets.token_hex(4)}"
