"""The keys of a search space's workload that say how its requests arrive: gaps, shape or trace, rate, duration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from tuner.errors import InputError
from tuner.space.arrivals import Arrivals, arrivals, contradictions
from tuner.space.document import Mapping, Node, Scalar
from tuner.space.fields import Fields, Report, existing, items
from tuner.space.length import Length, read_length
from tuner.space.shapes import (
    ARRIVALS,
    EXAMPLES,
    KINDS,
    MOST_CV,
    RATES,
    TIMES,
    Arrival,
    Gaps,
    Rated,
    ShapeError,
    Trace,
    parse_shape,
    shape_of,
)
from tuner.space.trace import read_trace
from tuner.units import rate, seconds

ARRIVAL_KEYS = ("rate", "arrival", "cv", "think", "shape", "duration")
_SHAPE = "write for example shape: {ramp: {from: 10/s, to: 500/s, over: 30s}}"


def read_arrivals(load: Fields, folder: Path, payloads: Sequence[str], duration_s: float) -> Arrivals:
    """Of a workload's section. `payloads` are the names of its request files, `duration_s` the usual duration."""
    gaps = Gaps(
        arrival=cast("Arrival", load.word("arrival", ARRIVALS, "poisson")),
        cv=_cv(load),
        think_s=load.unit("think", seconds, 0.0, above_zero=False),
    )
    shape = _shape(load, folder, payloads)
    rate_rps, length = load.unit("rate", rate, None), read_length(load)
    for mistake in contradictions(gaps, shape, load.entries.keys(), length):
        load.report.add(load.where(mistake.key or "shape"), mistake.message, mistake.fix)
    usual_s = duration_s if shape is None else shape.length_s
    return arrivals(gaps, shape, rate_rps, length or Length(least_s=usual_s))


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
