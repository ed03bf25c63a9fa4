"""A real PostgreSQL, on loopback, for the tests that ask for its address."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.record.mlflow.stores import postgres, postgres_programs


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """Its address, as `--studies` takes it."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL is installed here (Debian: postgresql)")
    with postgres(programs) as address:
        yield re.sub(r"^postgresql\+\w+", "postgresql", address)
