"""The pages of `tune bench`, `tune stress` and `tune compare`: one self-contained HTML file a result.

Each is made from the plain data that the command prints with ``--json``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tuner.measure.comparison_text import headline as comparison_headline
from tuner.measure.comparison_text import terms_text
from tuner.measure.paired import Comparison
from tuner.report.charts import (
    Data,
    curve_chart,
    effects_chart,
    load_chart,
    over_time_chart,
    pairs_chart,
    percentile_chart,
    soak_chart,
)
from tuner.report.data import plain
from tuner.report.html import render
from tuner.report.plot import Chart, Plot, Scale
from tuner.space.metrics import METRICS
from tuner.units import format_interval, format_metric, format_ratio, format_seconds, least

_TONES = {True: "good", False: "bad", None: "open"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A figure as a page shows it."""

    name: str
    value: str
    interval: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row of a waterfall; `begin` and `width` in percent of the latency, None: it is not drawn."""

    name: str
    depth: int
    source: str
    told_by: str
    begin: float | None
    width: float | None
    mean: str
    share: str
    p50: str
    p99: str


def bench_page(document: Data) -> str:
    """The page of `tune bench`, from what it prints with ``--json``."""
    starts: Sequence[Data] = document["starts"]
    last = starts[-1] if starts else None
    figures = [_figure(name, document) for name in document["figures"]]
    return render(
        "bench.html",
        title=f"tune bench {document['target']}",
        verdict=_bench_verdict(document),
        tone="bad" if document["refused"] else _TONES[document["met"]],
        document=document,
        figures=figures,
        throughput=starts[0]["throughput"] if starts else None,
        interval_title=f"range over {len(starts)} starts" if len(starts) > 1 else "95 % interval",
        rows=[
            *([one.name, one.value, one.interval, one.note] for one in figures),
            *([f"errors: {kind}", count, "", ""] for kind, count in _errors(starts)),
        ],
        start_columns=["start", *(f"#{name}" for name in _start(starts[0]))] if starts else [],
        starts=[[number, *_start(start).values()] for number, start in enumerate(starts, 1)] if len(starts) > 1 else [],
        waterfall=[] if last is None else _waterfall(last["waterfall"]),
        notes=[] if last is None else _waterfall_notes(last["waterfall"]),
        charts=[] if last is None else list(_bench_charts(document, starts, last, _latency_bounds(document))),
    )


def compare_page(comparison: Comparison, command: str, about: Sequence[Mapping[str, str]]) -> str:
    """The page of `tune compare`. `command`: the command line to repeat it, and `about`: where A and B ran, without
    secrets."""
    document = plain(comparison)
    assessment, terms = document["assessment"], document["terms"]
    errors = assessment["errors"]
    tones = {"better": "good", "worse": "bad", "no difference": "open", "undecided": "open"}
    return render(
        "compare.html",
        title=f"tune compare {document['a']} {document['b']}",
        verdict=comparison_headline(comparison),
        tone=tones[assessment["verdict"]],
        document=document,
        terms=terms_text(comparison.terms),
        rows=[
            *(_effect(effect, terms["metric"]) for effect in assessment["effects"]),
            *([["error ratio", format_ratio(errors["a"]), format_ratio(errors["b"]), "", "", ""]] if errors else []),
        ],
        about=_where(*about),
        charts=list(_compare_charts(document)),
        loads=" and ".join(format_seconds(load) for load in document["load_s"]),
        command=command,
    )


def stress_page(document: Data) -> str:
    """The page of `tune stress`, from what it prints with ``--json``."""
    tones = {"fine": "good", "bad": "bad", "undecided": "open"}
    words = {"fine": "held", "bad": "did not hold", "undecided": "undecided"}
    charts = [(run, _stress_chart(run)) for run in document["runs"]]
    drawn = [chart for _, chart in charts if chart is not None]
    return render(
        "stress.html",
        title=f"tune stress {document['target']}",
        verdict=words[document["state"]],
        tone=tones[document["state"]],
        tones=tones,
        document=document,
        runs=[
            {
                "load": run["load"],
                "verdicts": run["verdicts"],
                "figures": _rows(_run_figures(run)),
                "breaks": [] if run["climb"] is None else _rows(map(_break, run["climb"]["breaks"])),
                "trends": _rows(_trend(name, one) for name, one in (run["trends"] or {}).items()),
                "place": None if chart is None else drawn.index(chart),
            }
            for run, chart in charts
        ],
        charts=drawn,
        closed=None if document["closed_rps"] is None else format_metric("rate", document["closed_rps"]),
    )


def _stress_chart(run: Data) -> Chart | None:
    if run["moments"]:
        plot = soak_chart(run["moments"], run["trends"] or {})
        says = "A dot for each window of the soak; dotted: the slopes that were found."
    else:
        plot = load_chart(run)
        says = (
            "By the time at which requests were due. Dashed: the latency that was usual before, and where bounds broke."
        )
    return None if plot is None else Chart(title=run["load"], says=says, plot=plot)


def _run_figures(run: Data) -> list[Cell]:
    window, usage = run["window"], run["usage"]
    cells = [
        Cell(name=name.replace("_", " "), value=format_seconds(one["value"]), interval=_interval("seconds", one))
        for name, one in window["latency_s"].items()
    ]
    errors = window["error_ratio"]
    cells.append(Cell(name="error ratio", value=format_ratio(errors["value"]), interval=_interval("ratio", errors)))
    for name, unit, field in (("cpu", "cores", "cpu_cores"), ("memory", "bytes", "memory_peak_bytes")):
        if usage[field] is not None:
            cells.append(Cell(name=name, value=format_metric(unit, usage[field])))
    return cells


def _rows(cells: Iterable[Cell]) -> list[list[str]]:
    return [[cell.name, cell.value, cell.interval] for cell in cells]


def _break(found: Data) -> Cell:
    if found["rate_rps"] is None:
        return Cell(name=found["bound"], value="held")
    interval = format_interval("rate", found["low_rps"], found["high_rps"])
    return Cell(name=found["bound"], value=format_metric("rate", found["rate_rps"]), interval=interval)


def _trend(name: str, found: Data) -> Cell:
    """What a metric grows by over the time it was watched, with its interval."""
    unit, over_s = METRICS[name].unit, found["over_s"]
    slope = found["per_s"]
    over = {end: None if slope[end] is None else slope[end] * over_s for end in ("low", "high")}
    value = f"{format_metric(unit, slope['value'] * over_s)} in {format_seconds(over_s)}"
    return Cell(name=name.replace("_", " "), value=value, interval=_interval(unit, over))


def _bench_charts(
    document: Data, starts: Sequence[Data], last: Data, bounds: Sequence[tuple[str, float]]
) -> Iterator[Chart]:
    last_start = f", start {len(starts)}" if len(starts) > 1 else ""
    says = "How slow the slowest requests are: each step to the right is ten times rarer. Dots have 95 % intervals."
    yield from _chart("Latency distribution", says, percentile_chart(starts, bounds))
    says = "By the time at which requests were due. What the steady-state rule cut as warm-up is shaded."
    over_time = over_time_chart(last["over_time"], last["window"]["warm_up_s"])
    yield from _chart(f"Latency and rate over time{last_start}", says, over_time)
    says = "Every window that could be trusted, with 95 % intervals; the closed loop stands at what it achieved."
    capacity = document["figures"].get("throughput") if document["slo"] else None
    yield from _chart(f"Latency against rate{last_start}", says, curve_chart(last["curve"], capacity, bounds))


def _compare_charts(document: Data) -> Iterator[Chart]:
    assessment, terms = document["assessment"], document["terms"]
    says = f"Below 1, B has less. Within the shade, differences are smaller than {format_ratio(terms['smallest'])}."
    yield from _chart("B against A", says, effects_chart(assessment["effects"], terms["smallest"]))
    metric = terms["metric"]
    values = [(_visit(pair["a"], metric), _visit(pair["b"], metric)) for pair in document["pairs"]]
    seconds = METRICS[metric].unit == "seconds"
    scale = Scale.of(value for pair in values for value in pair) if seconds else None
    says = f"{metric} of each pair of starts, in the order measured."
    yield from _chart("Pair by pair", says, pairs_chart(values, metric.replace("_", " "), scale))


def _chart(title: str, says: str, plot: Plot | None) -> Iterator[Chart]:
    """None where there is nothing to draw."""
    if plot is not None:
        yield Chart(title=title, says=says, plot=plot)


def _where(a: Mapping[str, str], b: Mapping[str, str]) -> dict[str, str]:
    """What is true of both sides once, and what differs side by side."""
    found = {}
    for name in dict.fromkeys([*a, *b]):
        if a.get(name) == b.get(name):
            found[name] = a[name]
        else:
            found |= {f"{name} of {side}": of[name] for side, of in (("A", a), ("B", b)) if name in of}
    return found


def _visit(visit: Data, metric: str) -> float | None:
    """A metric of one visit: the median of its windows."""
    if metric == "startup":
        return _number(visit["startup_s"])
    if metric in ("cpu", "memory"):
        return _number(visit["usage"]["cpu_cores" if metric == "cpu" else "memory_peak_bytes"])
    if metric == "throughput":
        of_windows = [window["achieved_rps"] for window in visit["windows"]]
    else:
        of_windows = [w["latency_s"][metric]["value"] for w in visit["windows"] if metric in w["latency_s"]]
    return sorted(of_windows)[len(of_windows) // 2] if of_windows else None


def _number(value: float | int | None) -> float | None:
    return None if value is None else float(value)


def _bench_verdict(document: Data) -> str:
    if document["refused"]:
        return "cannot be trusted"
    if not document["slo"]:
        return "measured"
    return {True: "SLO met", False: "SLO missed", None: "SLO: not known"}[document["met"]]


def _latency_bounds(document: Data) -> list[tuple[str, float]]:
    """(``p99``, seconds) of every bound on a latency."""
    return [
        (bound["metric"].removeprefix("latency_"), bound["bound"])
        for bound in document["slo"]
        if bound["metric"].startswith("latency_p") and bound["bound"] is not None
    ]


def _figure(name: str, document: Data) -> Cell:
    estimate = document["figures"][name]
    floor = document["noise_floor"].get(name)
    note = f"starts differ by {floor:.3g}x" if floor is not None and floor > 1.0 else ""
    unit = METRICS[name].unit
    value = least(format_metric(unit, estimate["value"]), is_least=estimate["is_least"])
    interval = _interval(unit, estimate)
    return Cell(name=name.replace("_", " "), value=value, interval=interval, note=note)


def _interval(unit: str, estimate: Data) -> str:
    return format_interval(unit, estimate["low"], estimate["high"])


def _rate(estimate: Data) -> str:
    return least(format_metric("rate", estimate["value"]), is_least=estimate["is_least"])


def _errors(starts: Sequence[Data]) -> list[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for start in starts:
        counts.update(start["window"]["errors"])
    return counts.most_common()


def _start(start: Data) -> dict[str, str]:
    """A start's figures, for a row of its own."""
    latency, throughput = start["window"]["latency_s"], start["throughput"]["value"]
    return {
        "throughput": "–" if throughput is None else _rate(throughput),
        **{
            name.removeprefix("latency_"): format_seconds(latency[name]["value"]) if name in latency else "–"
            for name in METRICS
            if name.startswith("latency_")
        },
        "errors": format_ratio(start["window"]["error_ratio"]["value"]),
        "start-up": "–" if start["startup_s"] is None else format_seconds(start["startup_s"]),
    }


def _waterfall(found: Data) -> list[Bar]:
    if found["latency"] is None:
        return []
    whole_s = found["latency"]["mean_s"]
    rows = [_bar(row, whole_s) for row in found["rows"]]
    latency = {**found["latency"], "depth": 0, "source": "whole", "told_by": "", "begin_s": 0.0}
    return [*rows, _bar(latency, whole_s)]


def _waterfall_notes(found: Data) -> list[str]:
    across = ["~ lies within or across other parts: it is not added up."]
    return [
        *(across if any(not row["adds_up"] for row in found["rows"]) else ()),
        *(f"{one['server']}: {one['name']} held {one['mean']:.3g} requests on average." for one in found["lengths"]),
        *(f"{one['server']} counted {one['told']:.0f} requests, {one['sent']} were sent." for one in found["matches"]),
        *found["notes"],
    ]


def _bar(row: Data, whole_s: float) -> Bar:
    drawn = row["mean_s"] is not None and row["begin_s"] is not None and whole_s > 0.0
    begin = min(max(row["begin_s"] / whole_s, 0.0), 1.0) * 100 if drawn else None
    width = min(row["mean_s"] / whole_s * 100, 100 - (begin or 0.0)) if drawn else None
    return Bar(
        name=row["name"] if row.get("adds_up", True) else f"{row['name']} ~",
        depth=row["depth"],
        source=row["source"],
        told_by=row["told_by"] or {"client": "the load generator", "difference": "what remains"}.get(row["source"], ""),
        begin=begin,
        width=width,
        mean="–" if row["mean_s"] is None else format_seconds(row["mean_s"]),
        share="" if row["share"] is None else format_ratio(row["share"]),
        p50=_quantile(row["p50"], row["source"]),
        p99=_quantile(row["p99"], row["source"]),
    )


def _quantile(found: Data | None, source: str) -> str:
    """What a server's histogram tells is known to lie in a bucket, and no better."""
    if found is None:
        return "–"
    if found["value"] is None:
        return "–" if found["low"] is None else f"> {format_seconds(found['low'])}"
    if source == "server" and found["low"] is not None and found["high"] is not None:
        return f"{format_seconds(found['low'])} – {format_seconds(found['high'])}"
    return format_seconds(found["value"])


def _effect(effect: Data, decides: str) -> list[str]:
    unit, ratio = METRICS[effect["metric"]].unit, effect["ratio"]
    known = ratio["low"] is not None and ratio["high"] is not None
    return [
        f"{effect['metric'].replace('_', ' ')}{' (decides)' if effect['metric'] == decides else ''}",
        format_metric(unit, effect["a"]),
        format_metric(unit, effect["b"]),
        f"{ratio['value']:.3f}",
        f"{ratio['low']:.3f} to {ratio['high']:.3f}" if known else "not known",
        "–" if effect["restarts_differ"] is None else format_ratio(effect["restarts_differ"]),
    ]
