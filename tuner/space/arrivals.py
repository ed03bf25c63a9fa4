"""Reads how a workload's requests arrive: the gaps, the shape of the rate, a trace, a closed loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from tuner.errors import InputError
from tuner.space.document import Mapping, Node, Scalar
from tuner.space.fields import Fields, Report, existing, items
from tuner.space.intensity import Intensity
from tuner.space.model import WorkloadSpec
from tuner.space.shapes import (
    EXAMPLES,
    GAPS,
    KINDS,
    MOST_CV,
    RATES,
    TIMES,
    Rated,
    ShapeError,
    Trace,
    parse_shape,
    shape_of,
    spelled,
)
from tuner.space.trace import read_trace
from tuner.units import format_seconds, rate, seconds

ARRIVALS = (*GAPS, "closed")
ARRIVAL_KEYS = ("rate", "arrival", "cv", "think", "shape", "duration")
_SHAPE = "write for example shape: {ramp: {from: 10/s, to: 500/s, over: 30s}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """The fields of a `WorkloadSpec` that say when requests come."""

    rate_rps: float | None
    arrival: Literal["poisson", "constant", "gamma", "closed"]
    cv: float
    think_s: float
    shape: Rated | Trace | None
    duration_s: float


def read_arrivals(load: Fields, folder: Path, payloads: Sequence[str], duration_s: float) -> Arrivals:
    """Of a workload's section. `payloads` are the names of its request files, `duration_s` the usual duration."""
    arrival = cast("Literal['poisson', 'constant', 'gamma', 'closed']", load.word("arrival", ARRIVALS, "poisson"))
    shape = _shape(load, folder, payloads)
    given_s = load.unit("duration", seconds, None)
    duration = given_s or (shape.length_s if shape is not None else duration_s)
    rate_rps = load.unit("rate", rate, None)
    _fit(load, arrival, shape, given_s)
    if isinstance(shape, Trace):
        rate_rps = sum(at_s <= duration for at_s in shape.due_s) / duration
    elif shape is not None and not shape.relative:
        rate_rps = Intensity(shape.corners(duration)).mean(duration)
    return Arrivals(
        rate_rps=rate_rps,
        arrival=arrival,
        cv=_cv(load, arrival),
        think_s=load.unit("think", seconds, 0.0, above_zero=False),
        shape=None if arrival == "closed" else shape,
        duration_s=duration,
    )


def _cv(load: Fields, arrival: str) -> float:
    cv = load.amount("cv", default=1.0, example=2)
    if not 0.0 < cv <= MOST_CV:
        load.wrong("cv", f"above 0 and at most {MOST_CV:g}", "write for example cv: 2; cv: 1 is poisson")
        return 1.0
    if "cv" in load and arrival != "gamma":
        load.report.add(
            load.where("cv"), f"cv is of gamma gaps, not of {arrival}", "write arrival: gamma, or remove cv"
        )
    return cv


def _fit(load: Fields, arrival: str, shape: Rated | Trace | None, given_s: float | None) -> None:
    """Report what contradicts: each key by itself is right."""

    def wrong(key: str, message: str, fix: str) -> None:
        load.report.add(load.where(key), message, fix)

    if "think" in load and arrival != "closed":
        wrong("think", f"users think in a closed loop, not with {arrival} arrivals", "write arrival: closed")
    if arrival == "closed":
        for key in ("shape", "rate"):
            if key in load:
                wrong(
                    key, f"a closed loop has no {key}: it follows from the answers", f"remove {key}, or arrival: closed"
                )
        return
    if shape is None:
        return
    if isinstance(shape, Trace):
        if "arrival" in load:
            wrong("arrival", "the trace says when requests come", "remove arrival, or shape")
        if "rate" in load:
            wrong("rate", "the trace has a rate of its own", "remove rate, or shape")
        return
    if "rate" in load and not shape.relative:
        fix = "remove rate, or write the shape's rates as multiples of it, such as 2x"
        wrong("rate", "the shape has rates of its own", fix)
    if given_s is not None and given_s < shape.least_s * (1.0 - 1e-9):
        least = format_seconds(shape.least_s)
        wrong("duration", f"the shape takes {least}, longer than the duration", f"write at least {least}, or remove it")


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


def described(workload: WorkloadSpec) -> str:
    """``poisson``, ``gamma:cv=2 spike:1x..3x,after=10s,for=5s``, ``trace:arrivals.csv``, ``closed:think=0.2s``."""
    if isinstance(workload.shape, Trace):
        return spelled(workload.shape)
    options = {"gamma": f":cv={workload.cv:g}", "closed": f":think={workload.think_s:g}s" if workload.think_s else ""}
    gaps = workload.arrival + options.get(workload.arrival, "")
    return gaps if workload.shape is None else f"{gaps} {spelled(workload.shape)}"
