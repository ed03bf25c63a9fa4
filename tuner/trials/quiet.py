"""Silence while a window is measured: background work on this machine must not share its CPUs with the load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Quiet(Protocol):
    """Whoever does background work (recorders) pauses between these two calls."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class NoQuiet:
    """Nothing runs in the background."""

    def pause(self) -> None:
        return

    def resume(self) -> None:
        return


@contextmanager
def silence(quiet: Quiet) -> Iterator[None]:
    quiet.pause()
    try:
        yield
    finally:
        quiet.resume()
