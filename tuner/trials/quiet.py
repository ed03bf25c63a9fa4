"""Silence while a window is measured: background work on this machine must not share its CPUs with the load."""

from __future__ import annotations

import os
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


def leave_servers_alone(cpus: tuple[int, ...]) -> None:
    """Keep this process, and background work in it, on the load generator's CPUs: the others are the servers'."""
    if cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)
