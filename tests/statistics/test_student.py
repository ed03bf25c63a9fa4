from __future__ import annotations

import pytest

from tuner.statistics.student import normal_point, student_point


@pytest.mark.parametrize(
    ("degrees", "point"), [(2, 4.30265), (3, 3.18245), (5, 2.57058), (10, 2.22814), (30, 2.04227), (1e7, 1.95996)]
)
def test_points_are_those_of_the_tables(degrees: float, point: float) -> None:
    assert student_point(0.05, degrees) == pytest.approx(point, rel=1e-3)


def test_points_fall_with_degrees_and_with_the_probability() -> None:
    points = [student_point(0.01, degrees) for degrees in (2, 2.5, 3.7, 8, 20, 400)]
    assert points == sorted(points, reverse=True)
    assert student_point(0.01, 6) > student_point(0.02, 6) > normal_point(0.02)


@pytest.mark.parametrize(("miss", "degrees"), [(0.05, 1.5), (0.0, 5), (1.0, 5)])
def test_what_it_is_not_for_is_refused(miss: float, degrees: float) -> None:
    with pytest.raises(ValueError, match="no point of Student's t"):
        student_point(miss, degrees)
