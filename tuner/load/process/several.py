"""Several engine processes that send one window together: what one CPU cannot send, several can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Self

from tuner.errors import ConnectionLost, GeneratorFailure
from tuner.load.model import Answer, LoadWindow, Pipe, Reference, Request, Target
from tuner.load.process.lines import Begin, Prepare
from tuner.load.process.piped import PipedGenerator
from tuner.measure.joined import merge
from tuner.measure.samples import Samples

LEAD_S = 0.1
"""From telling all to begin to the instant they begin at: they tidy up their memory meanwhile."""


class SeveralGenerator:
    """A `Generator` of several processes on one machine; leaving the context ends them.

    All lay out the same window, then begin at one instant of their machine's monotonic clock, each with its share of
    the requests and of the connections (`LoadWindow.share`). Their samples are merged into those of one window.
    """

    def __init__(self, target: Target, start: Callable[[], Pipe], processes: int, lead_s: float = LEAD_S) -> None:
        """`start` starts a process that nobody has spoken to yet, always on the same machine, which need not be this
        one. The target's CPUs are divided. An order to begin takes at most `lead_s` to get there, or requests are late.
        """
        if processes < 1:
            raise ValueError(f"{processes} load generator processes cannot send anything; give at least 1")
        if target.cpus and processes > len(target.cpus):
            raise ValueError(
                f"{processes} load generator processes need a CPU each, and there are {len(target.cpus)} for them; "
                "give as many CPUs, or fewer processes"
            )
        self._lead_s = lead_s
        self._generators: list[PipedGenerator] = []
        try:
            for number in range(processes):
                part = replace(target, cpus=target.cpus[number::processes])
                self._generators.append(PipedGenerator(part, start))
        except BaseException:
            self.close()
            raise

    def run(self, window: LoadWindow) -> Samples:
        """Send one window, once more where a pipe broke. Raises GeneratorFailure when a process failed; the others
        send theirs to the end.
        """
        try:
            return self._window(window)
        except ConnectionLost:
            for generator in self._generators:
                generator.renew()
            return self._window(window)

    def ask(self, url: str, request: Request, timeout_s: float) -> Answer:
        return self._generators[0].ask(url, request, timeout_s)

    def hold(self, reference: Reference) -> None:
        for generator in self._generators:
            generator.hold(reference)

    def close(self) -> None:
        for generator in self._generators:
            generator.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _window(self, window: LoadWindow) -> Samples:
        processes = len(self._generators)
        shares = [Prepare(window=replace(window, share=(number, processes))) for number in range(processes)]
        self._each(lambda number, generator: generator.say(shares[number]))
        clock = self._each(lambda _, generator: float(generator.hear(0.0)["now"]))
        begin = Begin(at=max(clock) + self._lead_s)
        self._each(lambda _, generator: generator.say(begin))
        return merge(self._each(lambda _, generator: generator.hear_window(window)))

    def _each[T](self, action: Callable[[int, PipedGenerator], T]) -> list[T]:
        """Do it with every process, whichever fails, so that no answer stays unheard. Raises the first failure."""
        results: list[T] = []
        failures: list[GeneratorFailure] = []
        for number, generator in enumerate(self._generators):
            try:
                results.append(action(number, generator))
            except GeneratorFailure as failure:
                failures.append(failure)
        if failures:
            raise next((failure for failure in failures if isinstance(failure, ConnectionLost)), failures[0])
        return results
