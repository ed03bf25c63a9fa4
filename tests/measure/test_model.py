"""What a measurement says by metric name."""

from __future__ import annotations

import pytest

from tests.builders import measurement, window
from tuner.measure.model import Usage


def test_cpu_time_of_an_answered_request() -> None:
    metrics = measurement(window(achieved_rps=200.0), usage=Usage(cpu_cores=0.5)).metrics()
    assert metrics["cpu_per_request"] == pytest.approx(0.0025)


@pytest.mark.parametrize(("answered_rps", "usage"), [(0.0, Usage(cpu_cores=0.5)), (200.0, Usage())])
def test_it_is_absent_where_nothing_was_answered_or_no_cpu_was_metered(answered_rps: float, usage: Usage) -> None:
    assert "cpu_per_request" not in measurement(window(achieved_rps=answered_rps), usage=usage).metrics()
