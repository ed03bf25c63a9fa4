"""Tables of public measurements for the benchmark of the search; see scripts/benchmark/public."""

from __future__ import annotations

import argparse
import csv
import io
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from adopt import make


@dataclass(frozen=True, slots=True)
class Source:
    """A file of others: which metric each of its columns is, and in how many of theirs one of ours is counted."""

    name: str
    path: str
    metrics: dict[str, tuple[str, float]]
    separator: str = ","
    only_first: str = ""
    """A column of which only the rows with its first value are taken: measurements of many revisions."""
    without: tuple[str, ...] = ()

    @property
    def objective(self) -> str:
        maximized = any(metric == "throughput" for metric, _ in self.metrics.values())
        return "maximize throughput" if maximized else "minimize latency_p99"


def storm(letter: str) -> Source:
    metrics = {"Throughput+": ("throughput", 1.0), "Latency-": ("latency_p99", 1000.0)}
    return Source(f"storm-wc-{letter.lower()}", f"optimize/config/SS-{letter}.csv", metrics)


def timed(name: str, *, only_first: str = "", without: tuple[str, ...] = ()) -> Source:
    path = f"wluncert/training-data/twins-paper-data/{name}/measurements.csv"
    metrics = {"performance": ("latency_p99", 1.0)}
    known = "apache-httpd" if name == "Apache" else name.lower()
    return Source(known, path, metrics, ";", only_first, ("energy", "fixed-energy", "cpu", *without))


MOOT = (
    *(storm(letter) for letter in "ACDEFGIK"),
    # its figure is the server's highest rate, whatever its sign says
    Source("apache-flags", "optimize/config/Apache_AllMeasurements.csv", {"Performance-": ("throughput", 1.0)}),
    Source("x264", "optimize/config/X264_AllMeasurements.csv", {"Performance-": ("latency_p99", 1.0)}),
    Source("storm-rs", "optimize/config/rs-6d-c3_obj1.csv", {"Throughput-": ("throughput", 1.0)}),
    Source("storm-sol", "optimize/config/sol-6d-c2-obj1.csv", {"Throughput-": ("throughput", 1.0)}),
)
WORKLOADS = (
    timed("HSQLDB"),
    timed("nginx"),
    timed("PostgreSQL", only_first="revision"),
    timed("Apache", only_first="revision"),
    timed("MongoDB"),
)


def table(source: Source, text: str) -> tuple[str, list[str]]:
    """As docs/replay.md has tables, and the SLO: half of what has a latency and a throughput meets it.

    Columns that are the same in all rows say nothing and are left out, as are rows in which nothing was measured.
    """
    head, *lines = csv.reader(io.StringIO(text), delimiter=source.separator)
    head = [name.strip() for name in head]
    rows = [dict(zip(head, map(str.strip, line), strict=True)) for line in lines if line]
    if source.only_first:
        rows = [row for row in rows if row[source.only_first] == rows[0][source.only_first]]
    rows = [row for row in rows if all(float(row[column]) > 0 for column in source.metrics)]
    knobs = [name for name in head if name not in source.metrics and name not in source.without]
    knobs = [name for name in knobs if len({row[name] for row in rows}) > 1]
    written = io.StringIO()
    sheet = csv.writer(written, lineterminator="\n")
    sheet.writerow([*knobs, *(metric for metric, _ in source.metrics.values())])
    told = {name: [float(row[name]) / by for row in rows] for name, (_, by) in source.metrics.items()}
    for number, row in enumerate(rows):
        sheet.writerow([*(_plain(row[name]) for name in knobs), *(f"{values[number]:.9g}" for values in told.values())])
    bounded = source.objective == "maximize throughput" and len(told) > 1
    latencies = next((told[name] for name, (metric, _) in source.metrics.items() if metric == "latency_p99"), [])
    return written.getvalue(), [f"latency_p99 <= {median(latencies):.9g}"] if bounded else []


def _plain(value: str) -> str:
    """1.000 as 1: a number of whole steps is one to the search space, too."""
    try:
        return f"{float(value):.12g}"
    except ValueError:
        return value


def main() -> None:
    options = argparse.ArgumentParser(prog="scripts/benchmark/public")
    options.add_argument("folder", type=Path)
    options.add_argument("--moot", type=Path)
    options.add_argument("--workloads", type=Path)
    given = options.parse_args()
    for checkout, sources in ((given.moot, MOOT), (given.workloads, WORKLOADS)):
        for source in sources if checkout is not None else ():
            text, bounds = table(source, (checkout / source.path).read_text(encoding="utf-8-sig"))
            with tempfile.TemporaryDirectory() as place:
                file = Path(place) / f"{source.name}.csv"
                file.write_text(text)
                make(file, given.folder / source.name, source.objective, bounds)
            print(f"{source.name}: {len(text.splitlines()) - 1} rows, {source.objective}", *bounds, file=sys.stderr)


if __name__ == "__main__":
    main()
