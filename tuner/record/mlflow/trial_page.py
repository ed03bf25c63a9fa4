"""One trial as a page of its own, which MLflow shows inline: everything in one small file, which loads nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from tuner.record.mlflow.metrics import aims
from tuner.record.mlflow.pictures import curve_picture
from tuner.record.wording import constraint_text, metric_text, outcome_text
from tuner.space.metrics import LATENCY_PERCENTILES
from tuner.study.model import StudyStart
from tuner.trials.model import Trial
from tuner.units import format_seconds

_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem;max-width:60rem;color:#1f2933;background:#fff}
table{border-collapse:collapse;margin:.5rem 0 1rem}th,td{text-align:left;padding:.2rem 1rem .2rem 0;vertical-align:top}
th{font-weight:600}h2{font-size:1.1rem;margin:1.5rem 0 .3rem}svg,pre{max-width:100%;height:auto}
pre{overflow:auto;background:#f5f7fa;padding:.7rem;font-size:13px}.add{color:#0b6b3a}.take{color:#a61b1b}
@media(prefers-color-scheme:dark){body{color:#e4e7eb;background:#1b1f24}pre{background:#262c33}
.add{color:#6fdc9f}.take{color:#ff9b9b}}
"""


def trial_page(trial: Trial, name: str, start: StudyStart, baseline: Trial | None, diff: str) -> str:
    """`name`: of its run; `diff`: its manifest against the baseline's."""
    bounds = ", ".join(constraint_text(one) for one in start.slo)
    verdict = f"meets the SLO ({bounds})" if trial.feasible else outcome_text(trial)
    against = None if baseline is None or trial.purpose == "baseline" or baseline.measurement is None else baseline
    names = list(dict.fromkeys([*aims(start), *_others(trial)]))
    head = ("", "this trial", *(() if against is None else (f"baseline (trial {against.number})",)))
    rows = [
        (
            metric.replace("_", " "),
            metric_text(trial, metric),
            *(() if against is None else (metric_text(against, metric),)),
        )
        for metric in names
    ]
    measured_ = trial.measurement
    bound_of = {one.metric: one.bound for one in start.slo if one.metric.startswith("latency_")}
    metrics = list(dict.fromkeys([*bound_of, "latency_p99", "latency_p50"]))
    picture = "" if measured_ is None else curve_picture(measured_, metrics, bound_of)
    doubts = [] if measured_ is None else [*measured_.warnings, *(f"not enforced: {x}" for x in measured_.not_enforced)]
    body = [
        f"<h1>{escape(start.name)}, trial {escape(name)}</h1><p><strong>{escape(verdict)}</strong></p>",
        "<h2>Knobs</h2>" + _table(("knob", "value"), trial.configuration.values.items()),
        "" if measured_ is None else "<h2>Measured</h2>" + _table(head, rows),
        picture,
        _list("Read with care", doubts),
        f"<h2>Manifest, against the baseline's</h2><pre>{_coloured(diff)}</pre>" if diff else "",
        f"<p>It took {escape(format_seconds(trial.duration_s))}, from {trial.started_at:%Y-%m-%d %H:%M:%S} UTC on.</p>",
    ]
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(start.name)}, trial {escape(name)}'
        f'</title><meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" '
        f'content="{policy}"><style>{_STYLE}</style></head><body><main>{"".join(body)}</main></body></html>\n'
    )


def _others(trial: Trial) -> list[str]:
    """Metrics beside those that the study aims at."""
    known = trial.measurement.estimates() if trial.measurement is not None else {}
    percentiles = {name for name, _ in LATENCY_PERCENTILES}
    return [name for name in known if name in percentiles or name in ("cpu", "memory", "startup")]


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = "".join(
        f'<tr><th scope="row">{escape(str(first))}</th>{"".join(f"<td>{escape(str(one))}</td>" for one in rest)}</tr>'
        for first, *rest in rows
    )
    heads = "".join(f'<th scope="col">{escape(one)}</th>' for one in head)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


def _list(title: str, lines: list[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h2>{title}</h2><ul>{items}</ul>" if items else ""


def _coloured(diff: str) -> str:
    def line(text: str) -> str:
        kind = "add" if text.startswith("+") else "take" if text.startswith("-") else ""
        return f'<span class="{kind}">{escape(text)}</span>' if kind else escape(text)

    return "\n".join(map(line, diff.splitlines()))
