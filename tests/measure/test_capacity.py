"""The capacity search against simulated servers whose capacity is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.builders import window
from tests.measure.closed_forms import tail
from tests.measure.queues import Server, constant, exponential
from tuner.measure.capacity import FREE_REPEATS, CapacitySearch, Probe
from tuner.measure.crossing import Exceeded, exceeded
from tuner.measure.model import Window
from tuner.measure.window import Trust, summarize
from tuner.space.model import Constraint
from tuner.statistics.model import Estimate

Measure = Callable[[Probe], Window]
Counted = tuple[Window, tuple[Exceeded, ...]]


def p99(bound: float) -> list[Constraint]:
    return [Constraint(metric="latency_p99", bound=bound)]


def drive(search: CapacitySearch, measure: Measure, most: int = 8 + FREE_REPEATS) -> list[Probe]:
    probes = []
    while (probe := search.next()) is not None:
        probes.append(probe)
        search.observe(measure(probe))
        assert len(probes) <= most
    return probes


def bounded(search: CapacitySearch) -> tuple[Estimate, str]:
    estimate, note = search.result()
    assert estimate is not None, note
    return estimate, note


def simulated(server: Server, rng: np.random.Generator, *, noise: float = 0.0, step_s: float = 2.0) -> Measure:
    measure = counted(server, math.inf, rng, noise, step_s)
    return lambda probe: measure(probe)[0]


def crossing(share_beyond: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(25):
        middle = (low + high) / 2
        low, high = (middle, high) if share_beyond(middle) <= 0.01 else (low, middle)
    return low


MM1 = (Server(exponential(1 / 2000)), 0.010, crossing(lambda r: tail("M/M/1", r / 2000, 2000 * 0.010), 1, 1999))
MM4 = (Server(exponential(1 / 500), 4), 0.020, crossing(lambda r: tail("M/M/4", r / 2000, 500 * 0.020), 1, 1999))
MD1 = (Server(constant(1 / 1000)), 0.006, crossing(lambda r: tail("M/D/1", r / 1000, 1000 * 0.006), 1, 999))


def counted(
    server: Server, bound: float, rng: np.random.Generator, noise: float, step_s: float
) -> Callable[[Probe], Counted]:
    """A window, and how many of its requests were beyond the bound on p99.

    Each meets the server a little slower or faster, as restarts and neighbours do.
    """

    def measure(probe: Probe) -> Counted:
        pace = float(rng.lognormal(0.0, noise))
        noisy = replace(server, service=lambda r, n: server.service(r, n) * pace)
        if probe.rate_rps is None:
            return summarize(noisy.closed_loop(rng, probe.connections, step_s)), ()
        seen = noisy.open_loop(rng, probe.rate_rps, step_s)
        found = summarize(seen)
        return found, exceeded(seen, p99(bound), found.warm_up_s)

    return measure


def searched(measure: Callable[[Probe], Counted], bound: float, start_rps: float) -> tuple[Estimate | None, str, int]:
    window, over = measure(Probe(rate_rps=start_rps, connections=32))
    search, windows = CapacitySearch(p99(bound), first=window, first_over=over), 1
    while (probe := search.next()) is not None:
        search.observe(*measure(probe))
        windows += 1
    return *search.result(), windows


@pytest.mark.parametrize("start", [0.3, 0.5, 1.2])
@pytest.mark.parametrize(
    ("server", "noise"), [(MM1, 0.0), (MM4, 0.0), (MD1, 0.0), (MM1, 0.02)], ids=["M/M/1", "M/M/4", "M/D/1", "noisy"]
)
def test_the_capacity_is_found(server: tuple[Server, float, float], noise: float, start: float) -> None:
    queue, bound, truth = server
    seeds, near, covered, windows = 20, 0, 0, 0
    for seed in range(seeds):
        measure = counted(queue, bound, np.random.default_rng(seed), noise, 2.0)
        estimate, note, count = searched(measure, bound, round(start * truth))
        assert estimate is not None, note
        windows += count
        near += truth / 1.15 <= estimate.value <= truth * 1.15
        covered += (estimate.low or 0.0) <= truth <= (estimate.high or math.inf)
    assert near / seeds >= 0.8
    assert covered / seeds >= 0.85
    assert windows / seeds <= 8.0


def test_few_requests_a_window_do_not_make_it_much_too_high() -> None:
    """Some three hundred requests each: their own p99 is mostly too low, and was believed once."""
    ratios, covered = [], 0
    bound = 0.080
    truth = crossing(lambda r: tail("M/M/4", r / 500, 125 * bound), 1, 499)
    for seed in range(30):
        measure = counted(Server(exponential(1 / 125), 4), bound, np.random.default_rng(seed), 0.0, 1.0)
        estimate, _, _ = searched(measure, bound, round(0.5 * truth))
        if estimate is not None:
            ratios.append(estimate.value / truth)
            covered += (estimate.low or 0.0) <= truth <= (estimate.high or math.inf)
            assert (estimate.low or 0.0) <= estimate.value <= (estimate.high or math.inf)
    assert len(ratios) >= 28
    assert 0.93 <= float(np.median(ratios)) <= 1.08
    assert covered / len(ratios) >= 0.85


def test_without_a_first_window_the_closed_loop_leads() -> None:
    queue, bound, truth = MM1
    search = CapacitySearch(p99(bound), connections=16)
    probes = drive(search, simulated(queue, np.random.default_rng(0)))
    assert probes[0] == Probe(rate_rps=None, connections=16)
    estimate, note = bounded(search)
    assert estimate.value == pytest.approx(truth, rel=0.15)
    assert note.startswith("bounded at ")
    assert "latency_p99" in note


@pytest.mark.parametrize("seed", range(5))
def test_without_any_slo_saturation_bounds_it(seed: int) -> None:
    search = CapacitySearch([])
    drive(search, simulated(Server(constant(1 / 1000)), np.random.default_rng(seed)))
    estimate, note = bounded(search)
    assert estimate.value == pytest.approx(1000, rel=0.15)
    assert "saturated" in note


def law(p99_s: Callable[[float], float], capacity: float = 1000.0, **changes: object) -> Measure:
    """A server without noise: its p99 by the rate, the interval five percent to each side."""

    def measure(probe: Probe) -> Window:
        if probe.rate_rps is None:
            return window(offered_rps=0.0, achieved_rps=capacity, latency_s={}, backlog_rps=None)
        value = p99_s(probe.rate_rps)
        estimate = Estimate(value=value, low=value * 0.95, high=value * 1.05)
        rate = probe.rate_rps
        return window(
            offered_rps=rate, achieved_rps=min(rate, capacity), latency_s={"latency_p99": estimate}, **changes
        )

    return measure


@pytest.mark.parametrize("knee", [60.0, 200.0, 700.0, 1500.0])
def test_a_cliff_is_bracketed_wherever_it_stands(knee: float) -> None:
    """No line fits a cliff: the search must close in all the same, below, at and beyond what the closed loop says."""
    search = CapacitySearch(p99(0.1))
    drive(search, law(lambda rate: 0.01 if rate <= knee else 1.0))
    estimate, note = bounded(search)
    assert estimate.high is not None, note
    assert estimate.value <= knee < estimate.high <= 1.4 * estimate.value


def test_an_even_law_takes_few_windows() -> None:
    search = CapacitySearch(
        p99(0.1), first=law(lambda rate: 1 / max(1e-3, 1000 - rate))(Probe(rate_rps=500, connections=1))
    )
    probes = drive(search, law(lambda rate: 1 / max(1e-3, 1000 - rate)))
    estimate, _ = bounded(search)
    assert estimate.high is not None
    assert estimate.value <= 990 <= estimate.high <= 1.1 * estimate.value
    assert len(probes) <= 4


def test_too_few_connections_do_not_hide_capacity() -> None:
    search = CapacitySearch(p99(0.1), max_steps=10)
    measure = law(lambda rate: 1 / max(1e-3, 1000 - rate), capacity=1000.0)
    while (probe := search.next()) is not None:
        seen = measure(probe)
        search.observe(replace(seen, achieved_rps=400.0) if probe.rate_rps is None else seen)
    estimate, _ = bounded(search)
    assert estimate.value > 700
    assert not estimate.is_least


def test_even_the_lowest_rate_failed() -> None:
    search = CapacitySearch(p99(0.1))
    probes = drive(search, law(lambda rate: 5.0))
    estimate, note = search.result()
    assert estimate is None
    assert note.startswith("even the lowest rate tried, ")
    assert "latency_p99 of 5 s" in note
    assert min(probe.rate_rps for probe in probes if probe.rate_rps) < 100


def late(limit: float) -> Measure:
    fine = law(lambda rate: 0.01)

    def measure(probe: Probe) -> Window:
        seen = fine(probe)
        if seen.offered_rps <= limit:
            return seen
        return replace(seen, untrusted=("the load generator was late",), generator_limited=True)

    return measure


def test_the_generators_limit_is_never_the_servers() -> None:
    search = CapacitySearch(p99(0.1))
    drive(search, late(600.0))
    estimate, note = bounded(search)
    assert 500 < estimate.value <= 600
    assert (estimate.high, estimate.is_least) == (None, True)
    assert note.startswith("the load generator's limit was reached before the server's, at ")
    assert note.endswith("the load generator was late")


def test_a_generator_that_was_late_once_bounds_nothing() -> None:
    fine = law(lambda rate: 0.01 if rate < 800 else 1.0)
    hiccups = iter([False, False, True, False, True, False, True])

    def measure(probe: Probe) -> Window:
        seen = fine(probe)
        if probe.rate_rps is None or not next(hiccups, False):
            return seen
        return replace(seen, untrusted=("the load generator was late",), generator_limited=True)

    search, plain = CapacitySearch(p99(0.1)), CapacitySearch(p99(0.1))
    probes, undisturbed = drive(search, measure), drive(plain, fine)
    assert len(probes) <= len(undisturbed) + 3
    assert not bounded(search)[0].is_least
    assert bounded(search)[0].value == pytest.approx(bounded(plain)[0].value, rel=0.1)


def test_a_stall_far_below_the_knee_bounds_nothing() -> None:
    fine = law(lambda rate: 0.01 if rate < 800 else 1.0)
    stalls = iter([False, True])

    def measure(probe: Probe) -> Window:
        stalled = probe.rate_rps is not None and next(stalls, False)
        return law(lambda _: 0.15)(probe) if stalled else fine(probe)

    search, plain = CapacitySearch(p99(0.1)), CapacitySearch(p99(0.1))
    drive(search, measure)
    drive(plain, fine)
    assert bounded(search)[0].value == pytest.approx(bounded(plain)[0].value, rel=0.1)


def test_a_generator_that_never_keeps_up_yields_nothing() -> None:
    search = CapacitySearch(p99(0.1))
    drive(search, late(0.0))
    estimate, note = search.result()
    assert estimate is None
    assert "nothing can be said: the load generator was late" in note


def test_an_untrusted_window_is_measured_again() -> None:
    fine = law(lambda rate: 0.01 if rate < 800 else 1.0)
    spoiled = iter([True])

    def measure(probe: Probe) -> Window:
        seen = fine(probe)
        if probe.rate_rps is not None and next(spoiled, False):
            return replace(seen, latency_s={}, untrusted=("never steady",))
        return seen

    search = CapacitySearch(p99(0.1))
    probes = drive(search, measure)
    assert probes[1] == probes[2]
    estimate, _ = bounded(search)
    assert 600 < estimate.value < 800


def test_a_dead_server_is_not_searched() -> None:
    search = CapacitySearch(p99(0.1))
    probes = drive(search, law(lambda rate: 1.0, capacity=0.0))
    assert len(probes) == 1
    assert search.result() == (None, "no offered rate was tried: the closed loop got no good answer")


def test_steps_are_bounded_and_next_may_be_asked_twice() -> None:
    search = CapacitySearch(p99(0.1), max_steps=2)
    assert search.next() == search.next()
    assert len(drive(search, law(lambda rate: 0.01 if rate < 300 else 1.0))) == 2
    estimate, _ = search.result()
    assert search.next() is None
    assert estimate is None


def test_no_rate_beyond_what_filled_the_server_is_its_capacity() -> None:
    """A window of a slow server ends before its backlog breaks the bound."""
    slow = Server(constant(2.5), servers=16, timeout_s=math.inf)
    slo = (Constraint(metric="latency_p99", bound=60.0),)
    search = CapacitySearch(slo)
    rng = np.random.default_rng(3)
    while (probe := search.next()) is not None:
        if probe.rate_rps is None:
            search.observe(summarize(slow.closed_loop(rng, 32, 20.0), Trust(short=True)), full=True)
        else:
            samples = slow.open_loop(rng, probe.rate_rps, 16.0)
            search.observe(summarize(samples, Trust(short=True)), exceeded(samples, slo))
    found, note = search.result()
    assert found is not None
    assert 5.5 < found.value <= 6.4 + 1e-6
    assert found.high == pytest.approx(6.4)
    assert "a backlog grows" in note
