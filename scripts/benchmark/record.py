"""An exhaustive grid of a real server as a table; see scripts/benchmark/record."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from studies import Pace, Studies, Unfinished, interruptible
from table import machine, markdown

from tuner.errors import InputError
from tuner.space.file.read import read as read_space
from tuner.space.model import Configuration, SearchSpace
from tuner.space.size import configurations
from tuner.targets.inputs import estimate, read_inputs
from tuner.trials.model import Failed, Infeasible, Trial

_OTHERS_CORES = 0.1
"""What other programs may use of the servers' CPUs, where nothing else was looked at."""
_BUSY = 0.5
"""Load average above which a machine is told to do something else."""


@dataclass(frozen=True)
class Grid:
    """What is measured. A pass is a study of the sampler `grid`, whose order its seed tells."""

    folder: Path
    space: SearchSpace
    restarts: int
    seed: int
    again: int

    @property
    def file(self) -> Path:
        return self.space.file

    @property
    def studies(self) -> Studies:
        return Studies(self.folder / "studies")

    @property
    def all(self) -> tuple[Configuration, ...]:
        return tuple(configurations(self.space))

    @property
    def passes(self) -> tuple[str, ...]:
        return tuple(f"pass-{number}" for number in range(1, self.restarts + 1))

    @property
    def names(self) -> tuple[str, ...]:
        """Of all studies that there may be, in the order they are run."""
        return (*self.passes, *(f"again-{number}" for number in range(1, self.again + 1)))


def inputs(space: Path, folder: Path) -> SearchSpace:
    """The search space as it was when the recording began: a copy of its folder in `folder`, made once."""
    file = space / "space.yaml" if space.is_dir() else space
    kept = folder / "inputs" / file.name
    if not kept.exists():
        making = folder / "inputs.new"
        shutil.rmtree(making, ignore_errors=True)
        shutil.copytree(file.parent, making, ignore=shutil.ignore_patterns("__pycache__", "studies", ".*"))
        making.rename(kept.parent)
    read, problems = read_space(kept)
    if read is None or problems:
        sys.exit("\n".join(str(problem) for problem in problems))
    if read.budget.time_s is not None:
        sys.exit(f"{kept}: a grid is measured whole; take `time` out of its budget, in {file} and start anew")
    return read


def is_sound(trial: Trial) -> bool:
    """It says something of its configuration, and nothing disturbed it."""
    if isinstance(trial.outcome, Failed):
        return trial.outcome.blame == "configuration"
    if isinstance(trial.outcome, Infeasible):
        return True
    measured = trial.measurement
    if measured is None or measured.disturbance:
        return False
    looked_at = measured.conditions is not None
    return looked_at or (measured.usage.others_cores or 0.0) <= _OTHERS_CORES


def candidates(trials: Iterable[Trial]) -> list[Trial]:
    """Without the references, which measure the baseline at the common rate alone."""
    return [trial for trial in trials if trial.purpose != "reference"]


def wanting(grid: Sequence[Configuration], trials: Iterable[Trial], restarts: int) -> list[Configuration]:
    """Configurations of which there are fewer than `restarts` sound trials, those that could never run left out."""
    found = candidates(trials)
    sound = Counter(trial.configuration.digest for trial in found if is_sound(trial))
    tried = {trial.configuration.digest for trial in found if not isinstance(trial.outcome, Infeasible)}
    return [one for one in grid if one.digest in tried and sound[one.digest] < restarts]


def with_known(text: str, known: Iterable[Configuration]) -> str:
    """The text of a search space that has these tried first."""
    lines = [
        "  - {" + ", ".join(f"{name}: {json.dumps(value)}" for name, value in one.values.items()) + "}\n"
        for one in known
    ]
    return f"{text.rstrip()}\n\nknown:\n{''.join(lines)}"


def foretold_s(grid: Grid) -> float:
    """How long all passes will take, by usual figures. Raises InputError for what cannot run here."""
    return grid.restarts * (len(grid.all) + 1) * estimate(read_inputs(grid.file, "process")).seconds_a_trial


def record(grid: Grid) -> None:
    """All passes, and then what has to be measured again."""
    every, pace = grid.all, Pace()
    total = len(grid.passes) * (len(every) + 1)
    for number, name in enumerate(grid.passes):
        before = number * (len(every) + 1)

        def told(done: int, before: int = before, name: str = name) -> None:
            print(f"{name}: {done} of {len(every) + 1} trials; {pace.line(total - before - done)}", flush=True)

        trials = str(len(every) + 1)  # the baseline may be none of them
        _study(grid, name, grid.file, trials, grid.seed + number, told)
    for number in range(1, grid.again + 1):
        name = f"again-{number}"
        file = grid.file.with_name(f"{name}.yaml")
        if not file.exists():
            missing = wanting(every, grid.studies.trials(grid.names), grid.restarts)
            if not missing:
                return
            print(f"{len(missing)} configurations were disturbed and are measured again", flush=True)
            file.with_suffix(".new").write_text(with_known(grid.file.read_text(), missing))
            file.with_suffix(".new").rename(file)
        known = file.read_text().partition("\nknown:\n")[2].count("\n")
        again = Pace()

        def told_again(done: int, name: str = name, known: int = known, again: Pace = again) -> None:
            print(f"{name}: {done} of {known + 1} trials; {again.line(known + 1 - done)}", flush=True)

        _study(grid, name, file, str(known + 1), grid.seed, told_again)


def _study(grid: Grid, name: str, file: Path, trials: str, seed: int, told: object) -> None:
    options = ["--sampler", "grid", "--seed", str(seed), "--trials", trials, "--confirm", "0", "--tracking-uri", "none"]
    grid.studies.run(name, file, *options, finished=told)  # type: ignore[arg-type]


def without(table: str, left_out: Collection[tuple[str, int]]) -> str:
    """A table less the rows of these trials, by study and number; how many were taken out stands at its head."""
    lines = table.splitlines(keepends=True)
    head = [line for line in lines if line.startswith("#")]
    rows = list(csv.reader(io.StringIO("".join(line for line in lines if not line.startswith("#")))))
    study, trial = rows[0].index("study"), rows[0].index("trial")
    kept = [row for row in rows[1:] if (row[study], int(row[trial])) not in left_out]
    output = io.StringIO()
    csv.writer(output, lineterminator="\n").writerows([rows[0], *kept])
    if len(kept) < len(rows) - 1:
        head.append(f"# left out: {len(rows) - 1 - len(kept)} starts that others disturbed, measured again since\n")
    return "".join(head) + output.getvalue()


def disturbed(studies: Mapping[str, Sequence[Trial]], restarts: int) -> set[tuple[str, int]]:
    """Trials that were disturbed, by study and number, of configurations with enough others."""
    trials = [trial for found in studies.values() for trial in found]
    sound = Counter(trial.configuration.digest for trial in trials if is_sound(trial))
    return {
        (name, trial.number)
        for name, found in studies.items()
        for trial in candidates(found)
        if not is_sound(trial) and sound[trial.configuration.digest] >= restarts
    }


def scatter(trials: Iterable[Trial], metric: str) -> list[float]:
    """Of each configuration measured at least twice, the largest of its values over the smallest."""
    values: dict[str, list[float]] = {}
    for trial in trials:
        if is_sound(trial) and trial.measurement is not None and metric in trial.measurement.metrics():
            values.setdefault(trial.configuration.digest, []).append(trial.measurement.metrics()[metric])
    return sorted(max(found) / min(found) for found in values.values() if len(found) > 1 and min(found) > 0.0)


def best(trials: Iterable[Trial], space: SearchSpace) -> list[tuple[Configuration, dict[str, float], int]]:
    """Configurations whose medians meet the SLO, the best in the first objective first: medians of the
    sound starts (of all where there is none), and how many they are."""
    groups: dict[str, list[Trial]] = {}
    for trial in candidates(trials):
        groups.setdefault(trial.configuration.digest, []).append(trial)
    found = []
    for every in groups.values():
        group = [trial for trial in every if is_sound(trial)] or every
        known = [trial.measurement.metrics() for trial in group if trial.measurement is not None]
        if len(known) < len(group):
            continue
        medians = {name: median(one[name] for one in known if name in one) for name in set().union(*known)}
        if all(bound.metric in medians and bound.excess(medians[bound.metric]) <= 0.0 for bound in space.slo):
            found.append((group[0].configuration, medians, len(group)))
    goal = space.objectives[0]
    sign = -1.0 if goal.direction == "maximize" else 1.0
    return sorted((one for one in found if goal.metric in one[1]), key=lambda one: sign * one[1][goal.metric])


def tables(grid: Grid) -> None:
    """`table.csv`, with all that a replay of it reads, and README.md; `all.csv` where something was left out."""
    names = [name for name in grid.names if grid.studies.contents(name) is not None]
    whole = grid.folder / "all.csv"
    _record(grid, names, whole)
    studies = {name: grid.studies.trials([name]) for name in names}
    left_out = disturbed(studies, grid.restarts)
    kept = grid.folder / "kept"
    kept.mkdir(exist_ok=True)
    (kept / "table.csv").write_text(rounded(without(whole.read_text(), left_out)))
    if not left_out:
        whole.unlink()
    (kept / "space.yaml").write_text(without_local(grid.file.read_text()))
    for file in (grid.space.manifest, *(source.path for source in grid.space.workload.requests)):
        shutil.copy(file, kept)
    (kept / "README.md").write_text(readme(grid, studies, left_out))
    print((kept / "README.md").read_text())


def without_local(text: str) -> str:
    """A search space for replays alone: less what only this machine has."""
    return re.sub(r"^local:.*\n(?:[ \t]+.*\n|\n)*", "", f"{text.rstrip()}\n", flags=re.MULTILINE).rstrip() + "\n"


def rounded(table: str) -> str:
    """With six digits of each number, which no measurement has more of; the journals keep what was measured."""
    return re.sub(r"(?<=[,=\n])\d+\.\d{6,}(?=[,\n])", lambda found: f"{float(found[0]):.6g}", table)


def _record(grid: Grid, names: Sequence[str], output: Path) -> None:
    from click.testing import CliRunner

    from tuner.cli.record import record as command

    done = CliRunner().invoke(command, [*names, "--studies", str(grid.studies.folder), "-o", str(output)])
    if done.exit_code:
        sys.exit(done.output or repr(done.exception))


def readme(grid: Grid, studies: Mapping[str, Sequence[Trial]], left_out: Collection[tuple[str, int]]) -> str:
    trials = [trial for found in studies.values() for trial in found]
    open_ones = wanting(grid.all, trials, grid.restarts)
    failed = Counter(trial.outcome.kind for trial in trials if isinstance(trial.outcome, Failed))
    lines = [
        f"# {grid.space.name}",
        "",
        f"{len(grid.all)} configurations, {len(trials)} starts: {', '.join(f'{name} {len(found)}' for name, found in studies.items())}.",
        f"{len(left_out)} starts were disturbed by others, measured again and left out of `table.csv` (not of `all.csv`); "
        f"of {len(open_ones)} configurations there are fewer than {grid.restarts} undisturbed ones.",
        f"Failed: {', '.join(f'{count} {kind}' for kind, count in failed.items()) or 'none'}.",
        "",
    ]
    for metric in dict.fromkeys(
        [*(one.metric for one in grid.space.objectives), *(one.metric for one in grid.space.slo)]
    ):
        if len(ratios := scatter(trials, metric)) > 1 and ratios[-1] > 1.0:
            nine = quantiles(ratios, n=10)[8]
            lines.append(
                f"- restarts differ in {metric} by {median(ratios):.3f}x in the median, {nine:.3f}x in one of ten"
            )
    metrics = [one.metric for one in grid.space.objectives] + [one.metric for one in grid.space.slo]
    rows = [
        (
            " ".join(f"{name}={value}" for name, value in one.values.items()),
            *(f"{found.get(name, math.nan):.4g}" for name in metrics),
            str(starts),
        )
        for one, found, starts in best(trials, grid.space)[:10]
    ]
    table = markdown(["the best that meet the SLO", *metrics, "starts"], rows) if rows else "Nothing met the SLO."
    return "\n".join([*lines, "", table, "", f"*{machine()}.*", ""])


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/benchmark/record")
    parser.add_argument("space", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--restarts", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", type=int, default=3, help="passes over what was disturbed, at most")
    given = parser.parse_args()
    folder = given.folder.resolve()
    space = inputs(given.space.resolve(), folder)
    grid = Grid(folder, space, given.restarts, given.seed, given.again)
    try:
        minutes = foretold_s(grid) / 60.0
    except InputError as error:
        sys.exit(str(error))
    if os.getloadavg()[0] > _BUSY:
        print(
            f"this machine is busy (load average {os.getloadavg()[0]:.1f}): what is measured now may have to be again"
        )
    print(f"{len(grid.all)} configurations, {grid.restarts} restarts each, in {folder}: about {minutes:.0f} min")
    sys.stdout.flush()
    try:
        with interruptible():
            record(grid)
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on with what is missing", file=sys.stderr)
        return 130
    except Unfinished as failure:
        sys.exit(f"{failure}\nput that right; the same command goes on with what is missing")
    tables(grid)
    return 0


if __name__ == "__main__":
    sys.exit(main())
