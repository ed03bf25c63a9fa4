"""A search space and a manifest for a table of others; see scripts/benchmark/adopt."""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tuner.space.metrics import METRICS

RESERVED = ("outcome", "kind", "stage", "reason", "rate", "duration", "speed", "study", "trial", "started_at")
FEW = 40
"""Numbers of a sample that are more than that many are a range, not a list."""

Row = Mapping[str, str]


def is_metric(column: str) -> bool:
    """A metric, or an end of its interval."""
    return column.removesuffix("_low").removesuffix("_high").removeprefix("measured_") in METRICS


def rows_of(text: str) -> tuple[dict[str, str], list[str], list[Row]]:
    """What the first lines say, the columns of knobs, and the rows."""
    lines = text.splitlines()
    said = dict(re.findall(r"^#\s*([\w -]+?)\s*:\s*(.*)$", text, re.MULTILINE))
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    knobs = [name for name in rows[0] if name not in RESERVED and not is_metric(name)]
    return said, knobs, rows


def domain(values: Sequence[str], *, sample: bool) -> str:
    """As the search-space file has it."""
    different = sorted(set(values), key=lambda text: (number(text) is None, number(text) or 0.0, text))
    numbers = [number(text) for text in different]
    known = [one for one in numbers if one is not None]
    if len(known) < len(numbers):
        return f"choices: [{', '.join(json.dumps(text) for text in different)}]"
    whole = all(one == int(one) for one in known)
    low, high = known[0], known[-1]
    log = ", log: true" if low > 0 and high >= 10 * low else ""
    if whole and high - low == len(known) - 1:
        return f"int: [{int(low)}, {int(high)}]"
    if sample and len(known) > FEW:
        return f"int: [{int(low)}, {int(high)}]{log}" if whole else f"float: [{low:g}, {high:g}]{log}"
    return f"choices: [{', '.join(different)}]"


def number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", text) else None


def baseline(rows: Sequence[Row], objective: str, bounds: Sequence[str]) -> Row:
    """The row in the middle of those that meet the SLO: a server that works and was never tuned."""
    direction, metric = objective.split()
    met = [row for row in rows if row.get(metric) and all(meets(row, bound) for bound in bounds)]
    met = met or [row for row in rows if row.get(metric)]
    return sorted(met, key=lambda row: float(row[metric]) * (1 if direction == "maximize" else -1))[len(met) // 2]


def meets(row: Row, bound: str) -> bool:
    metric, sign, value = bound.split()
    measured = row.get(metric)
    if not measured:
        return False
    return float(measured) <= float(value) if sign == "<=" else float(measured) >= float(value)


def variable(knob: str) -> str:
    return re.sub(r"\W", "_", knob).upper()


def texts(
    name: str, text: str, objective: str | None, bounds: Sequence[str] | None, second: str | None = None
) -> tuple[str, str]:
    """The space and the manifest. `second`: another objective, ``minimize latency_p99``."""
    said, knobs, rows = rows_of(text)
    objective = objective or said.get("objective") or "maximize throughput"
    if bounds is None:
        bounds = [bound.strip() for bound in said.get("slo", "").split(",") if bound.strip()]
    sample = said.get("sample", "").lower() in ("true", "yes")
    lines = [f"name: {name}", "manifest: deployment.yaml", "", "parameters:"]
    for knob in knobs:
        told = domain([row[knob] for row in rows], sample=sample)
        lines.append(f"  {json.dumps(knob)}: {{{told}, set: env/{variable(knob)}}}")
    objectives = [objective, *([second] if second else [])]
    lines += ["", "workload: {protocol: http, request: request.json}", ""]
    if bounds:
        lines += ["slo:", *(f"  {metric}: {in_unit(metric, value)}" for metric, _, value in map(str.split, bounds)), ""]
    aims = ", ".join(f"{metric}: {direction}" for direction, metric in map(str.split, objectives))
    lines += [f"objectives: {{{aims}}}", "budget: {trials: 40}", ""]
    stands = baseline(rows, objective, bounds)
    manifest = [
        "apiVersion: apps/v1",
        "kind: Deployment",
        f"metadata: {{name: {name}}}",
        "spec:",
        "  replicas: 1",
        f"  selector: {{matchLabels: {{app: {name}}}}}",
        "  template:",
        f"    metadata: {{labels: {{app: {name}}}}}",
        "    spec:",
        "      containers:",
        "        - name: server",
        f"          image: {name}:recorded",
        "          ports: [{name: http, containerPort: 8080}]",
        "          env:",
        *(f"            - {{name: {variable(knob)}, value: {json.dumps(stands[knob])}}}" for knob in knobs),
        "          resources:",
        '            requests: {cpu: "1", memory: 1Gi}',
        '            limits: {cpu: "1", memory: 1Gi}',
        "",
    ]
    return "\n".join(lines), "\n".join(manifest)


def in_unit(metric: str, value: str) -> str:
    """The reader of search spaces wants times with their unit."""
    return f"{value}s" if METRICS[metric].unit == "seconds" else value


def renamed(text: str, columns: Sequence[str]) -> str:
    """With their columns called as our metrics are, in our units."""
    before = [line for line in text.splitlines() if line.startswith("#")]
    head, *rows = csv.reader(line for line in text.splitlines() if not line.startswith("#"))
    for column in columns:
        theirs, _, told = column.partition("=")
        metric, _, by = told.partition("/")
        place = [name.strip() for name in head].index(theirs)
        head[place] = metric
        for row in rows:
            row[place] = f"{float(row[place]) / float(by or 1):.9g}"
    return "\n".join([*before, *(",".join(cell.strip() for cell in row) for row in (head, *rows) if row), ""])


def make(
    file: Path,
    folder: Path,
    objective: str | None,
    bounds: Sequence[str] | None,
    second: str | None = None,
    columns: Sequence[str] = (),
) -> Path:
    """Writes the three files and an empty request; returns that of the space."""
    text = renamed(file.read_text(), columns) if columns else file.read_text()
    name = re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-")[:40]
    space, manifest = texts(name, text, objective, bounds, second)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "space.yaml").write_text(space)
    (folder / "deployment.yaml").write_text(manifest)
    (folder / "request.json").touch()
    (folder / "table.csv").write_text(text)
    return folder / "space.yaml"


def main() -> None:
    options = argparse.ArgumentParser(prog="scripts/benchmark/adopt")
    options.add_argument("file", type=Path)
    options.add_argument("folder", type=Path)
    options.add_argument("--objective")
    options.add_argument("--slo", action="append")
    options.add_argument("--column", action="append", default=[], metavar="THEIRS=METRIC[/NUMBER]")
    given = options.parse_args()
    space = make(given.file, given.folder, given.objective, given.slo, columns=given.column)
    print(f"tune run {space} --backend replay --table {space.parent / 'table.csv'}", file=sys.stderr)


if __name__ == "__main__":
    main()
