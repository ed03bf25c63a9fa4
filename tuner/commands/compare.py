"""Two systems on equal terms: served in turn, put under the same load, compared pair by pair until it can be told.

Wiring, like `tuner.commands.run`: what is served comes from `tuner.targets`, what the numbers tell from
`tuner.measure.paired`. Both sides are never up at once (they would share the machine), unless they are URLs.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from tuner.errors import EnvironmentFailure, InputError, Mistake, TrialFailure
from tuner.load.windows import one_rate
from tuner.measure.budget import Needs, divide, fewest
from tuner.measure.common_rate import derive
from tuner.measure.comparison_text import headline
from tuner.measure.model import Window
from tuner.measure.pace import Pace
from tuner.measure.paired import Assessment, Comparison, Pair, Side, Terms, Visit, assess
from tuner.measure.window import Trust, summarize
from tuner.report.data import plain
from tuner.targets.model import Served, SystemUnderTest
from tuner.targets.remote import Remote
from tuner.trials.caveats import caveats
from tuner.trials.load_windows import LoadWindows
from tuner.units import format_rate, format_ratio, format_seconds
from tuner.workload.model import WorkloadSpec

SCHEMA = 2
OnStage = Callable[[str], None]
OnAssessment = Callable[[Assessment], None]

COMPARED = (
    "latency_p50",
    "latency_p90",
    "latency_p95",
    "latency_p99",
    "latency_p99.9",
    "throughput",
    "cpu",
    "memory",
    "startup",
)
"""Metrics that may decide. Error ratios have a guard of their own."""
OF_THE_MACHINE = ("cpu", "memory", "startup")
"""Metrics that are not known of a URL."""
DEFAULT_METRIC = "latency_p50"
"""Where no latency is bounded: it takes least load to tell."""
TIME_S = 60.0
"""Load for each side where nobody says and answers are quick."""
LONGEST_S = 900.0
"""What slow answers take, pair after pair, where that is not needed for the fewest pairs."""
PATIENCE_S = 3600.0
"""Most load for each side of a comparison that goes on until it can be told."""
_ATTEMPTS = 3
"""A window that could not be trusted is measured again: a passing disturbance of the machine is common."""
_OTHER_ARRIVALS = 1_000_003
"""Added to the seed of a window that is measured again, unless the other side has met these arrivals already: a steady
server under few requests now and then looks unsteady by their chance."""
_REFUSALS = 3
"""Pairs in vain before all is given up, if there are far fewer others."""
_IN_VAIN = 2
"""As many times more pairs in vain than others as are put up with."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?(?: [mun]?s)?")
"""In a sentence: what differs from start to start where the sentence is the same."""
_LOG_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareSettings:
    """What is asked of a comparison."""

    pairs: int = 12
    """At most."""
    time_s: float | None = None
    """Most load for each side, warm-ups included; None: `TIME_S`, or what slow answers take."""
    metric: str | None = None
    """The one that decides; None: the latency that the SLO bounds, else `DEFAULT_METRIC`."""
    smallest: float = 0.05
    """Smallest difference of interest, as a share."""
    until_told: bool = False
    """Go on until a difference of that size would be told; `pairs` is not heeded, and `time_s` bounds it where it is
    given, else `PATIENCE_S`."""


class PairRefused(Exception):
    """A window could not be trusted, nor could its repetitions; the text says why."""


class Spent(Exception):
    """The load of a side is used up before its pair is whole; the text says why a window had to be measured again."""


def compare(
    a: SystemUnderTest,
    b: SystemUnderTest,
    settings: CompareSettings,
    *,
    on_stage: OnStage,
    on_terms: Callable[[Terms], None] = lambda _: None,
    on_assessment: OnAssessment = lambda _: None,
) -> Comparison:
    """Measure B against A until it can be told which is better, or the load budget is spent.

    `on_terms` hears under which load, and how much of it at most, before the first pair; `on_assessment` after each pair
    what the pairs so far tell.

    Raises InputError before anything is started where the terms cannot be met; EnvironmentFailure where a side does
    not serve, or its place fails. Windows that cannot be trusted raise nothing: the result says why it is undecided.
    """
    metric = settings.metric or _bounded(a, b) or DEFAULT_METRIC
    _check(a, b, metric, settings)
    sides = _Sides(a, b, on_stage)
    rate_rps, rate_from = _rate(a, b) if metric != "throughput" else (None, "a closed loop has none")
    derived = rate_rps is None and metric != "throughput"
    if derived:
        rate_rps, rate_from = sides.derived_rate()
    try:
        terms = _terms(a, b, settings, metric, rate_rps, rate_from, pace=sides.pace, spent_s=max(sides.load_s))
    except Mistake as mistake:
        if derived:
            raise EnvironmentFailure(str(mistake)) from None
        raise InputError.at("--time", mistake.message, mistake.fix) from None
    on_terms(terms)
    return _Match(sides, terms, on_assessment).play(_unequal(a.workload, b.workload))


def document(found: Comparison) -> dict[str, Any]:
    """The result as plain JSON; the verdict is of B, what was not measured is null. `schema` counts up when a field
    changes its meaning or goes."""
    return {"schema": SCHEMA, "verdict": found.assessment.verdict, "headline": headline(found), **plain(found)}


class _Match:
    """Pair after pair on fixed terms."""

    def __init__(self, sides: _Sides, terms: Terms, on_assessment: OnAssessment) -> None:
        self._sides = sides
        self._terms = terms
        self._on_assessment = on_assessment
        self._pairs: list[Pair] = []
        self._refused: list[str] = []

    def play(self, warnings: list[str]) -> Comparison:
        assessment = self._assess()
        ended = f"all {self._terms.pairs} pairs were measured"
        order = _order(self._terms.seed)
        while len(self._pairs) < self._terms.pairs:
            if self._distrusted:
                ended = f"{len(self._refused)} of {len(self._refused) + len(self._pairs)} pairs could not be trusted"
                break
            try:
                self._pairs.append(self._sides.pair(len(self._pairs) + len(self._refused), next(order), self._terms))
            except PairRefused as refused:
                self._refused.append(str(refused))
                continue
            except Spent as spent:
                self._refused.extend(filter(None, [str(spent)]))
                ended = f"the {format_seconds(self._terms.load_s)} of load for each side were spent"
                break
            assessment = self._assess()
            self._on_assessment(assessment)
            if assessment.verdict != "undecided":
                ended = f"decided after {len(self._pairs)} pairs"
                break
            if self._terms.until_told and assessment.told:
                ended = f"a difference of {format_ratio(self._terms.smallest)} would have been told after {len(self._pairs)} pairs"
                break
        if assessment.verdict == "undecided":
            assessment = self._assess(last=not self._distrusted)
        return Comparison(
            a=self._sides.systems["A"].name,
            b=self._sides.systems["B"].name,
            terms=self._terms,
            assessment=assessment,
            pairs=tuple(self._pairs),
            load_s=self._sides.load_s,
            ended_because=ended,
            refused=tuple(self._refused),
            given_up=self._distrusted,
            warnings=tuple(dict.fromkeys([*warnings, *_warnings(self._pairs, self._terms), *self._sides.notes])),
        )

    @property
    def _distrusted(self) -> bool:
        return len(self._refused) >= _REFUSALS and len(self._refused) > _IN_VAIN * len(self._pairs)

    def _assess(self, *, last: bool = False) -> Assessment:
        terms = self._terms
        latencies = () if terms.rate_rps is None else tuple(name for name in COMPARED if name.startswith("latency_"))
        return assess(
            self._pairs,
            metric=terms.metric,
            smallest=terms.smallest,
            most=terms.pairs,
            last=last,
            until_told=terms.until_told,
            also=(*latencies, *OF_THE_MACHINE),
        )


class _Sides:
    """Both systems, and the load that each was put under."""

    def __init__(self, a: SystemUnderTest, b: SystemUnderTest, on_stage: OnStage) -> None:
        self.systems: dict[Side, SystemUnderTest] = {"A": a, "B": b}
        self._workload = a.workload
        """Its connections and time-outs hold for both."""
        self._on_stage = on_stage
        self.notes: list[str] = []
        """What is not compared of the answers of a side."""
        self._load_s: dict[Side, float] = {"A": 0.0, "B": 0.0}
        self.pace = Pace(workload=self._workload, slo=(*a.slo, *b.slo))
        """By the slowest answers so far."""
        self._warm: set[Side] = set()
        """Sides behind a URL that were put under load before."""

    @property
    def load_s(self) -> tuple[float, float]:
        return self._load_s["A"], self._load_s["B"]

    def derived_rate(self) -> tuple[float, str]:
        """A rate that both can serve, from what the slower one does in a closed loop."""
        capacity = {side: self._capacity(side) for side in self.systems}
        slower = min(capacity, key=lambda side: capacity[side])
        rate_rps = derive(capacity[slower])
        served = format_rate(capacity[slower])
        return rate_rps, f"half of the {served} that {slower}, the slower one, serves in a closed loop"

    def pair(self, number: int, first: Side, terms: Terms) -> Pair:
        """One pair; every `number` has arrival times of its own. Raises PairRefused where one side's windows cannot be
        trusted, and Spent where the load does not suffice: then neither counts.
        """
        visit_s = terms.windows * terms.window_s + (terms.warm_up_s if terms.restarted else 0.0)
        if any(self._left_s(side, terms) < visit_s for side in self.systems):
            raise Spent
        order: tuple[Side, Side] = ("A", "B") if first == "A" else ("B", "A")
        seeds: dict[int, int] = {}
        visits = {side: self._visit(side, number, terms, seeds) for side in order}
        return Pair(a=visits["A"], b=visits["B"], first=first)

    def _capacity(self, side: Side) -> float:
        with self._serving(side, "to derive a rate") as (served, loads):
            self._warm_up(side, served, loads, None)
            before_s = loads.sent_s
            try:
                return loads.closed_loop()
            finally:
                self._load_s[side] += loads.sent_s - before_s
                self._learn(loads.pace)

    def _visit(self, side: Side, number: int, terms: Terms, seeds: dict[int, int]) -> Visit:
        """`seeds`: of the pair's windows, by their number in it; the side that comes first fills it."""
        with self._serving(side, f"pair {number + 1}") as (served, loads):
            self._warm_up(side, served, loads, terms.rate_rps)
            rate = "closed loop" if terms.rate_rps is None else f"measure at {format_rate(terms.rate_rps)}"
            self._on_stage(f"pair {number + 1}, {side}: {rate}")
            meter = served.running.meter()
            first = number * terms.windows
            windows = tuple(self._window(side, loads, terms, first + index, seeds) for index in range(terms.windows))
            return Visit(windows=windows, usage=meter.stop(), startup_s=served.startup_s)

    @contextmanager
    def _serving(self, side: Side, what: str) -> Iterator[tuple[Served, LoadWindows]]:
        """A start of the side. Raises EnvironmentFailure where it fails, or what is done meanwhile."""
        system = self.systems[side]

        def on_stage(stage: str) -> None:
            self._on_stage(f"{what}, {side}: {stage}")

        try:
            with system.serve(on_stage) as served:
                running, generator = served.running, served.generator
                self.notes += [f"{side}: {note}" for note in served.notes]
                loads = LoadWindows(
                    running=running,
                    generator=generator,
                    workload=self._workload,
                    slo=self.pace.slo,
                    on_stage=on_stage,
                    answer_s=served.answer_s,
                )
                yield served, loads
        except TrialFailure as failure:
            logs = "\n".join(failure.logs.splitlines()[-_LOG_LINES:])
            raise EnvironmentFailure(
                f"{side} ({system.name}) failed at {failure.stage}: {failure.kind}, {failure.reason}"
                + (f"\n{logs}" if logs else "")
            ) from None

    def _warm_up(self, side: Side, served: Served, loads: LoadWindows, rate_rps: float | None) -> None:
        """Load that nobody looks at; a server that is not restarted needs it once."""
        if side in self._warm:
            return
        if served.startup_s is None:
            self._warm.add(side)
        before_s = loads.sent_s
        loads.warm_up(rate_rps)
        self._load_s[side] += loads.sent_s - before_s
        self._learn(loads.pace)

    def _learn(self, pace: Pace) -> None:
        """The times of the side that takes longer for an answer hold for both."""
        if pace.answer_s > self.pace.answer_s:
            self.pace = pace

    def _window(self, side: Side, loads: LoadWindows, terms: Terms, index: int, seeds: dict[int, int]) -> Window:
        """One window that can be trusted, under the arrivals that the other side met, if it came first."""
        reasons: tuple[str, ...] = ()
        for attempt in range(_ATTEMPTS):
            if self._left_s(side, terms) < terms.window_s:
                raise Spent(self._why(side, reasons) if reasons else "")
            seed = seeds.get(index, terms.seed + index + attempt * _OTHER_ARRIVALS)
            self._load_s[side] += terms.window_s
            stage = one_rate(self._paced(terms.rate_rps), terms.rate_rps, terms.window_s, seed=seed)
            requests = terms.window_s * (terms.rate_rps or 0.0)
            window = summarize(loads.send(stage), Trust(short=self.pace.short(requests)))
            if not window.untrusted:
                seeds[index] = seed
                return window
            reasons = window.untrusted
        raise PairRefused(self._why(side, reasons))

    def _paced(self, rate_rps: float | None) -> WorkloadSpec:
        if rate_rps is None:
            return replace(self._workload, timeout_s=self.pace.closed_timeout_s(self._workload.connections))
        return self.pace.paced(rate_rps)

    def _why(self, side: Side, reasons: tuple[str, ...]) -> str:
        return f"{side} ({self.systems[side].name}): {'; '.join(reasons)}"

    def _left_s(self, side: Side, terms: Terms) -> float:
        """A hair more than nothing is left where sums of floats come out above their budget."""
        return terms.load_s * (1.0 + 1e-9) - self._load_s[side]


def _order(seed: int) -> Iterator[Side]:
    """Who comes first: blocks of two (ABBA or BAAB), each drawn, so that neither a drift nor a habit favours a side."""
    rng = random.Random(seed)  # noqa: S311 - an order of measurements, no secret
    while True:
        block: list[Side] = ["A", "B"]
        rng.shuffle(block)
        yield from block


def _terms(
    a: SystemUnderTest,
    b: SystemUnderTest,
    settings: CompareSettings,
    metric: str,
    rate_rps: float | None,
    rate_from: str,
    *,
    pace: Pace,
    spent_s: float,
) -> Terms:
    """Raises Mistake where what is left of the load carries too few pairs."""
    workload, warm_up_s = a.workload, pace.alone_s + pace.warm_up_s
    restarted = not (isinstance(a, Remote) and isinstance(b, Remote))
    needs = Needs(
        metric=metric,
        rate_rps=rate_rps,
        warm_up_s=warm_up_s,
        restarted=restarted,
        least_closed_s=pace.rounds_s(0.0),
    )
    load_s = settings.time_s if settings.time_s is not None and not settings.until_told else TIME_S
    if (settings.time_s is None or settings.until_told) and pace.slow:
        all_s = min(needs.load_s(settings.pairs, spent_s), LONGEST_S)
        load_s = max(load_s, all_s, needs.load_s(fewest(settings.pairs), spent_s))
    if settings.until_told:  # windows as ever, and as many pairs of them as the patience lasts
        patience_s = settings.time_s or max(PATIENCE_S, load_s)
        load_s = min(load_s, patience_s)
    pairs, windows, window_s = divide(load_s, spent_s, pairs=settings.pairs, needs=needs)
    if settings.until_told:
        pairs = max(pairs, int((patience_s - spent_s - needs.once_s) / (needs.every_s + windows * window_s)))
        load_s = patience_s
    return Terms(
        metric=metric,
        smallest=settings.smallest,
        rate_rps=rate_rps,
        rate_from=rate_from,
        arrival=one_rate(workload, rate_rps, 1.0, seed=0).arrival,
        connections=workload.connections if rate_rps is None else pace.connections(rate_rps),
        pairs=pairs,
        windows=windows,
        window_s=window_s,
        warm_up_s=warm_up_s,
        load_s=load_s,
        seed=workload.seed,
        restarted=restarted,
        until_told=settings.until_told,
    )


def _rate(a: SystemUnderTest, b: SystemUnderTest) -> tuple[float | None, str]:
    """The rate that the workloads name; None where none does. Raises InputError where they name different ones."""
    rates = {side.name: side.workload.rate_rps for side in (a, b) if side.workload.rate_rps is not None}
    named = set(rates.values())
    if len(named) > 1:
        words = " and ".join(f"{format_rate(rate)} ({name})" for name, rate in rates.items())
        raise InputError.at(
            "--rate", f"the sides name different rates, {words}", "say at which one they are compared: --rate"
        )
    return (named.pop(), "as asked") if named else (None, "")


def _bounded(a: SystemUnderTest, b: SystemUnderTest) -> str | None:
    """The first latency that the SLO of either side bounds."""
    metrics = [constraint.metric for constraint in (*a.slo, *b.slo)]
    return next((metric for metric in metrics if metric.startswith("latency_")), None)


def _check(a: SystemUnderTest, b: SystemUnderTest, metric: str, settings: CompareSettings) -> None:
    if metric not in COMPARED:
        raise InputError.at(
            "--metric", f"{metric!r} cannot decide a comparison", f"choose one of {', '.join(COMPARED)}"
        )
    if metric in OF_THE_MACHINE and any(isinstance(side, Remote) for side in (a, b)):
        raise InputError.at("--metric", f"{metric} of a URL is not known", "compare manifests, or by a latency")
    if not 0.0 < settings.smallest < 1.0:
        message = f"the smallest difference of interest is {format_ratio(settings.smallest)}"
        raise InputError.at("--smallest", message, "write a share above 0 and below 100 %, such as 5%")


def _unequal(a: WorkloadSpec, b: WorkloadSpec) -> list[str]:
    """Where the sides' workloads differ, A's holds for both: said, so that nobody is surprised."""
    names = {"connections": "connections", "timeout_s": "time-out", "arrival": "arrival", "warm_up_s": "warm-up"}
    found = [
        f"the sides name different terms for {word}: {getattr(a, name)} and {getattr(b, name)}; A's was used for both"
        for name, word in names.items()
        if getattr(a, name) != getattr(b, name)
    ]
    if a.shape is not None or b.shape is not None:
        found.append("the workload's shape was left out: the sides were compared at a steady rate")
    return found


def _warnings(pairs: list[Pair], terms: Terms) -> Iterator[str]:
    """What the reader of the result should know, each once, with how many starts (or turns) it was so in."""
    if not terms.restarted:
        yield "URLs are not restarted: by how much restarts of either side differ is not in the intervals"
    for side, visits in (("A", [pair.a for pair in pairs]), ("B", [pair.b for pair in pairs])):
        kinds: dict[str, list[str]] = {}
        for visit in visits:
            found = {caveat for window in visit.windows for caveat in caveats(window, visit.usage)}
            for kind, caveat in {_NUMBER.sub("#", caveat): caveat for caveat in sorted(found)}.items():
                kinds.setdefault(kind, []).append(caveat)
        for of_kind in kinds.values():
            yield f"{side}, in {len(of_kind)} of {len(visits)}: {of_kind[0]}"
