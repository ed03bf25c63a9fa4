"""The load windows of one start, and the curve they draw: warm-up, the common rate, closed loop, capacity search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

from tuner.backends.model import Running
from tuner.breakdown.counters import Increase, difference, together
from tuner.errors import TrialFailure
from tuner.load.control.scrape import scrape
from tuner.load.model import Generator, LoadWindow
from tuner.load.windows import as_asked, closed, one_rate, steady
from tuner.measure.capacity import CapacitySearch
from tuner.measure.crossing import Exceeded, exceeded
from tuner.measure.disturbance import disturbances
from tuner.measure.joined import join
from tuner.measure.model import Usage, Window
from tuner.measure.samples import Samples
from tuner.measure.status import failures
from tuner.measure.stopping import Goal, Settled, looks, measure
from tuner.measure.window import Trust, summarize
from tuner.space.model import Constraint
from tuner.statistics.model import Estimate
from tuner.trials.quiet import NoQuiet, Quiet, silence
from tuner.workload.arrivals import described
from tuner.workload.model import WorkloadSpec

_ATTEMPTS = 2
"""A window that could not be trusted is measured once more: a passing disturbance of the machine is common."""
_WARM_UP_CONNECTIONS = 4
"""Of a closed loop that warms up: enough to reach every worker of most servers, too few to flood one."""
_USUAL = ("latency_p99",)
"""What an open duration is measured for where neither an SLO nor an objective says."""


class Untrusted(Exception):
    """No window could be trusted; the text says why. The generator's or the machine's doing, not the server's."""


class NoAnswers(TrialFailure):
    """A closed loop got not one good answer."""


class LoadWindows:
    """Puts one server under load, window by window. `on_stage` hears what is being done, in a few words."""

    def __init__(
        self,
        *,
        running: Running,
        generator: Generator,
        workload: WorkloadSpec,
        slo: tuple[Constraint, ...] = (),
        quiet: Quiet | None = None,
        on_stage: Callable[[str], None],
        tight: tuple[str, ...] = (),
        metrics: tuple[str, ...] = (),
    ) -> None:
        """`tight`: latencies whose value at the common rate matters beyond the verdict, where its duration is open.
        `metrics`: addresses of the servers' own, read before and after each window at the common rate.
        """
        self._running = running
        self._generator = generator
        self._workload = workload
        self._slo = slo
        self._quiet = quiet or NoQuiet()
        self._on_stage = on_stage
        self._goal = Goal(slo=slo, tight=tight or (() if slo else _USUAL), within=workload.within)
        self._metrics = metrics
        self._seeds = count(workload.seed)
        self._curve: list[Window] = []
        self._over: tuple[Exceeded, ...] = ()
        """What of the last window at the common rate was beyond each bound."""
        self.parts: tuple[Samples, ...] = ()
        """The load windows of the last measurement at a rate that was trusted."""
        self.counted: Increase | None = None
        """What the servers counted meanwhile; None: nobody knows where they tell it."""

    @property
    def curve(self) -> tuple[Window, ...]:
        """Every trusted window so far, by rising rate (the closed loop by what it achieved)."""
        return tuple(sorted(self._curve, key=lambda window: window.offered_rps or window.achieved_rps))

    def warm_up(self, rate_rps: float | None) -> None:
        """Load that nobody looks at: caches fill, workers start, code gets compiled."""
        if self._workload.warm_up_s <= 0:
            return
        self._on_stage("warm-up")
        workload, length_s, seed = self._workload, self._workload.warm_up_s, self.next_seed()
        if rate_rps is None:
            few = min(_WARM_UP_CONNECTIONS, workload.connections)
            self.send(closed(workload, length_s, connections=few, seed=seed))
        else:
            self.send(steady(workload, rate_rps, length_s, seed=seed))

    def closed_loop(self) -> float:
        """Good answers a second that a closed loop of all connections gets, probed for one step of the workload.

        Raises NoAnswers where it gets none.
        """
        self._on_stage("probe with a closed loop")
        window = summarize(self.send(closed(self._workload, self._workload.step_s, seed=self.next_seed())))
        if window.achieved_rps <= 0.0:
            reason = f"a closed loop got not one good answer: {failures(window) or 'no answer'}"
            raise NoAnswers(stage="measure", kind="NoAnswers", reason=reason)
        return window.achieved_rps

    def of_closed_loop(self) -> LoadWindows:
        """Windows of the same server in a closed loop that does not think, judged by no SLO."""
        return LoadWindows(
            running=self._running,
            generator=self._generator,
            workload=replace(self._workload, arrival="closed", think_s=0.0, shape=None),
            quiet=self._quiet,
            on_stage=self._on_stage,
        )

    def at_rate(self, rate_rps: float | None) -> tuple[Window, Usage]:
        """The window at the common rate and what the server used in it. Raises Untrusted.

        None: the workload is a closed loop, or has rates of its own.
        """
        self._on_stage(f"measure at {rate_rps:.4g}/s" if self._one_rate else f"measure {described(self._workload)}")
        reasons: tuple[str, ...] = ()
        for _ in range(_ATTEMPTS):
            meter = self._running.meter()
            settled, increases = self._measured(rate_rps)
            usage = meter.stop()
            window = self._window(settled, usage)
            if window.ended:
                self._on_stage(window.ended)
            self._over = exceeded(join(settled.parts), self._slo, window.warm_up_s)
            if not window.untrusted:
                self.parts = settled.parts
                self.counted = together(increases) if self._metrics else None
                if self._one_rate:
                    self._curve.append(window)
                return window, usage
            reasons = window.untrusted
        raise Untrusted(f"at {self._described(rate_rps)}: {'; '.join(reasons)}")

    def capacity(self, first: Window | None) -> tuple[Estimate | None, str]:
        """The highest rate that meets the SLO, and in words what bounded it. `first`: the window already measured."""
        # latencies under a changing rate, or of users who think, are no point of the curve over the rate
        first = first if self._one_rate else None
        over = self._over if first is not None else ()
        search = CapacitySearch(self._slo, first=first, first_over=over, connections=self._workload.connections)
        while (probe := search.next()) is not None:
            if probe.rate_rps is None:
                self._on_stage("probe the capacity")
            else:
                self._on_stage(f"search at {probe.rate_rps:.4g}/s")
            workload = self._workload
            samples = self.send(one_rate(workload, probe.rate_rps, workload.step_s, seed=self.next_seed()))
            window = summarize(samples)
            search.observe(window, exceeded(samples, self._slo, window.warm_up_s))
            if not window.untrusted:
                self._curve.append(window)
        return search.result()

    def next_seed(self) -> int:
        """Of arrivals that no window has met yet."""
        return next(self._seeds)

    def send(self, stage: LoadWindow) -> Samples:
        """One window, in silence. Raises TrialFailure where the server did not survive it."""
        samples = self._quietly(stage)
        self._running.check_alive()
        return samples

    def watch(self, stage: LoadWindow) -> tuple[Samples, Usage, TrialFailure | None]:
        """One window, what the server used in it, and how it died of it; None: it is alive."""
        meter = self._running.meter()
        samples = self._quietly(stage)
        usage = meter.stop()
        try:
            self._running.check_alive()
        except TrialFailure as death:
            return samples, usage, death
        return samples, usage, None

    def _quietly(self, stage: LoadWindow) -> Samples:
        for _ in range(_ATTEMPTS):
            with silence(self._quiet):
                samples = self._generator.run(stage)
            if not samples.suspended_s:
                break
            self._on_stage(
                f"the load generator was suspended for {samples.suspended_s:.3g} s: the window is sent again"
            )
        return samples

    @property
    def _one_rate(self) -> bool:
        """The window at the common rate has one rate, so that it is a point of the curve."""
        return self._workload.shape is None and self._workload.arrival != "closed"

    def _described(self, rate_rps: float | None) -> str:
        one_rate = self._one_rate and rate_rps is not None
        return f"the common rate of {rate_rps:.4g}/s" if one_rate else described(self._workload)

    def _measured(self, rate_rps: float | None) -> tuple[Settled, list[Increase]]:
        """The window that the workload describes, or as many of them as its open duration takes."""
        workload = self._workload
        increases: list[Increase] = []

        def run(seconds: float) -> Samples:
            before = scrape(self._metrics, ask=self._generator.ask)
            samples = self.send(as_asked(workload, rate_rps or 0.0, seconds, seed=self.next_seed()))
            increases.append(difference(before, scrape(self._metrics, ask=self._generator.ask)))
            return samples

        plan = looks(workload.duration_s, workload.most_s or workload.duration_s)
        return measure(run, plan, self._goal), increases

    def _window(self, settled: Settled, usage: Usage) -> Window:
        """The window, with what disturbed it; of a load that changes, or overwhelms, that is no disturbance."""
        window = settled.window
        if self._workload.shape is not None:
            first, *more = settled.parts
            return summarize(first, Trust(changes=True), more=more)
        if _grows(window):
            return window
        found = disturbances(join(settled.parts), usage, from_s=window.warm_up_s)
        return replace(window, warnings=(*window.warnings, *found))


def _grows(window: Window) -> bool:
    """The backlog of the window grew throughout."""
    return window.backlog_rps is not None and (window.backlog_rps.low or 0.0) > 0.0
