"""Studies by one, two and four workers; see scripts/benchmark/workers."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import studies  # noqa: F401  # puts the repository on the path
from table import machine, markdown

from tests.cli.killed import Namespace, check_nothing_left, namespace
from tests.cli.study import quick_space
from tests.cli.workers_killed import Background, OneOfSeveral, database

_CHANGED = (
    ('choices: ["2", "4", "8"]', 'choices: ["8", "12", "16"]'),
    ("objectives: {throughput: maximize, cost: minimize}", "objectives: {throughput: maximize}"),
    ("budget: {trials: 4, confirm: 1}\n", ""),
    ("disturbed: accept ", "# "),
)
"""What makes the tests' search space, whose windows are short, one whose servers hardly take any CPU, and whose study is as
users run it."""


def space(folder: Path) -> Path:
    file = quick_space(folder) / "space.yaml"
    text = file.read_text()
    for plain, changed in _CHANGED:
        assert text.count(plain) == 1, plain
        text = text.replace(plain, changed)
    file.write_text(text)
    return file.parent


def run(folder: Path, place: Namespace, url: str, number: int, options: list[str]) -> tuple[float, dict[str, Any]]:
    """Minutes, and what `tune show` tells."""
    name = f"by-{number}"
    machines = [OneOfSeveral(folder / name / str(which), url=url) for which in range(number + 1)]
    for one in machines:
        one.folder.mkdir(parents=True)
    here, *others = machines
    with ExitStack() as ends:
        began = time.monotonic()
        asked = ("run", str(space(here.folder)), "--name", name, "--workers", "--parallel", str(number), *options)
        deciding = Background(here, *asked, "--load", "here", "--tracking-uri", "none", *place.options)
        for one in (deciding, *(Background(one, "worker", name) for one in others)):
            ends.callback(one.end)
        status = deciding.running.wait()
        took_s = time.monotonic() - began
    if status not in (0, 1):
        sys.exit(f"{name} ended with {status}: {(here.folder / 'said').read_text()[-2000:]}")
    check_nothing_left(place, folder)
    shown: dict[str, Any] = here("show", name, "--json").json
    return took_s / 60.0, shown


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/benchmark/workers")
    parser.add_argument("kubectl")
    parser.add_argument("--numbers", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    options = ["--trials", str(given.trials), "--seed", str(given.seed)]
    rows = []
    with (
        tempfile.TemporaryDirectory() as temporary,
        database() as server,
        namespace(Path(os.environ["KUBECONFIG"]), given.kubectl) as place,
    ):
        url = f"postgresql://tuner@127.0.0.1:{server.port}/postgres"
        for number in given.numbers:
            minutes, shown = run(Path(temporary), place, url, number, options)
            rows.append((str(number), str(len(shown["trials"])), f"{minutes:.1f}", *told(shown)))
            print(" | ".join(rows[-1]), flush=True)
    print(
        markdown(
            ["workers", "trials, race and references among them", "minutes", "chosen", "its starts, requests/s"], rows
        )
    )
    print(f"\n*{machine()}.*")


def told(shown: dict[str, Any]) -> tuple[str, str]:
    """The configuration that was chosen, and the throughput of each start of it."""
    if shown["choice"] is None:
        return "nothing", ""
    of = {trial["number"]: trial for trial in shown["trials"]}
    chosen = of[shown["choice"]["candidate"]["trial"]]
    starts = sorted(
        trial["metrics"]["throughput"]["value"]
        for trial in shown["trials"]
        if trial["configuration_digest"] == chosen["configuration_digest"] and "throughput" in trial["metrics"]
    )
    knobs = " ".join(f"{name}={value}" for name, value in chosen["configuration"].items())
    return knobs, " ".join(f"{start:.0f}" for start in starts)


if __name__ == "__main__":
    main()
