"""How a workload's requests arrive, put together from what was said: gaps, a shape or a trace, a rate, a duration."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from tuner.errors import InputError, Mistake, Problem, Where
from tuner.units import format_seconds
from tuner.workload.intensity import Intensity
from tuner.workload.length import Length
from tuner.workload.model import WorkloadSpec
from tuner.workload.shapes import Gaps, Rated, ShapeError, ShapeMistake, Trace, parse_arrival, parse_shape, spelled
from tuner.workload.trace import read_trace


def with_arrivals(
    workload: WorkloadSpec,
    *,
    arrival: str | None,
    shape: str | None,
    rate_rps: float | None,
    duration_s: float | None,
    most_s: float | None = None,
) -> WorkloadSpec:
    """The workload with what the command line says instead, in the compact spelling (None: it does not say).

    What is given replaces what of the workload contradicts it; `most_s` is the most where `duration_s` is the least of
    a measurement that ends when it is sure. Raises InputError with every problem.
    """
    gaps, new = _spelled(workload, arrival, shape)
    kept = workload.shape if new is None and gaps.arrival != "closed" else None
    if (isinstance(kept, Trace) and arrival is not None) or (_own_rates(kept) and rate_rps is not None):
        kept = None
    given = {"arrival": arrival, "shape": shape, "rate": rate_rps, "duration": duration_s}
    keys = {key for key, value in given.items() if value is not None}
    length = None if duration_s is None else Length(least_s=duration_s, most_s=most_s, within=workload.within)
    problems = [m.at(_option(m.key or "shape")) for m in contradictions(gaps, new or kept, keys, length)]
    if problems:
        raise InputError(problems)
    common_rps = None if _own_rates(workload.shape) else workload.rate_rps
    usual = Length(least_s=workload.duration_s, most_s=workload.most_s, within=workload.within)
    if new is not None:
        usual = Length(least_s=new.length_s)
    return arriving(workload, gaps, new or kept, rate_rps or common_rps, length or usual)


def _spelled(workload: WorkloadSpec, arrival: str | None, shape: str | None) -> tuple[Gaps, Rated | Trace | None]:
    problems: list[Problem] = []
    gaps, new = Gaps(arrival=workload.arrival, cv=workload.cv, think_s=workload.think_s), None
    try:
        gaps = parse_arrival(arrival) if arrival is not None else gaps
    except Mistake as mistake:
        problems.append(mistake.at(_option("arrival")))
    try:
        names = [source.path.name for source in workload.requests]
        new = None if shape is None else parse_shape(shape, lambda file: read_trace(Path(file), names))
    except ShapeError as error:
        problems += [mistake.at(_option("shape")) for mistake in error.mistakes]
    except InputError as error:
        problems += error.problems
    if problems:
        raise InputError(problems)
    if new is not None and arrival is None and gaps.arrival == "closed":
        gaps = Gaps()
    return gaps, new


def _option(name: str) -> Where:
    return Where(file=f"--{name}")


def described(workload: WorkloadSpec) -> str:
    """``poisson``, ``gamma:cv=2 spike:1x..3x,after=10s,for=5s``, ``trace:arrivals.csv``, ``closed:think=0.2s``."""
    if isinstance(workload.shape, Trace):
        return spelled(workload.shape)
    options = {"gamma": f":cv={workload.cv:g}", "closed": f":think={workload.think_s:g}s" if workload.think_s else ""}
    gaps = workload.arrival + options.get(workload.arrival, "")
    return gaps if workload.shape is None else f"{gaps} {spelled(workload.shape)}"


def arriving(
    workload: WorkloadSpec, gaps: Gaps, shape: Rated | Trace | None, rate_rps: float | None, length: Length
) -> WorkloadSpec:
    """The workload with requests that come like this, and for so long."""
    if isinstance(shape, Trace):
        rate_rps = sum(at_s <= length.least_s for at_s in shape.due_s) / length.least_s
    elif shape is not None and not shape.relative:
        rate_rps = Intensity(shape.corners(length.least_s)).mean(length.least_s)
    return replace(
        workload,
        rate_rps=rate_rps,
        arrival=gaps.arrival,
        cv=gaps.cv,
        think_s=gaps.think_s,
        shape=None if gaps.arrival == "closed" else shape,
        duration_s=length.least_s,
        most_s=length.most_s,
        within=length.within,
    )


def _own_rates(shape: Rated | Trace | None) -> bool:
    """Its rates do not follow from the common rate."""
    return shape is not None and (isinstance(shape, Trace) or not shape.relative)


def contradictions(
    gaps: Gaps, shape: Rated | Trace | None, given: Collection[str], length: Length | None
) -> list[ShapeMistake]:
    """What does not go together, though each key by itself is right. `given`: the keys that are set."""
    found: list[ShapeMistake] = []

    def wrong(key: str, message: str, fix: str) -> None:
        if key in given:
            found.append(ShapeMistake(key, message, fix))

    if gaps.arrival != "gamma":
        wrong("cv", f"cv is of gamma gaps, not of {gaps.arrival}", "write arrival: gamma, or remove cv")
    if gaps.arrival != "closed":
        wrong("think", f"users think in a closed loop, not with {gaps.arrival} arrivals", "write arrival: closed")
    else:
        for key in ("shape", "rate"):
            wrong(key, f"a closed loop has no {key}: it follows from the answers", f"remove {key}, or arrival: closed")
        return found
    if shape is not None and length is not None and length.most_s is not None:
        wrong("duration", "a shape has one length, not a least and a most", "write a plain duration: 30s, or remove it")
        length = None
    if isinstance(shape, Trace):
        wrong("arrival", "the trace says when requests come", "remove arrival, or shape")
        wrong("rate", "the trace has a rate of its own", "remove rate, or shape")
    elif shape is not None:
        if not shape.relative:
            fix = "remove rate, or write the shape's rates as multiples of it, such as 2x"
            wrong("rate", "the shape has rates of its own", fix)
        if length is not None and length.least_s < shape.least_s * (1.0 - 1e-9):
            least = format_seconds(shape.least_s)
            fix = f"write at least {least}, or remove it"
            wrong("duration", f"the shape takes {least}, longer than the duration", fix)
    return found
