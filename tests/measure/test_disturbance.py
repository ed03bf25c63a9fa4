"""Disturbances put into simulated queues are told, with their cause; undisturbed queues are left in peace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.measure.queues import Server, constant, exponential, finish_times, samples
from tuner.measure.disturbance import disturbances
from tuner.measure.model import Usage
from tuner.measure.samples import Samples
from tuner.statistics.model import FloatArray


def stalled(
    rng: np.random.Generator, starts: Sequence[float], length_s: float, *, rate: float = 400.0, window_s: float = 10.0
) -> Samples:
    """A queue whose server does nothing for `length_s` from each of `starts` on."""
    n = rng.poisson(rate * window_s)
    due = np.sort(rng.uniform(0.0, window_s, n))
    begins = np.asarray(starts, dtype=np.float64)

    def worked(at: FloatArray) -> FloatArray:
        lost = np.clip(at[:, None] - begins[None, :], 0.0, length_s).sum(axis=1)
        return at - lost

    done = finish_times(worked(due), rng.exponential(0.001, n), 1)
    finished = done + length_s * np.searchsorted(worked(begins), done)
    return samples(due, finished, window_s=window_s, offered_rps=rate)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.mark.parametrize("load", [0.3, 0.7, 0.9])
@pytest.mark.parametrize("service", [exponential, constant])
def test_an_undisturbed_queue_is_left_in_peace(load: float, service) -> None:  # type: ignore[no-untyped-def]
    told = 0
    for seed in range(60):
        one = Server(service(0.001)).open_loop(np.random.default_rng(seed), load * 1000.0, 4.0)
        told += bool(disturbances(one))
    assert told <= 2


def test_evenly_spaced_stalls_are_garbage_collections(rng: np.random.Generator) -> None:
    (said,) = disturbances(stalled(rng, np.arange(0.35, 10.0, 1.3), 0.08))
    assert said.startswith("periodic stalls of ")
    assert " every 1.3 s, " in said
    assert said.endswith(" in all, as garbage collection makes")
    length_ms = float(said.split()[3])
    assert length_ms == pytest.approx(80.0, rel=0.1)


def test_evenly_spaced_stalls_of_a_throttled_server_are_its_limits(rng: np.random.Generator) -> None:
    seen = stalled(rng, np.arange(0.25, 10.0, 0.5), 0.04, rate=300.0)
    (said,) = disturbances(seen, Usage(throttled_ratio=0.3))
    assert "every 500 ms" in said
    assert said.endswith("as the CPU limit makes: the CPU limit throttled the server in 30 % of the periods")


def test_one_long_stall_is_told_with_what_was_watched(rng: np.random.Generator) -> None:
    seen = stalled(rng, [4.0], 0.5)
    (said,) = disturbances(seen)
    assert said.startswith("the server stood still once, up to ")
    assert said.endswith("nothing that was watched tells why")
    (said,) = disturbances(seen, Usage(others_cores=0.7))
    assert said.endswith("other programs used 0.7 cores of the servers' CPUs")
    (said,) = disturbances(seen, Usage(throttled_ratio=0.4))
    assert said.endswith("the CPU limit throttled the server in 40 % of the periods")


def test_stalls_at_random_are_not_called_periodic(rng: np.random.Generator) -> None:
    periodic = 0
    for _ in range(40):
        starts = np.sort(rng.uniform(0.2, 9.5, 7))
        starts = starts[np.append(True, np.diff(starts) > 0.15)]
        periodic += any("periodic" in said for said in disturbances(stalled(rng, starts, 0.05)))
    assert periodic <= 2


def test_a_generator_that_was_held_up_accuses_itself(rng: np.random.Generator) -> None:
    seen = Server(exponential(0.001)).open_loop(rng, 400.0, 10.0)
    due = seen.scheduled_s
    held = np.where((due > 3.0) & (due < 3.3), 3.3, due)
    late = replace(seen, sent_s=held, finished_s=held + (seen.finished_s - due))
    (said,) = disturbances(late)
    assert said.startswith("the load generator itself was held up once, for up to ")
    assert said.endswith("not the server's doing")


def test_one_replica_that_stalls_is_named(rng: np.random.Generator) -> None:
    n = 4000
    due = np.sort(rng.uniform(0.0, 10.0, n))
    replica = rng.integers(0, 2, n)
    stuck = (replica == 1) & (due > 5.0) & (due < 5.4)
    finished = np.where(stuck, 5.4, due) + rng.exponential(0.002, n)
    (said,) = disturbances(samples(due, finished, window_s=10.0, offered_rps=400.0, replica=replica))
    assert said.startswith("answers were slow once")
    assert said.endswith("only replica 1 did it, the others answered meanwhile")


@pytest.mark.parametrize(("factor", "word"), [(3.0, "rose"), (1 / 3, "fell")])
def test_a_drift_is_told_with_its_size(rng: np.random.Generator, factor: float, word: str) -> None:
    n = 4000
    due = np.linspace(0.0, 10.0, n)
    latency = rng.exponential(0.01, n) * (1.0 + (factor - 1.0) * due / 10.0)
    (said,) = disturbances(samples(due, due + latency, window_s=10.0, offered_rps=400.0))
    assert said.startswith(f"the latencies {word}, their median from ")


def test_a_mix_of_quick_and_slow_requests_is_no_disturbance(rng: np.random.Generator) -> None:
    service = lambda r, n: np.where(r.random(n) < 0.1, 0.030, 0.001)  # noqa: E731
    for servers, rate in ((1, 100.0), (16, 1500.0)):
        assert disturbances(Server(service, servers).open_loop(rng, rate, 5.0)) == ()


def test_restarts_are_told(rng: np.random.Generator) -> None:
    seen = Server(exponential(0.001)).open_loop(rng, 400.0, 5.0)
    assert disturbances(seen, Usage(restarts=2)) == (
        "the server restarted 2 times within the window: part of the latencies are its start",
    )


def test_a_few_requests_tell_nothing() -> None:
    assert disturbances(samples(np.zeros(0), np.zeros(0), window_s=1.0, offered_rps=5.0)) == ()
