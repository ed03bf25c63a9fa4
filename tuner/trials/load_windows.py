"""The load windows of one start, and the curve they draw: warm-up, the common rate, closed loop, capacity search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from statistics import mean
from typing import cast

from tuner.backends.model import Running
from tuner.breakdown.counters import Increase, difference, together
from tuner.errors import TrialFailure
from tuner.load.control.scrape import scrape
from tuner.load.model import Generator, LoadWindow
from tuner.load.windows import as_asked, closed, steady
from tuner.measure.capacity import CapacitySearch
from tuner.measure.conditions import Conditions
from tuner.measure.crossing import Exceeded, exceeded
from tuner.measure.disturbance import disturbances
from tuner.measure.joined import join
from tuner.measure.model import Usage, Window
from tuner.measure.pace import PATIENCE_S, SLOW_S, Pace, typical_s
from tuner.measure.samples import Samples, Status
from tuner.measure.status import failures
from tuner.measure.stopping import Goal, Settled, looks, measure
from tuner.measure.window import Trust, summarize, to_judge
from tuner.space.model import Constraint
from tuner.statistics.model import Estimate
from tuner.trials.lookout import Lookout, NoLookout, Untrusted, summed
from tuner.trials.quiet import NoQuiet, Quiet, silence
from tuner.units import format_seconds
from tuner.workload.arrivals import described
from tuner.workload.model import WorkloadSpec

_ATTEMPTS = 3
"""Times that a window which could not be trusted is measured in all: a passing disturbance of the machine is common, and
a window costs less than the trial that would be lost."""
_WARM_UP_CONNECTIONS = 4
"""Of a closed loop that warms up: enough to reach every worker of most servers, too few to flood one."""
_NEAR = 0.8
"""From this share of the capacity on a server wants nearly all the CPU that it can get."""
_ONE_ANSWER_S = 0.01
_RESTS = 10
_AT_REST = 1.5
"""An answer that takes at most so many times what it takes alone came from an idle server."""
_MORE = 1.1
"""A closed loop of more connections gets more through where it gets this much more."""
_USUAL = ("latency_p99",)
"""What an open duration is measured for where neither an SLO nor an objective says."""


class NoAnswers(TrialFailure):
    """A closed loop got not one good answer."""


@dataclass(frozen=True, slots=True)
class _Searched:
    """A window of the capacity search."""

    window: Window
    """As a point of the curve."""
    judged: Window
    """As a verdict."""
    over: tuple[Exceeded, ...] = ()
    """What of it was beyond each bound."""
    full: bool = False
    """It filled the server, which a closed loop alone can tell."""


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
        answer_s: float = 0.0,
        lookout: Lookout | None = None,
    ) -> None:
        """`tight`: latencies whose value at the common rate matters beyond the verdict, where its duration is open.
        `metrics`: addresses of the servers' own, read before and after each window at the common rate. `answer_s`: what
        a first answer took; 0: it was quick. `lookout`: has windows that were disturbed measured again; None: nobody
        looks.
        """
        self._running = running
        self._generator = generator
        self._workload = workload
        self._slo = slo
        self._quiet = quiet or NoQuiet()
        self._lookout = lookout or NoLookout()
        self.conditions: Conditions | None = None
        """How quiet the machine was during the last window at the common rate; None: nobody looked."""
        self._searched: list[tuple[float | None, Conditions | None]] = []
        """Of each window of the capacity search the rate (None: a closed loop), and how quiet it was."""
        self._capacity_rps = 0.0
        self._on_stage = on_stage
        self._goal = Goal(slo=slo, tight=tight or (() if slo else _USUAL), within=workload.within)
        self._metrics = metrics
        self._pace = Pace(workload=workload, slo=slo, tight=tight, answer_s=answer_s)
        self._timed = not self._pace.slow
        """It is known what an answer takes when nothing else is asked."""
        self._closed: tuple[int, float] | None = None
        """Connections of the closed loop that filled the server, and the good answers a second that it got."""
        self._full = False
        """More connections would get nothing more through."""
        self.used = workload
        """The workload as the last measurement had it: with the times that follow from the answers."""
        self.sent_s = 0.0
        """Load so far, warm-up included, without the wait for the last answers."""
        self._seeds = count(workload.seed)
        self._curve: list[Window] = []
        self._over: tuple[Exceeded, ...] = ()
        """What of the last window at the common rate was beyond each bound."""
        self.parts: tuple[Samples, ...] = ()
        """The load windows of the last measurement at a rate that was trusted."""
        self.counted: Increase | None = None
        """What the servers counted meanwhile; None: nobody knows where they tell it."""

    @property
    def search_conditions(self) -> Conditions | None:
        """How quiet the machine was during the windows that decided the capacity: the closed loop, which wants all, and
        those at the rate that was found and above. None: nobody looked."""
        near = [told for rate_rps, told in self._searched if rate_rps is None or rate_rps >= _NEAR * self._capacity_rps]
        return summed([None if told is None else replace(told, full=True) for told in near])

    @property
    def curve(self) -> tuple[Window, ...]:
        """Every trusted window so far, by rising rate (the closed loop by what it achieved)."""
        return tuple(sorted(self._curve, key=lambda window: window.offered_rps or window.achieved_rps))

    @property
    def pace(self) -> Pace:
        """The times that follow from what an answer takes, as far as that is known."""
        return self._pace

    def get_to_know(self) -> Pace:
        """Find out what an answer takes when nothing else is asked; of a server that answered at once, nothing is done.

        The first answers of all may have loaded and compiled, so it is asked again.
        """
        if not self._timed:
            self._timed = True
            first_s = self._pace.answer_s
            self._on_stage(f"time its answers, of which the first took {format_seconds(first_s)}")
            taken = [*self._alone(self._pace.alone_s)]
            self._pace = replace(self._pace, answer_s=typical_s(taken) or first_s)
            if self._pace.slow:
                self._on_stage(
                    f"an answer takes {format_seconds(self._pace.answer_s)}: "
                    f"it is waited for up to {format_seconds(self._pace.timeout_s)}, and windows are long enough for it"
                )
        return self._pace

    def warm_up(self, rate_rps: float | None) -> None:
        """Load that nobody looks at: caches fill, workers start, code gets compiled."""
        pace = self.get_to_know()
        if pace.warm_up_s <= 0:
            return
        self._on_stage("warm-up")
        seed = self.next_seed()
        if rate_rps is None:
            few = min(_WARM_UP_CONNECTIONS, self._workload.connections)
            samples = self.send(self._closed_window(pace.warm_up_s, few, seed))
        else:
            samples = self.send(steady(pace.paced(rate_rps), rate_rps, pace.warm_up_s, seed=seed))
        self._correct(samples.latency_s[samples.good].tolist())

    def _correct(self, taken: Sequence[float]) -> None:
        """The first answers were of another kind than the usual: if these, which others were asked beside, took less on
        average, or the quickest of them took longer."""
        pace = self._pace
        if not taken:
            return
        if pace.slow:
            self._pace = replace(pace, answer_s=max(min(pace.answer_s, mean(taken)), SLOW_S, min(taken)))
        elif min(taken) >= SLOW_S:
            self._pace = replace(pace, answer_s=min(taken))

    def closed_loop(self) -> float:
        """Good answers a second that a closed loop of all connections gets, probed for one step of the workload.

        Raises NoAnswers where it gets none.
        """
        self._on_stage("probe with a closed loop")
        window = self._probe()
        if window.achieved_rps <= 0.0:
            reason = f"a closed loop got not one good answer: {failures(window) or 'no answer'}"
            raise NoAnswers(stage="measure", kind="NoAnswers", reason=reason)
        return window.achieved_rps

    def _probe(self) -> Window:
        """A closed loop that fills the server: of all connections where it answers at once, else of so many that more
        get nothing more through."""
        pace, best, self._full = self._pace, None, False
        connections: int | None = pace.first_connections
        while connections is not None:
            length_s = pace.step_s(best.achieved_rps if best is not None else None)
            samples = self.send(self._closed_window(length_s, connections, self.next_seed()))
            window = summarize(samples, Trust(short=pace.slow))
            if best is not None and window.achieved_rps <= _MORE * best.achieved_rps:
                self._full = (
                    not window.errors
                )  # requests given up say that they waited, not that nothing more gets through
                return best
            best, self._closed = window, (connections, window.achieved_rps)
            self._full = pace.fills(connections, window.achieved_rps)
            connections = pace.more_connections(connections, window.achieved_rps)
        return cast("Window", best)

    def _closed_window(self, length_s: float, connections: int, seed: int) -> LoadWindow:
        workload = replace(self._workload, timeout_s=self._pace.closed_timeout_s(connections))
        return closed(workload, length_s, connections=connections, seed=seed)

    def _alone(self, length_s: float) -> Iterator[float]:
        """What answers take one after the other; at least one to each replica is waited for."""
        workload = replace(self._workload, timeout_s=max(self._pace.timeout_s, PATIENCE_S))
        samples = self._sent(closed(workload, length_s, connections=1, seed=self.next_seed()))
        yield from samples.latency_s[samples.good].tolist()

    @property
    def closed_connections(self) -> int:
        """Of the closed loop that told what the server gets through."""
        return self._workload.connections if self._closed is None else self._closed[0]

    def closed_throughput(self) -> Window:
        """A closed loop that does not think, as long as a window that is measured: what it gets through. Raises
        Untrusted."""
        if self._pace.slow:
            self._on_stage("measure closed loops")
            probed = self._probe()
            connections, achieved_rps = self._closed or (self._workload.connections, 0.0)
            length_s = self._pace.closed_duration_s(connections, achieved_rps)
            if achieved_rps <= 0.0 or length_s <= self._pace.step_s(None):
                return probed
            stage = self._closed_window(length_s, connections, self.next_seed())
            window = summarize(self.send(stage), Trust(short=True))
            if window.generator_limited:
                raise Untrusted(f"a closed loop of {connections} connections: {'; '.join(window.untrusted)}")
            return window
        loops = LoadWindows(
            running=self._running,
            generator=self._generator,
            workload=replace(self._workload, arrival="closed", think_s=0.0, shape=None),
            quiet=self._quiet,
            on_stage=self._on_stage,
        )
        return loops.at_rate(None)[0]

    def at_rate(self, rate_rps: float | None) -> tuple[Window, Usage]:
        """The window at the common rate and what the server used in it. Raises Untrusted.

        None: the workload is a closed loop, or has rates of its own.
        """
        takes = f", {format_seconds(self._pace.duration_s(rate_rps))}" if self._one_rate and self._pace.slow else ""
        what = f"at {rate_rps:.4g}/s" if self._one_rate else described(self._workload)
        self._on_stage(f"measure {what}{takes}")
        found, self.conditions = self._lookout.watched(f"the window {what}", lambda: self._at_rate(rate_rps))
        window, usage, settled, increases = found
        if self.conditions is not None and _grows(window):
            self.conditions = replace(self.conditions, full=True)
        self._over = exceeded(join(settled.parts), self._slo, window.warm_up_s)
        self.parts = settled.parts
        self.counted = together(increases) if self._metrics else None
        if self._one_rate:
            self._curve.append(window)
        return window, usage

    def _at_rate(self, rate_rps: float | None) -> tuple[Window, Usage, Settled, list[Increase]]:
        reasons: tuple[str, ...] = ()
        for _ in range(_ATTEMPTS):
            meter = self._running.meter()
            settled, increases = self._measured(rate_rps)
            usage = meter.stop()
            window = self._window(settled, usage)
            if window.ended:
                self._on_stage(window.ended)
            if not window.untrusted:
                return window, usage, settled, increases
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
                takes = f", {format_seconds(self._pace.step_s(probe.rate_rps))}" if self._pace.slow else ""
                self._on_stage(f"search at {probe.rate_rps:.4g}/s{takes}")
            rate_rps = probe.rate_rps
            what = "the closed loop" if rate_rps is None else f"the window at {rate_rps:.4g}/s"
            found, conditions = self._lookout.watched(what, partial(self._searched_at, rate_rps))
            self._searched.append((rate_rps, conditions))
            search.observe(found.judged, found.over, full=found.full)
            if not found.window.untrusted:
                self._curve.append(found.window)
        capacity, note = search.result()
        self._capacity_rps = 0.0 if capacity is None else capacity.value
        return capacity, note

    def _searched_at(self, rate_rps: float | None) -> _Searched:
        """A window of the capacity search; None: a closed loop."""
        if rate_rps is None:
            window = self._probe()
            return _Searched(window, window, full=self._full)
        samples = self.send(self._step(rate_rps))
        trust = Trust(short=self._pace.short(len(samples)))
        window = judged = summarize(samples, trust)
        if window.generator_limited:
            judged = summarize(samples, to_judge(trust, self._slo))
        return _Searched(window, judged, exceeded(samples, self._slo, judged.warm_up_s))

    def next_seed(self) -> int:
        """Of arrivals that no window has met yet."""
        return next(self._seeds)

    def _step(self, rate_rps: float) -> LoadWindow:
        """A window of the capacity search."""
        filled_by = None if self._closed is None else self._closed[0]
        workload = self._pace.paced(rate_rps, filled_by)
        return steady(workload, rate_rps, self._pace.step_s(rate_rps), seed=self.next_seed())

    def send(self, stage: LoadWindow) -> Samples:
        """One window, in silence, and after it whatever time a slow server takes for what was given up. Raises
        TrialFailure where the server did not survive it."""
        samples = self._sent(stage)
        if self._pace.slow and (samples.status == Status.TIMED_OUT).any():
            self._come_to_rest()
        return samples

    def _sent(self, stage: LoadWindow) -> Samples:
        samples = self._quietly(stage)
        self._running.check_alive()
        return samples

    def _come_to_rest(self) -> None:
        """Wait until an answer takes no longer than alone: a server works on at requests that were given up, and the
        next window would find it busy. A few answers are waited for at most."""
        self._on_stage("wait until the server has worked off what was given up")
        for _ in range(_RESTS):
            taken = [*self._alone(_ONE_ANSWER_S)]
            if taken and max(taken) <= _AT_REST * self._pace.answer_s:
                return

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
            self.sent_s += stage.duration_s
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
        filled_by = None if self._closed is None else self._closed[0]
        workload = self._pace.paced(rate_rps if self._one_rate else None, filled_by)
        if workload.arrival == "closed" and self._pace.slow:
            workload = self._closed_workload(workload)
        self.used = replace(workload, warm_up_s=self._pace.warm_up_s)
        increases: list[Increase] = []

        def run(seconds: float) -> Samples:
            before = scrape(self._metrics, ask=self._generator.ask)
            samples = self.send(as_asked(workload, rate_rps or 0.0, seconds, seed=self.next_seed()))
            increases.append(difference(before, scrape(self._metrics, ask=self._generator.ask)))
            return samples

        plan = looks(workload.duration_s, workload.most_s or workload.duration_s)
        closed_loop = workload.arrival == "closed"
        short = self._pace.slow if closed_loop else self._pace.short((rate_rps or 0.0) * workload.duration_s)
        return measure(run, plan, self._goal, Trust(short=short)), increases

    def _closed_workload(self, workload: WorkloadSpec) -> WorkloadSpec:
        """Of a slow server that users wait for: as long as its answers take while all of them ask."""
        connections, timeout_s = workload.connections, self._pace.closed_timeout_s(workload.connections)
        samples = self.send(self._closed_window(self._pace.step_s(None), connections, self.next_seed()))
        length_s = self._pace.closed_duration_s(connections, summarize(samples, Trust(short=True)).achieved_rps)
        return replace(workload, timeout_s=timeout_s, duration_s=length_s)

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
