"""A server for benchmarks that answers whatever comes in one piece, HTTP/1.1 with keep-alive; prints its port.

--cpu N              keep to this CPU
--different          each answer has an id of its own, else all are equal
--mean-ms T          answer after an exponential time with this mean, each request by itself (M/G/infinity: whoever
                     asks and however often sees the same latencies); default: at once
--freeze-at S        that long after the first request ...
--freeze-for S       ... do nothing at all for this long, as a process does that is swapped out or collects garbage
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import time

import uvloop


class Answering(asyncio.Protocol):
    different = False
    mean_s = 0.0
    number = 0
    random = random.Random(1)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.is_closing = transport.is_closing
        self.write = transport.write  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if self.mean_s:
            asyncio.get_running_loop().call_later(self.random.expovariate(1 / self.mean_s), self.answer)
        else:
            self.answer()

    def answer(self) -> None:
        if self.is_closing():  # whoever asked did not wait
            return
        Answering.number += self.different
        self.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 87\r\n\r\n"
            b'{"data": {"ndarray": [[0.9548, 0.0451, 0.0001]]}, "meta": {"puid": "%016d"}}' % self.number
        )


class Freezing(Answering):
    begun = False
    at_s = 0.0
    for_s = 0.0

    def data_received(self, data: bytes) -> None:
        if not Freezing.begun:
            Freezing.begun = True
            asyncio.get_running_loop().call_later(self.at_s, time.sleep, self.for_s)
        super().data_received(data)


async def serve(given: argparse.Namespace) -> None:
    Answering.different, Answering.mean_s = given.different, given.mean_ms / 1000
    Freezing.at_s, Freezing.for_s = given.freeze_at, given.freeze_for
    kind = Freezing if given.freeze_for else Answering
    server = await asyncio.get_running_loop().create_server(kind, "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", type=int)
    parser.add_argument("--different", action="store_true")
    parser.add_argument("--mean-ms", type=float, default=0.0)
    parser.add_argument("--freeze-at", type=float, default=0.0)
    parser.add_argument("--freeze-for", type=float, default=0.0)
    given = parser.parse_args()
    if given.cpu is not None:
        os.sched_setaffinity(0, {given.cpu})
    uvloop.run(serve(given))


if __name__ == "__main__":
    main()
