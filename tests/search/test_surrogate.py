"""Beliefs: in the logarithm, of a quiet machine, with bounds and pending trials taken for what they are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.builders import parameter, space_of
from tuner.search.encoding import Encoding
from tuner.search.model import Observation
from tuner.search.surrogate import Surrogate, logarithm
from tuner.space.model import Choices, Configuration, IntRange

ENCODING = Encoding(space_of([parameter("workers", IntRange(low=1, high=8))]))


def of(workers: int) -> Configuration:
    return Configuration(values={"workers": workers})


def seen(workers: int, throughput: float, **others: Any) -> Observation:
    return Observation(configuration=of(workers), metrics={"throughput": throughput}, **others)


def fit(*observations: Observation) -> Surrogate:
    return Surrogate.fit(ENCODING, observations, ["throughput", "latency_p99"])


def believed(surrogate: Surrogate, workers: int) -> tuple[float, float]:
    belief = surrogate.believe("throughput", (of(workers),))
    return math.exp(belief.mean[0]), float(belief.sd[0])


def test_what_was_measured_is_believed_in_the_logarithm() -> None:
    surrogate = fit(seen(1, 100), seen(2, 190), seen(8, 500))
    assert believed(surrogate, 2)[0] == pytest.approx(190, rel=0.1)
    assert believed(surrogate, 5)[1] > believed(surrogate, 8)[1]


def test_what_was_never_measured_is_not_known() -> None:
    surrogate = fit(seen(1, 100), Observation(configuration=of(2), lived=False, failure="OOMKilled"))
    assert surrogate.knows("throughput")
    assert not surrogate.knows("latency_p99")
    with pytest.raises(KeyError):
        surrogate.believe("latency_p99", (of(1),))


def test_a_bound_is_believed_to_lie_beyond_itself() -> None:
    least = seen(4, 200, beyond=frozenset({"throughput"}))
    told, bound = fit(seen(1, 100), seen(8, 800), seen(4, 200)), fit(seen(1, 100), seen(8, 800), least)
    assert believed(bound, 4)[0] > 1.1 * believed(told, 4)[0]


def test_a_trial_under_way_is_taken_to_be_what_is_expected() -> None:
    done = (seen(1, 100), seen(2, 190))
    before, after = fit(*done), fit(*done, Observation(configuration=of(8), lived=None))
    assert believed(after, 8)[0] == pytest.approx(believed(before, 8)[0], rel=1e-6)
    assert believed(after, 8)[1] < believed(before, 8)[1]


def test_a_slow_machine_is_taken_out() -> None:
    surrogate = fit(
        seen(2, 200), seen(2, 100, speed=0.5), seen(4, 300), seen(4, 150, speed=0.5), seen(8, 250, speed=0.5)
    )
    assert believed(surrogate, 8)[0] == pytest.approx(500, rel=0.1)
    drift = surrogate.drift("throughput", [0.0, 0.0, 0.0], [0.5, 1.0, None])
    assert np.exp(drift) == pytest.approx([0.5, 1.0, 1.0], rel=0.05)


def test_a_latency_is_corrected_by_the_speed_of_its_own_window() -> None:
    both = {"throughput": 100.0, "latency_p99": 0.05}
    one = Observation(configuration=of(2), metrics=both, speed=0.5, speeds={"latency_p99": 1.0})
    believed_s = math.exp(fit(one).believe("latency_p99", (of(2),)).mean[0])
    assert believed_s == pytest.approx(0.05)
    assert believed(fit(one), 2)[0] == pytest.approx(200)


def test_on_a_machine_that_was_never_quiet_hardly_more_than_proportion_is_believed() -> None:
    """An error of the speed looks like another power of it, and to the quiet machine it is far."""
    speeds = (0.18, 0.20, 0.22, 0.25, 0.19, 0.21, 0.24, 0.26)
    steeper = [500 * speed * (speed / 0.22) ** 1.2 for speed in speeds]
    surrogate = fit(*(seen(4, value, speed=speed) for value, speed in zip(steeper, speeds, strict=True)))
    assert believed(surrogate, 4)[0] < 2 * 500


def test_one_absurd_value_does_not_outweigh_many() -> None:
    honest = [seen(workers, 100 * workers**0.5) for workers in (1, 2, 3, 4, 5, 6, 7, 8) for _ in range(2)]
    surrogate = fit(*honest, seen(4, 2))
    assert believed(surrogate, 4)[0] == pytest.approx(200, rel=0.25)


def test_restarts_tell_how_far_one_is_from_the_next() -> None:
    rng = np.random.default_rng(0)
    observations = [seen(workers, 100 * math.exp(rng.normal(0, 0.2))) for workers in (1, 3, 5, 8) for _ in range(5)]
    assert fit(*observations).noise_sd("throughput") == pytest.approx(0.2, rel=0.4)


def test_joint_beliefs_have_the_doubts_of_the_single_ones() -> None:
    surrogate = fit(seen(1, 100), seen(2, 190), seen(8, 500))
    mean, covariance = surrogate.joint("throughput", (of(4), of(5)))
    belief = surrogate.believe("throughput", (of(4), of(5)))
    assert mean == pytest.approx(belief.mean)
    assert np.sqrt(np.diag(covariance)) == pytest.approx(belief.sd, rel=1e-3)
    assert covariance[0, 1] > 0


def test_no_errors_at_all_have_a_logarithm_too() -> None:
    assert logarithm("error_ratio", 0.0) == math.log(1e-4)
    assert logarithm("latency_p99", 0.02) == math.log(0.02)


def test_the_same_observations_give_the_same_beliefs() -> None:
    done = [seen(workers, 100.0 + workers) for workers in range(1, 9)]
    assert believed(fit(*done), 3) == believed(fit(*done), 3)


def test_more_cpus_are_expected_to_serve_more_until_trials_say_otherwise() -> None:
    replicas = parameter("replicas", IntRange(low=1, high=4), "replicas")
    cpu = parameter("cpu", Choices(values=("500m", "1", "2")), "limits/cpu", "requests/cpu")
    threads = parameter("threads", IntRange(low=1, high=8), "env/THREADS")
    encoding = Encoding(space_of([replicas, cpu, threads]))

    def at(replicas: int, cpu: str) -> Configuration:
        return Configuration(values={"replicas": replicas, "cpu": cpu, "threads": 2})

    def measured(replicas: int, cpu: str, throughput: float) -> Observation:
        metrics = {"throughput": throughput, "latency_p99": 0.02}
        return Observation(configuration=at(replicas, cpu), metrics=metrics)

    def ratio(metric: str, *observations: Observation) -> float:
        surrogate = Surrogate.fit(encoding, observations, ["throughput", "latency_p99"])
        small, large = surrogate.believe(metric, (at(1, "1"), at(4, "2"))).mean
        return math.exp(large - small)

    assert ratio("throughput", measured(1, "1", 100)) == pytest.approx(8**0.7, rel=0.05)
    assert ratio("latency_p99", measured(1, "1", 100)) == pytest.approx(1.0, rel=0.05)
    flat = [measured(1, "500m", 100), measured(1, "1", 100), measured(2, "1", 101), measured(4, "2", 99)]
    assert ratio("throughput", *flat) == pytest.approx(1.0, rel=0.1)
