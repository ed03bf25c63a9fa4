"""Raw and corrected values, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.search.drift import MOST, Corrected, Proportional, corrected
from tuner.search.model import Observation
from tuner.space.model import Configuration
from tuner.statistics.model import FloatArray


def seen(speed: float | None, at_s: float = 0.0, **metrics: float) -> Observation:
    configuration = Configuration(values={"workers": 1})
    return Observation(configuration=configuration, metrics=MappingProxyType(metrics), speed=speed, at_s=at_s)


def factors(found: Mapping[str, Corrected]) -> dict[str, float]:
    return {metric: round(value.factor, 6) for metric, value in found.items()}


def test_rates_and_times_follow_the_speed_and_what_is_paid_does_not() -> None:
    found = corrected(seen(0.5, throughput=200.0, latency_p99=0.1, cost=1.0, memory=100.0), Proportional())
    assert factors(found) == {"throughput": 2.0, "latency_p99": 0.5, "cost": 1.0, "memory": 1.0}
    assert found["throughput"].raw == 200.0, "the measured value stays"
    assert found["throughput"].corrected == pytest.approx(400.0)
    assert not found["cost"].worth_showing


def test_others_who_take_the_cpu_do_not_make_a_request_use_more_of_it() -> None:
    assert factors(corrected(seen(0.5, cpu_per_request=0.004), Proportional())) == {"cpu_per_request": 1.0}


def test_where_nobody_looked_nothing_is_taken_out() -> None:
    assert factors(corrected(seen(None, throughput=200.0), Proportional())) == {"throughput": 1.0}


def test_a_large_correction_is_not_trusted() -> None:
    assert corrected(seen(0.55, throughput=200.0), Proportional())["throughput"].trusted
    assert not corrected(seen(0.45, throughput=200.0), Proportional())["throughput"].trusted
    assert not corrected(seen(0.45, latency_p99=0.1), Proportional())["latency_p99"].trusted
    assert MOST == 2.0


def test_a_model_tells_of_the_hour_as_well_and_not_of_what_it_does_not_know() -> None:
    class ByTheHour:
        def drift(self, metric: str, at_s: Sequence[float], speed: Sequence[float | None]) -> FloatArray:
            if metric != "throughput":
                raise KeyError(metric)
            return np.log1p(np.asarray(at_s) / 3600.0)

    found = corrected(seen(1.0, at_s=3600.0, throughput=200.0, latency_p99=0.1), ByTheHour())
    assert {metric: value.corrected for metric, value in found.items()} == pytest.approx({"throughput": 100.0})


def test_what_is_nothing_has_no_ratio() -> None:
    assert corrected(seen(0.5, error_ratio=0.0), Proportional()) == {}


@given(st.floats(0.05, 1.0), st.floats(1e-3, 1e6))
def test_a_slower_machine_never_makes_a_rate_smaller(speed: float, value: float) -> None:
    found = corrected(seen(speed, throughput=value), Proportional())["throughput"]
    assert found.corrected >= found.raw * (1 - 1e-12)
    assert found.factor == pytest.approx(1.0 / speed)
