"""A server whose latencies are known: a first-come-first-served queue in front of c workers that only wait.

    python tests/servers/queueing.py --service exponential --mean 2ms --workers 1 --seed 7

prints the port it listens on, on 127.0.0.1, and answers every GET when its turn is over. A worker takes no CPU: the
instant at which a request is done is computed when it arrives (the recursion of Kiefer & Wolfowitz), and its answer
goes out then. So a late wake-up delays one answer and never those behind it. It ends when its standard input does.
"""

from __future__ import annotations

import argparse
import ctypes
import heapq
import itertools
import os
import select
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from tuner.units import seconds

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_END = b"\r\n\r\n"
_BLOCK = 4096
_PR_SET_TIMERSLACK = 29


def services(kind: str, mean_s: float, seed: int) -> Iterator[float]:
    """Service times, one after the other: the same for the same seed."""
    random = np.random.default_rng(seed)
    while True:
        if kind == "constant":
            yield from itertools.repeat(mean_s, _BLOCK)
        else:
            yield from random.exponential(mean_s, _BLOCK).tolist()


class Queue:
    """When each arrival is done."""

    def __init__(self, workers: int, service: Iterator[float]) -> None:
        self._free = [0.0] * workers
        self._service = service

    def done(self, at_s: float) -> float:
        end = max(at_s, heapq.heappop(self._free)) + next(self._service)
        heapq.heappush(self._free, end)
        return end


class Alarm:
    """A timer of the kernel that makes a descriptor readable at an instant of `time.perf_counter`, to the microsecond:
    epoll's own patience is in milliseconds."""

    _ABSOLUTE = 1

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self._libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")

    def set(self, at_s: float) -> None:
        whole = int(at_s)
        # the interval (none), then the instant, each in seconds and nanoseconds
        times = (ctypes.c_long * 4)(0, 0, whole, int((at_s - whole) * 1e9) + 1)
        self._libc.timerfd_settime(self.descriptor, self._ABSOLUTE, times, None)


def serve(queue: Queue) -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)  # wake up on time: the usual slack is 50 us
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    alarm, poll = Alarm(), select.epoll()
    for descriptor in (listener.fileno(), sys.stdin.fileno()):
        poll.register(descriptor, select.EPOLLIN)
    poll.register(alarm.descriptor, select.EPOLLIN | select.EPOLLET)  # told once: nobody reads it
    connections: dict[int, socket.socket] = {}
    turn = itertools.count()
    due: list[tuple[float, int, socket.socket]] = []
    while True:
        ready = poll.poll()
        now = time.perf_counter()
        for descriptor, _ in ready:
            if descriptor in connections:
                connection = connections[descriptor]
                for _ in range(_asked(connection)):
                    heapq.heappush(due, (queue.done(now), next(turn), connection))
                if connection.fileno() < 0:
                    del connections[descriptor]
            elif descriptor == listener.fileno():
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = connection
                poll.register(connection.fileno(), select.EPOLLIN)
            elif descriptor == sys.stdin.fileno():
                return
        while due and due[0][0] <= time.perf_counter():
            connection = heapq.heappop(due)[2]
            with suppress(OSError):
                connection.send(ANSWER)
        if due:
            alarm.set(due[0][0])


def _asked(connection: socket.socket) -> int:
    """How many requests came; a connection that has ended is closed. A small GET always comes whole."""
    piece = b""
    with suppress(OSError):
        piece = connection.recv(65536)
    if not piece:
        connection.close()
    return piece.count(_END)


def main() -> None:
    parser = argparse.ArgumentParser(prog="queueing")
    parser.add_argument("--service", choices=("exponential", "constant"), default="exponential")
    parser.add_argument("--mean", type=seconds, default=0.001, help="mean service time (default: 1ms)")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    serve(Queue(given.workers, services(given.service, given.mean, given.seed)))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
