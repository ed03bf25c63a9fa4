"""Windows that were disturbed are measured again when the machine is quiet, within bounds.

A window of a noisy machine is better repeated than explained. But a machine may never be quiet, so that waiting ends:
then the window stands with its conditions, from which the search knows the machine's speed meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, cast

from tuner.backends.model import Running, TellsConditions
from tuner.measure.conditions import Conditions, together
from tuner.trials.clock import Clock
from tuner.trials.model import Trial, measured
from tuner.units import format_seconds

TRIAL_S = 30.0
"""Most that one trial spends on waiting and on windows measured again: about as long as a trial takes."""
STUDY_S = 30.0
STUDY_SHARE = 0.5
"""Most that a study spends on it: `STUDY_S`, and this share of the time that its windows took. A machine that is never
quiet makes a study half as long again, no more."""
REPEATS = 2
"""Times that one window is measured again."""
WAIT_S = 10.0
"""Longest wait for quiet at once; halved each time that it was in vain, whole again when it was not."""
LEAST_WAIT_S = 1.0
WAIT_WINDOWS = 5.0
"""A wait is no longer than so many times the window that it is for: what is soon measured is not waited for long."""
_LOOK_S = 0.5
"""So long the machine is looked at to tell whether it is quiet: the kernel counts CPU time in hundredths of seconds."""


class Untrusted(Exception):
    """No window could be trusted; the text says why. The generator's or the machine's doing, not the server's."""


@dataclass(slots=True)
class Allowance:
    """What a study has spent on waiting for a quiet machine, and what its windows took; and what the probe took."""

    spent_s: float = 0.0
    measured_s: float = 0.0
    wait_s: float = WAIT_S
    probes_s: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> Allowance:
        """Where a study is taken up that these trials are of."""
        found = cls()
        for measurement in filter(None, map(measured, trials)):
            found.spent_s += measurement.put_back_s
            for one in filter(None, (measurement.conditions, measurement.search_conditions)):
                found.measured_s += one.window_s
                found.probed(one.probe_s)
        return found

    @property
    def left_s(self) -> float:
        return max(0.0, STUDY_S + STUDY_SHARE * self.measured_s - self.spent_s)

    @property
    def best_probe_s(self) -> float | None:
        """The lower decile: the least of very many is a lucky one, and a machine would be called slow that is not."""
        return sorted(self.probes_s)[len(self.probes_s) // 10] if self.probes_s else None

    def probed(self, cpu_s: float | None) -> None:
        if cpu_s is not None:
            self.probes_s.append(cpu_s)


class Lookout(Protocol):
    """Whoever knows whether the machine was quiet while something was measured."""

    def watched[T](self, what: str, measure: Callable[[], T]) -> tuple[T, Conditions | None]:
        """What `measure` yields, called again where it was disturbed; and how it was meanwhile, None: nobody looked."""
        ...


class NoLookout:
    """Nobody looks."""

    def watched[T](self, what: str, measure: Callable[[], T]) -> tuple[T, Conditions | None]:  # noqa: ARG002
        return measure(), None


@dataclass(frozen=True, slots=True)
class _Try[T]:
    found: T | None
    untrusted: Untrusted | None
    conditions: Conditions

    def worth(self) -> tuple[bool, float]:
        return self.untrusted is None, self.conditions.speed or 0.0

    def result(self) -> tuple[T, Conditions]:
        if self.untrusted is not None:
            raise self.untrusted
        return cast("T", self.found), self.conditions


class MachineLookout:
    """Watches the machine of one start of a server; `spent_s` and `told` say what was measured again."""

    def __init__(
        self,
        running: TellsConditions,
        *,
        allowance: Allowance,
        clock: Clock,
        on_stage: Callable[[str], None],
    ) -> None:
        self._running = running
        self._allowance = allowance
        self._clock = clock
        self._on_stage = on_stage
        self.spent_s = 0.0
        self.told: list[str] = []

    def watched[T](self, what: str, measure: Callable[[], T]) -> tuple[T, Conditions | None]:
        """The least disturbed of all tries counts, but one that could not be trusted.

        Raises whatever `measure` raises; Untrusted only when the machine was quiet, or no try could be trusted.
        """
        tries: list[_Try[T]] = []
        while True:
            begin = self._clock.now()
            one = self._once(measure)
            took_s = self._clock.now() - begin
            if tries:
                self._spend(took_s)
            else:
                self._allowance.measured_s += took_s
            tries.append(one)
            if not one.conditions.disturbance:
                break
            if len(tries) > REPEATS or not self._quiet(what, one.conditions, took_s):
                break
        return max(reversed(tries), key=_Try.worth).result()

    def _once[T](self, measure: Callable[[], T]) -> _Try[T]:
        meter = self._running.watch_conditions()
        found: T | None = None
        untrusted: Untrusted | None = None
        try:
            found = measure()
        except Untrusted as error:
            untrusted = error
        finally:
            conditions = meter.stop()
        return _Try(found, untrusted, self._held_against_the_best(conditions))

    def _held_against_the_best(self, conditions: Conditions) -> Conditions:
        self._allowance.probed(conditions.probe_s)
        return replace(conditions, best_probe_s=self._allowance.best_probe_s)

    @property
    def _left_s(self) -> float:
        return min(TRIAL_S - self.spent_s, self._allowance.left_s)

    def _quiet(self, what: str, conditions: Conditions, took_s: float) -> bool:
        """Wait until it is quiet, while there is time to wait and to measure again. False: it did not become so."""
        disturbance, left_s = conditions.disturbance, self._left_s
        most_s = min(self._allowance.wait_s, left_s - took_s, max(LEAST_WAIT_S, WAIT_WINDOWS * took_s))
        if most_s < _LOOK_S:
            self._on_stage(f"{what}: {disturbance}; accepted, no time is left to measure it again")
            return False
        if most_s > LEAST_WAIT_S:
            self._on_stage(
                f"{what}: {disturbance}; put back: waits up to {format_seconds(most_s)} for quiet "
                f"({format_seconds(left_s)} left for it)"
            )
        begin = self._clock.now()
        quiet = False
        while not quiet and self._clock.now() - begin + _LOOK_S <= most_s:
            quiet = not self._look().disturbance
        waited_s = self._clock.now() - begin
        self._spend(waited_s)
        if quiet:
            self._allowance.wait_s = WAIT_S
            self.told.append(f"{what} was measured again after {format_seconds(waited_s)}: {disturbance}")
            return True
        self._allowance.wait_s = max(LEAST_WAIT_S, self._allowance.wait_s / 2.0)
        why = "" if most_s > LEAST_WAIT_S else f"{disturbance}; "
        self._on_stage(
            f"{what}: {why}not quiet within {format_seconds(waited_s)}; accepted, its conditions are recorded"
        )
        return False

    def _look(self) -> Conditions:
        meter = self._running.watch_conditions()
        try:
            self._clock.sleep(_LOOK_S)
        finally:
            conditions = meter.stop()
        return self._held_against_the_best(conditions)

    def _spend(self, seconds: float) -> None:
        self.spent_s += seconds
        self._allowance.spent_s += seconds


def lookout(
    running: Running, *, allowance: Allowance | None, clock: Clock, on_stage: Callable[[str], None]
) -> MachineLookout | None:
    """None: nobody wants to know (`allowance` None), or nothing can be observed of where it runs."""
    if allowance is None or not isinstance(running, TellsConditions):
        return None
    return MachineLookout(running, allowance=allowance, clock=clock, on_stage=on_stage)


def summed(parts: Sequence[Conditions | None]) -> Conditions | None:
    """Of all windows of one kind; None: nobody looked."""
    known = [part for part in parts if part is not None]
    return together(known) if known else None
