"""A program that takes a share of some CPUs' time, another one every few seconds; see scripts/benchmark/wander."""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress

MOST = 0.8
QUIET = 0.35
"""Part of the spells in which nothing is taken."""
SPELL_S = (5.0, 40.0)
TURN_S = 0.01
"""Shorter than a window in which anything is measured, and than most answers: what is taken is taken evenly."""


def spells(seed: int) -> Iterator[tuple[float, float]]:
    """Without end: how long a spell lasts in seconds, and the share of the CPU that is taken in it."""
    drawn = random.Random(seed)
    while True:
        length_s = drawn.uniform(*SPELL_S)
        share = 0.0 if drawn.random() < QUIET else drawn.uniform(0.0, MOST)
        yield length_s, share


def from_then(seed: int, offset_s: float) -> Iterator[tuple[float, float]]:
    """The spells less the first `offset_s` seconds."""
    for length_s, share in spells(seed):
        if length_s > offset_s:
            yield length_s - offset_s, share
        offset_s = max(0.0, offset_s - length_s)


def take(share: float, until: float) -> None:
    """Of the CPU's time until then, by turns; less where others do not let it have its turn in time."""
    while (now := time.monotonic()) < until:
        enough = time.thread_time() + share * TURN_S
        while time.thread_time() < enough and time.monotonic() < until:
            pass
        time.sleep(max(0.0, TURN_S - (time.monotonic() - now)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--cpu", type=int, required=True)
    parser.add_argument("--offset", type=float, default=0.0, help="seconds of the spells that are over already")
    parser.add_argument("--seconds", type=float, required=True, help="it ends then, whatever happens")
    given = parser.parse_args()
    parent, ends = os.getppid(), time.monotonic() + given.seconds
    os.sched_setaffinity(0, {given.cpu})
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)  # else the servers' threads take turns with it, and it gets less
    for length_s, share in from_then(given.seed, given.offset):
        until = time.monotonic() + length_s
        while (now := time.monotonic()) < min(until, ends):
            take(share, min(now + 0.5, until, ends))
            if os.getppid() != parent:  # whoever started it is gone
                return
        if now >= ends:
            return


if __name__ == "__main__":
    main()
