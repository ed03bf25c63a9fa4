"""Linear algebra in one thread.

The model's matrices are small: several threads gain nothing on a quiet machine, and on a busy one they wait for each
other, which made proposals 25 times as slow.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


@contextmanager
def one_thread() -> Iterator[None]:
    """Of this process, while the context lasts."""
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> Any:
    """Found once, since that takes 10 ms: scipy's own must be there by then."""
    import scipy.linalg  # type: ignore[import-untyped]  # noqa: F401
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()
