"""Calls in processes of their own, each bounded in time: what hangs or dies is told, and the rest goes on."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

HUNG, DIED = "hung", "died"


def each[Item](
    call: Callable[[Item], Any], items: Iterable[Item], *, processes: int, limit_s: float
) -> Iterator[tuple[Item, Any]]:
    """Every item with what `call` returned for it, in the order they end; `HUNG` or `DIED` where it never returned.

    Workers are forked, so what is imported here is imported there. `call` must not raise.
    """
    todo = iter(items)
    workers: dict[Connection, _Worker] = {}
    for item in todo:
        _start(call, item, workers)
        if len(workers) == processes:
            break
    try:
        while workers:
            first = min(worker.since for worker in workers.values())
            ready = wait(list(workers), timeout=max(0.0, first + limit_s - time.monotonic()))
            for line, worker in list(workers.items()):
                if line in ready:
                    yield worker.item, worker.answer()
                elif time.monotonic() - worker.since > limit_s:
                    yield worker.item, HUNG
                else:
                    continue
                del workers[line]
                following = next(todo, None)
                if following is not None and worker.process.is_alive() and line in ready:
                    worker.give(following)
                    workers[line] = worker
                    continue
                worker.end()
                if following is not None:
                    _start(call, following, workers)
    finally:
        for worker in workers.values():
            worker.end()


def _start(call: Callable[[Any], Any], item: Any, workers: dict[Connection, _Worker]) -> None:
    worker = _Worker(call)
    worker.give(item)
    workers[worker.line] = worker


class _Worker:
    def __init__(self, call: Callable[[Any], Any]) -> None:
        forking = multiprocessing.get_context("fork")
        self.line, theirs = forking.Pipe()
        self.process = forking.Process(target=_work, args=(call, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.item: Any = None
        self.since = 0.0

    def give(self, item: Any) -> None:
        self.item, self.since = item, time.monotonic()
        self.line.send(item)

    def answer(self) -> Any:
        try:
            return self.line.recv()
        except EOFError:
            self.process.join(timeout=5)  # the line closes a moment before the process is gone
            return DIED

    def end(self) -> None:
        """At once: it waits for work, or hangs, and has nothing to finish."""
        self.line.close()
        self.process.kill()
        self.process.join()


def _work(call: Callable[[Any], Any], line: Connection) -> None:
    while True:
        try:
            item = line.recv()
        except (EOFError, ConnectionError):
            return
        line.send(call(item))
