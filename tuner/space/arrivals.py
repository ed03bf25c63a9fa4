"""Reads how a workload's requests arrive: the gaps, the shape of the rate, a trace, a closed loop."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import cast

from tuner.errors import InputError, Problem, Where
from tuner.space.document import Mapping, Node, Scalar
from tuner.space.fields import Fields, Report, existing, items
from tuner.space.intensity import Intensity
from tuner.space.model import WorkloadSpec
from tuner.space.shapes import (
    ARRIVALS,
    EXAMPLES,
    KINDS,
    MOST_CV,
    RATES,
    TIMES,
    Arrival,
    Gaps,
    Mistake,
    Rated,
    ShapeError,
    Trace,
    parse_arrival,
    parse_shape,
    shape_of,
    spelled,
)
from tuner.space.trace import read_trace
from tuner.units import format_seconds, rate, seconds

ARRIVAL_KEYS = ("rate", "arrival", "cv", "think", "shape", "duration")
_SHAPE = "write for example shape: {ramp: {from: 10/s, to: 500/s, over: 30s}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """The fields of a `WorkloadSpec` that say when requests come."""

    rate_rps: float | None
    arrival: Arrival
    cv: float
    think_s: float
    shape: Rated | Trace | None
    duration_s: float


def read_arrivals(load: Fields, folder: Path, payloads: Sequence[str], duration_s: float) -> Arrivals:
    """Of a workload's section. `payloads` are the names of its request files, `duration_s` the usual duration."""
    gaps = Gaps(
        arrival=cast("Arrival", load.word("arrival", ARRIVALS, "poisson")),
        cv=_cv(load),
        think_s=load.unit("think", seconds, 0.0, above_zero=False),
    )
    shape = _shape(load, folder, payloads)
    rate_rps, given_s = load.unit("rate", rate, None), load.unit("duration", seconds, None)
    for mistake in _contradictions(gaps, shape, load.entries.keys(), given_s):
        load.report.add(load.where(mistake.key or "shape"), mistake.message, mistake.fix)
    usual_s = duration_s if shape is None else shape.length_s
    return _arrivals(gaps, shape, rate_rps, given_s or usual_s)


def with_arrivals(
    workload: WorkloadSpec, *, arrival: str | None, shape: str | None, rate_rps: float | None, duration_s: float | None
) -> WorkloadSpec:
    """The workload with what the command line says instead, in the compact spelling (None: it does not say).

    What is given replaces what of the workload contradicts it. Raises InputError with every problem.
    """
    gaps, new = _spelled(workload, arrival, shape)
    kept = workload.shape if new is None and gaps.arrival != "closed" else None
    if (isinstance(kept, Trace) and arrival is not None) or (_own_rates(kept) and rate_rps is not None):
        kept = None
    given = {"arrival": arrival, "shape": shape, "rate": rate_rps, "duration": duration_s}
    keys = {key for key, value in given.items() if value is not None}
    problems = [_said(m.key or "shape", m.message, m.fix) for m in _contradictions(gaps, new or kept, keys, duration_s)]
    if problems:
        raise InputError(problems)
    common_rps = None if _own_rates(workload.shape) else workload.rate_rps
    usual_s = workload.duration_s if new is None else new.length_s
    merged = _arrivals(gaps, new or kept, rate_rps or common_rps, duration_s or usual_s)
    return replace(workload, **{item.name: getattr(merged, item.name) for item in fields(merged)})


def _spelled(workload: WorkloadSpec, arrival: str | None, shape: str | None) -> tuple[Gaps, Rated | Trace | None]:
    problems: list[Problem] = []
    gaps, new = Gaps(arrival=workload.arrival, cv=workload.cv, think_s=workload.think_s), None
    try:
        gaps = parse_arrival(arrival) if arrival is not None else gaps
    except ValueError as error:
        message, _, fix = str(error).rpartition("; ")
        problems.append(_said("arrival", message, fix))
    try:
        names = [source.path.name for source in workload.requests]
        new = None if shape is None else parse_shape(shape, lambda file: read_trace(Path(file), names))
    except ShapeError as error:
        problems += [_said("shape", mistake.message, mistake.fix) for mistake in error.mistakes]
    except InputError as error:
        problems += error.problems
    if problems:
        raise InputError(problems)
    if new is not None and arrival is None and gaps.arrival == "closed":
        gaps = Gaps()
    return gaps, new


def described(workload: WorkloadSpec) -> str:
    """``poisson``, ``gamma:cv=2 spike:1x..3x,after=10s,for=5s``, ``trace:arrivals.csv``, ``closed:think=0.2s``."""
    if isinstance(workload.shape, Trace):
        return spelled(workload.shape)
    options = {"gamma": f":cv={workload.cv:g}", "closed": f":think={workload.think_s:g}s" if workload.think_s else ""}
    gaps = workload.arrival + options.get(workload.arrival, "")
    return gaps if workload.shape is None else f"{gaps} {spelled(workload.shape)}"


def _arrivals(gaps: Gaps, shape: Rated | Trace | None, rate_rps: float | None, duration_s: float) -> Arrivals:
    if isinstance(shape, Trace):
        rate_rps = sum(at_s <= duration_s for at_s in shape.due_s) / duration_s
    elif shape is not None and not shape.relative:
        rate_rps = Intensity(shape.corners(duration_s)).mean(duration_s)
    return Arrivals(
        rate_rps=rate_rps,
        arrival=gaps.arrival,
        cv=gaps.cv,
        think_s=gaps.think_s,
        shape=None if gaps.arrival == "closed" else shape,
        duration_s=duration_s,
    )


def _own_rates(shape: Rated | Trace | None) -> bool:
    """Its rates do not follow from the common rate."""
    return shape is not None and (isinstance(shape, Trace) or not shape.relative)


def _contradictions(
    gaps: Gaps, shape: Rated | Trace | None, given: Collection[str], duration_s: float | None
) -> list[Mistake]:
    """What does not go together, though each key by itself is right. `given`: the keys that are set."""
    found: list[Mistake] = []

    def wrong(key: str, message: str, fix: str) -> None:
        if key in given:
            found.append(Mistake(key=key, message=message, fix=fix))

    if gaps.arrival != "gamma":
        wrong("cv", f"cv is of gamma gaps, not of {gaps.arrival}", "write arrival: gamma, or remove cv")
    if gaps.arrival != "closed":
        wrong("think", f"users think in a closed loop, not with {gaps.arrival} arrivals", "write arrival: closed")
    else:
        for key in ("shape", "rate"):
            wrong(key, f"a closed loop has no {key}: it follows from the answers", f"remove {key}, or arrival: closed")
        return found
    if isinstance(shape, Trace):
        wrong("arrival", "the trace says when requests come", "remove arrival, or shape")
        wrong("rate", "the trace has a rate of its own", "remove rate, or shape")
    elif shape is not None:
        if not shape.relative:
            fix = "remove rate, or write the shape's rates as multiples of it, such as 2x"
            wrong("rate", "the shape has rates of its own", fix)
        if duration_s is not None and duration_s < shape.least_s * (1.0 - 1e-9):
            least = format_seconds(shape.least_s)
            fix = f"write at least {least}, or remove it"
            wrong("duration", f"the shape takes {least}, longer than the duration", fix)
    return found


def _said(option: str, message: str, fix: str) -> Problem:
    return Problem(where=Where(file=f"--{option}"), message=message, fix=fix)


def _cv(load: Fields) -> float:
    cv = load.amount("cv", default=1.0, example=2)
    if 0.0 < cv <= MOST_CV:
        return cv
    load.wrong("cv", f"above 0 and at most {MOST_CV:g}", "write for example cv: 2; cv: 1 is poisson")
    return 1.0


def _shape(load: Fields, folder: Path, payloads: Sequence[str]) -> Rated | Trace | None:
    node = load.get("shape")
    if node is None:
        return None
    if isinstance(node, Scalar) and node.value is not None and node.text:
        return _compact(load, node.text, folder, payloads)
    if not isinstance(node, Mapping) or len(node.entries) != 1:
        load.wrong("shape", f"one of {', '.join(KINDS)} with its rates and times", _SHAPE)
        return None
    kind = Fields(node, KINDS, load.report)
    ((name, _),) = kind.node.entries
    if name.text not in KINDS:
        return None
    if name.text == "trace":
        file = kind.text("trace", "arrivals.csv")
        return None if file is None else _trace(file, name, folder, payloads, load.report)
    section = kind.section(name.text, f"write for example shape: {EXAMPLES[name.text]}")
    return None if section is None else _parts(name.text, section, load.report)


def _parts(kind: str, section: Mapping, report: Report) -> Rated | None:
    fields = Fields(section, (*RATES[kind], *TIMES[kind]), report)
    before = len(report.problems)
    written: dict[str, tuple[str, ...]] = {}
    for key, node in section.entries:
        texts = _texts(node)
        if not texts or (len(texts) > 1 and key.text != "rates"):
            fields.wrong(key.text, "a value", f"write it as in {EXAMPLES[kind]}")
        else:
            written[key.text] = texts
    if len(report.problems) > before:
        return None
    try:
        return shape_of(kind, written)
    except ShapeError as error:
        for mistake in error.mistakes:
            where = section.where if mistake.key is None else fields.where(mistake.key)
            report.add(where, mistake.message, mistake.fix)
        return None


def _texts(node: Node) -> tuple[str, ...]:
    parts = items(node)
    texts = tuple(part.text for part in parts if isinstance(part, Scalar) and part.value is not None)
    return texts if len(texts) == len(parts) else ()


def _compact(load: Fields, text: str, folder: Path, payloads: Sequence[str]) -> Rated | Trace | None:
    try:
        return parse_shape(text, lambda file: read_trace(folder / file, payloads))
    except ShapeError as error:
        for mistake in error.mistakes:
            load.report.add(load.where("shape"), mistake.message, mistake.fix)
    except InputError as error:
        load.report.problems.extend(error.problems)
    return None


def _trace(text: str, key: Scalar, folder: Path, payloads: Sequence[str], report: Report) -> Trace | None:
    before = len(report.problems)
    path = existing(text, folder, "file", "trace", key.where, report)
    if len(report.problems) > before:
        return None
    try:
        return read_trace(path, payloads)
    except InputError as error:
        report.problems.extend(error.problems)
        return None
