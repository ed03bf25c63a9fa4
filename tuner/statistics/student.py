"""Points of Student's and the normal distribution, for intervals whose variance is itself an estimate."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist


@cache
def normal_point(miss: float) -> float:
    """What a standard normal exceeds in size with probability `miss`: 1.96 for 0.05."""
    return NormalDist().inv_cdf(1.0 - miss / 2.0)


@cache
def student_point(miss: float, degrees: float) -> float:
    """What Student's t with `degrees` (a real number, at least 2) of freedom exceeds in size with probability `miss`.

    Hill, *Algorithm 396: Student's t-quantiles*, Communications of the ACM 13(10), 1970: exact to a tenth of a percent
    at 2 degrees, and to five digits from 5 on. Raises ValueError outside of its domain.
    """
    if not (0.0 < miss < 1.0 and degrees >= 2.0):
        raise ValueError(f"no point of Student's t for a probability of {miss!r} and {degrees!r} degrees of freedom")
    if degrees > 1e6:
        return normal_point(miss)
    a = 1.0 / (degrees - 0.5)
    b = 48.0 / a**2
    c = ((20700.0 * a / b - 98.0) * a - 16.0) * a + 96.36
    d = ((94.5 / (b + c) - 3.0) / b + 1.0) * math.sqrt(a * math.pi / 2.0) * degrees
    y = (d * miss) ** (2.0 / degrees)
    if y > 0.05 + a:
        x = -normal_point(miss)
        y = x**2
        if degrees < 5.0:
            c += 0.3 * (degrees - 4.5) * (x + 0.6)
        c += (((0.05 * d * x - 5.0) * x - 7.0) * x - 2.0) * x + b
        y = (((((0.4 * y + 6.3) * y + 36.0) * y + 94.5) / c - y - 3.0) / b + 1.0) * x
        y = math.expm1(a * y**2)
    else:
        tail = ((degrees + 6.0) / (degrees * y) - 0.089 * d - 0.822) * (degrees + 2.0) * 3.0
        y = ((1.0 / tail + 0.5 / (degrees + 4.0)) * y - 1.0) * (degrees + 1.0) / (degrees + 2.0) + 1.0 / y
    return math.sqrt(degrees * y)
