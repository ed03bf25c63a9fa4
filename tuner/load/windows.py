"""From a workload to its load windows."""

from __future__ import annotations

from dataclasses import replace

from tuner.load.model import LoadWindow
from tuner.workload.intensity import Intensity
from tuner.workload.model import WorkloadSpec
from tuner.workload.shapes import Trace


def steady(workload: WorkloadSpec, rate_rps: float, duration_s: float, *, seed: int) -> LoadWindow:
    """Open loop at one rate, with the workload's gaps; a workload that has none (closed loop, trace) gets Poisson's."""
    return LoadWindow(
        arrival="poisson" if workload.arrival == "closed" else workload.arrival,
        cv=workload.cv,
        rate_rps=rate_rps,
        duration_s=duration_s,
        connections=workload.connections,
        timeout_s=workload.timeout_s,
        seed=seed,
    )


def closed(
    workload: WorkloadSpec, duration_s: float, *, connections: int | None = None, think_s: float = 0.0, seed: int
) -> LoadWindow:
    """Closed loop of so many connections; None: all of the workload's."""
    return LoadWindow(
        arrival="closed",
        think_s=think_s,
        duration_s=duration_s,
        connections=workload.connections if connections is None else connections,
        timeout_s=workload.timeout_s,
        seed=seed,
    )


def one_rate(workload: WorkloadSpec, rate_rps: float | None, duration_s: float, *, seed: int) -> LoadWindow:
    """Open loop at the rate; None: closed loop of all connections."""
    if rate_rps is None:
        return closed(workload, duration_s, seed=seed)
    return steady(workload, rate_rps, duration_s, seed=seed)


def as_asked(workload: WorkloadSpec, rate_rps: float, duration_s: float, *, seed: int) -> LoadWindow:
    """The window that the workload describes: its shape, its trace or its closed loop, else one rate.

    `rate_rps` is the rate where it has one rate, what its shape is a multiple of where that is relative, and has no
    say otherwise. Raises ValueError for a trace of which nothing is due in `duration_s`.
    """
    shape = workload.shape
    if workload.arrival == "closed":
        return closed(workload, duration_s, think_s=workload.think_s, seed=seed)
    if shape is None:
        return steady(workload, rate_rps, duration_s, seed=seed)
    if isinstance(shape, Trace):
        due_s = tuple(at_s for at_s in shape.due_s if at_s <= duration_s)
        recorded = steady(workload, len(due_s) / duration_s, duration_s, seed=seed)
        return replace(recorded, arrival="trace", cv=1.0, due_s=due_s, picks=shape.payloads[: len(due_s)])
    unit = rate_rps if shape.relative else 1.0
    profile = tuple((at_s, level * unit) for at_s, level in shape.corners(duration_s))
    return replace(steady(workload, Intensity(profile).mean(duration_s), duration_s, seed=seed), profile=profile)
