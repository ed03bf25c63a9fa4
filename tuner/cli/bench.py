"""`tune bench`: what does one server do, right now?"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuner.cli.options import amount, as_json, html_page, load_rate, system

if TYPE_CHECKING:
    from tuner.commands.bench import Benchmark
    from tuner.measure.model import Window
    from tuner.measure.samples import Samples
    from tuner.targets.model import TargetOptions
    from tuner.workload.length import Length


def _length(text: str) -> Length:
    from tuner.workload.length import parse_length

    return parse_length(text)


@click.command()
@click.argument("target")
@load_rate
@click.option("--arrival", help="How requests arrive: poisson, constant, gamma:cv=2 or closed:think=200ms.")
@click.option("--shape", help="How the rate changes, such as ramp:10/s..500/s,over=30s or trace:arrivals.csv.")
@click.option("--closed", is_flag=True, help="Closed loop: each connection sends when its last answer came.")
@click.option(
    "--duration",
    metavar="DURATION",
    callback=amount(_length),
    help="How long to measure: 5s, or 3s..30s, then until the SLO's verdict is certain or the intervals are tight.  "
    "[default: the space's, or 5s]",
)
@click.option(
    "--restarts",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Starts to measure: restarts differ more than windows within one.",
)
@click.option(
    "--metrics",
    multiple=True,
    metavar="URL",
    help="The server's own metrics (Prometheus text); may be repeated.  [default: where the manifest says, else /metrics]",
)
@html_page
@click.option(
    "--hdr",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="Write the latencies here, as an HdrHistogram log; one file a start.",
)
@system
@as_json
def bench(
    target: str,
    rate_rps: float | None,
    arrival: str | None,
    shape: str | None,
    closed: bool,
    duration: Length | None,
    restarts: int,
    metrics: tuple[str, ...],
    html: Path | None,
    hdr: Path | None,
    options: TargetOptions,
    as_json: bool,
) -> None:
    """Measure one server: throughput, latency with intervals, errors, where the time goes, and what it uses.

    TARGET is a URL, a manifest, a search space (its baseline), or study:NAME (what it chose, or its --trial). What is
    not a URL is deployed, verified, measured and taken down, as in a trial.

    Without --rate, latencies are measured at half of the capacity: the highest rate that meets the SLO where there is
    one (--slo, or the search space's), else what a closed loop achieves.

    \b
    Exit status: 0 measured, and the SLO met; 1 SLO missed; 2 bad input, nothing was started; 3 it could not be
    measured, or not be trusted: the reason is said; 130 interrupted, with everything taken down.

    \b
    tune bench http://127.0.0.1:9000/predict --body request.json --rate 200/s
    tune bench http://127.0.0.1:9000 --space search_spaces/iris --closed --connections 64
    tune bench deployment.yaml --slo "latency_p99 <= 50ms" --restarts 3 --html bench.html
    """
    from tuner.cli.output import command_line, deliver, notice, stages, writable
    from tuner.commands.bench import benchmark, document
    from tuner.load.control.scrape import addresses
    from tuner.report.page import bench_page
    from tuner.targets.named import system as system_of

    if closed and arrival is not None:
        raise click.UsageError("--closed and --arrival both say how requests arrive; leave one of them out")
    asked = replace(
        options,
        rate_rps=rate_rps,
        arrival="closed" if closed else arrival,
        shape=shape,
        duration_s=None if duration is None else duration.least_s,
        most_s=None if duration is None else duration.most_s,
    )
    metrics = addresses(metrics, "--metrics")
    server = system_of(target, options=asked, notice=notice)
    writable(html, hdr)
    try:
        with stages(quiet=as_json) as on_stage:
            result = benchmark(
                server, restarts=restarts, metrics=metrics, on_stage=on_stage, on_samples=_histograms(hdr)
            )
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("what was started is taken down; there is no result") from stop
    found = {**document(result), "command": command_line()}
    deliver(found, lambda: bench_page(found), html, lambda: _print(result, hdr), as_json=as_json)
    sys.exit(_status(result))


def _print(result: Benchmark, hdr: Path | None) -> None:
    from tuner.cli.figures import print_benchmark

    print_benchmark(result)
    if hdr is not None:
        for number in range(len(result.starts)):
            click.echo(f"written: {_of_start(hdr, number)}")


def _histograms(path: Path | None) -> Callable[[int, Samples, Window], None]:
    """Writes the latencies of each start as soon as there are some."""
    from tuner.measure.hdr import write_log

    def write(number: int, samples: Samples, _window: Window) -> None:
        if path is not None:
            write_log(samples, _of_start(path, number), tag=f"start-{number + 1}")

    return write


def _of_start(path: Path, number: int) -> Path:
    """``a.hlog``, ``a-2.hlog``, ``a-3.hlog``."""
    return path if number == 0 else path.with_stem(f"{path.stem}-{number + 1}")


def _status(result: Benchmark) -> int:
    from tuner.cli.status import ENVIRONMENT_FAILED, FINE, SLO_MISSED

    if result.refused or result.met is None:
        return ENVIRONMENT_FAILED
    return FINE if result.met else SLO_MISSED
