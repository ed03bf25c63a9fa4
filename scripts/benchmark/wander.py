"""What studies on a disturbed machine choose, measured on the quiet one; see scripts/benchmark/wander."""

from __future__ import annotations

import argparse
import csv
import random
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import mean, median

from record import inputs, with_known
from studies import ROOT, Pace, Studies, Unfinished, interruptible
from table import machine, markdown

from tuner.backends.process.machine import look
from tuner.errors import InputError
from tuner.space.model import Configuration, SearchSpace
from tuner.space.size import configurations
from tuner.study.summary import summarize
from tuner.targets.inputs import estimate, read_inputs
from tuner.trials.model import Trial

NEAR = 0.95
"""Of the best throughput, what counts as near."""
_ATTEMPTS = 3
_LONGEST_S = 1800.0
"""The disturber ends after that, whatever happens."""


@dataclass(frozen=True)
class Way:
    """How studies are run that are held against others."""

    disturbed: str = "remeasure"
    """What becomes of disturbed windows, as the search space says it."""
    options: tuple[str, ...] = ()
    """Of `tune run`."""


WAYS: Mapping[str, Way] = {"remeasured": Way(), "accepted": Way("accept")}


@dataclass(frozen=True)
class Experiment:
    folder: Path
    space: SearchSpace
    studies: int
    trials: int
    seed: int
    starts: int
    ways: Mapping[str, Way] = field(default_factory=lambda: WAYS)
    place: tuple[str, ...] = ()
    """Options of `tune run` that say where trials run."""
    calm: bool = False
    """Nothing disturbs."""

    @property
    def kept(self) -> Studies:
        return Studies(self.folder / "studies")

    @property
    def names(self) -> dict[str, tuple[str, int]]:
        """By the study's name, its way and its seed; the ways of one seed behind each other, so that a machine that
        changes over the hours strikes all alike."""
        seeds = range(self.seed, self.seed + self.studies)
        return {f"{way}-{seed}": (way, seed) for seed in seeds for way in self.ways}

    @property
    def quiet(self) -> tuple[str, ...]:
        return tuple(f"quiet-{number}" for number in range(1, self.starts + 1))


def foretold_s(experiment: Experiment, seconds_a_trial: float) -> float:
    """How long it all takes, by usual figures: a study's race is about half as many trials as its search."""
    studies = len(experiment.names) * experiment.trials * 1.5
    quiet = experiment.starts * experiment.studies * len(experiment.ways)
    return seconds_a_trial * (studies + quiet)


def for_throughput(text: str, way: str) -> str:
    """The text of a search space with throughput as its only objective."""
    changed, count = re.subn(r"^objectives:.*$", "objectives: {throughput: maximize}", text, flags=re.MULTILINE)
    if count != 1 or re.search(r"^disturbed:", text, flags=re.MULTILINE):
        sys.exit("the search space needs its objectives on one line, and no `disturbed` of its own")
    return f"{changed.rstrip()}\ndisturbed: {way}\n"


def run(experiment: Experiment) -> None:
    """All studies, each beside its disturber."""
    pace, left = Pace(), len(experiment.names)
    for name, (way, seed) in experiment.names.items():
        left -= 1
        if experiment.kept.ended(name):
            continue
        file = experiment.space.file.with_name(f"{way}.yaml")
        if not file.exists():
            file.write_text(for_throughput(experiment.space.file.read_text(), experiment.ways[way].disturbed))
        begun_s = sum(trial.duration_s for trial in experiment.kept.trials([name]))
        options = ["--trials", str(experiment.trials), "--seed", str(seed), "--tracking-uri", "none"]
        options += [*experiment.place, *experiment.ways[way].options]
        with nullcontext() if experiment.calm else disturbed(seed, begun_s):
            _attempted(experiment.kept, name, file, options)
        print(f"{name}: chose {_shown(chosen(experiment.kept, name))}; studies: {pace.line(left)}", flush=True)


def _attempted(studies: Studies, name: str, file: Path, options: Sequence[str]) -> None:
    """A machine may be so disturbed that a study gives up: what it found until then is what it found."""
    for _ in range(_ATTEMPTS):
        try:
            studies.run(name, file, *options)
        except Unfinished as failure:
            print(failure, file=sys.stderr, flush=True)
        else:
            return


@contextmanager
def disturbed(seed: int, begun_s: float) -> Iterator[None]:
    """A disturber on each of the servers' CPUs, `begun_s` after its beginning."""
    command = [sys.executable, str(ROOT / "scripts/benchmark/disturber.py"), "--seed", str(seed)]
    command += ["--offset", f"{begun_s:.1f}", "--seconds", f"{_LONGEST_S:.0f}"]
    running = [
        subprocess.Popen([*command, "--cpu", str(cpu)], stdin=subprocess.DEVNULL, start_new_session=True)
        for cpu in look().server_cpus
    ]
    try:
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()


def chosen(studies: Studies, name: str) -> Configuration | None:
    """None: nothing met the SLO."""
    contents = studies.contents(name)
    if contents is None:
        return None
    choice = summarize(contents).choice
    return None if choice is None else contents.trials[choice.candidate.trial].configuration


def best_of(rows: Iterable[Mapping[str, str]], space: SearchSpace, number: int) -> list[Configuration]:
    """Of a recorded table, the configurations whose medians meet the SLO, by falling throughput.

    A throughput that is a lower bound counts as what is known of it.
    """
    found: dict[tuple[str, ...], list[Mapping[str, str]]] = {}
    names = [parameter.name for parameter in space.parameters]
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    known = {tuple(str(one.values.get(name, "")) for name in names): one for one in configurations(space)}
    ranked = []
    for values, starts in found.items():
        if values not in known or any(row["outcome"] != "measured" or not row["throughput"] for row in starts):
            continue
        if all(bound.excess(_median(starts, bound.metric)) <= 0.0 for bound in space.slo):
            ranked.append((_median(starts, "throughput"), known[values]))
    return [one for _, one in sorted(ranked, key=lambda pair: -pair[0])[:number]]


def _median(rows: Sequence[Mapping[str, str]], metric: str) -> float:
    return median(float(row[metric].removeprefix(">=").removeprefix("<=")) for row in rows)


def measure_quietly(experiment: Experiment, wanted: Sequence[Configuration]) -> None:
    """Every configuration so many times, each time in a study and an order of its own."""
    pace = Pace()
    for number, name in enumerate(experiment.quiet):
        file = experiment.space.file.with_name(f"{name}.yaml")
        if not file.exists():
            order = random.Random(number).sample(wanted, len(wanted))
            file.write_text(with_known(for_throughput(experiment.space.file.read_text(), Way().disturbed), order))
        options = ["--sampler", "grid", "--trials", str(len(wanted) + 1), "--confirm", "0", "--tracking-uri", "none"]
        experiment.kept.run(name, file, *options, *experiment.place)
        print(f"{name}: {len(wanted)} configurations; passes: {pace.line(experiment.starts - number - 1)}", flush=True)


def quiet_medians(trials: Iterable[Trial], space: SearchSpace) -> dict[str, tuple[float, bool]]:
    """By the digest of a configuration its throughput on the quiet machine, and whether it meets the SLO there."""
    groups: dict[str, list[dict[str, float]]] = {}
    for trial in trials:
        if trial.purpose != "reference":
            known = {} if trial.measurement is None else trial.measurement.metrics()
            groups.setdefault(trial.configuration.digest, []).append(known)
    found = {}
    for digest, starts in groups.items():
        throughput = median(one.get("throughput", 0.0) for one in starts)
        meets = all(
            all(bound.metric in one for one in starts)
            and bound.excess(median(one[bound.metric] for one in starts)) <= 0.0
            for bound in space.slo
        )
        found[digest] = (throughput, meets)
    return found


def best_unseen(trials: Iterable[Trial], good: Collection[str]) -> float:
    """Throughput of the best of the configurations `good` (digests), by starts that had no say in which is the best: the
    one with the highest median of all other starts is taken, for each start in turn, and the median of what those were
    worth. The highest of some medians would be the luckiest, the more so the more there are.

    With a single start there are no others; then it is the highest.
    """
    starts: dict[str, list[float]] = {}
    for trial in trials:
        if trial.purpose != "reference" and trial.configuration.digest in good:
            known = {} if trial.measurement is None else trial.measurement.metrics()
            starts.setdefault(trial.configuration.digest, []).append(known.get("throughput", 0.0))
    fewest = min(map(len, starts.values()), default=0)
    if fewest < 2:
        return max((median(values) for values in starts.values()), default=0.0)
    held_out = []
    for number in range(fewest):
        others = {digest: median(values[:number] + values[number + 1 :]) for digest, values in starts.items()}
        held_out.append(starts[max(others, key=others.__getitem__)][number])
    return median(held_out)


def report(experiment: Experiment) -> str:
    quiet = experiment.kept.trials(experiment.quiet)
    medians = quiet_medians(quiet, experiment.space)
    most = best_unseen(quiet, {digest for digest, (_, meets) in medians.items() if meets})
    if most <= 0.0:
        return "nothing met the SLO on the quiet machine"
    rows, whole = [], []
    for way in experiment.ways:
        shares, met, minutes = [], 0, []
        for name in (name for name, (of, _) in experiment.names.items() if of == way):
            configuration = chosen(experiment.kept, name)
            throughput, meets = (0.0, False) if configuration is None else medians[configuration.digest]
            shares.append(throughput / most if meets else 0.0)
            met += meets
            trials = experiment.kept.trials([name])
            beside = "--parallel" in experiment.ways[way].options
            minutes.append((_wall_s(trials) if beside else sum(trial.duration_s for trial in trials)) / 60.0)
            whole.append(
                (name, _shown(configuration), f"{throughput / most:.1%}", "yes" if meets else "no", str(len(trials)))
            )
        near = sum(share >= NEAR for share in shares)
        rows.append(
            (
                way,
                f"{near} of {len(shares)}",
                f"{median(shares):.1%}",
                f"{min(shares):.1%}",
                f"{met} of {len(shares)}",
                f"{mean(minutes):.1f}",
            )
        )
    head = ["way", "within 5 % of the best", "median", "worst", "meet the SLO", "minutes a study"]
    return "\n\n".join(
        [
            markdown(head, rows),
            markdown(["study", "chosen", "of the best", "meets the SLO", "trials"], whole),
            f"The best: {most:.0f}/s, of {len(medians)} configurations measured {experiment.starts} times on the quiet machine, "
            "by starts that had no say in which it is.",
            f"*{machine()}.*",
        ]
    )


def _wall_s(trials: Sequence[Trial]) -> float:
    """From when the first began to when the last ended; trials beside each other count once."""
    if not trials:
        return 0.0
    ends = [trial.started_at + timedelta(seconds=trial.duration_s) for trial in trials]
    return (max(ends) - min(trial.started_at for trial in trials)).total_seconds()


def _shown(configuration: Configuration | None) -> str:
    return (
        "nothing"
        if configuration is None
        else " ".join(f"{name}={value}" for name, value in configuration.values.items())
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/benchmark/wander")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--space", type=Path, default=ROOT / "search_spaces/iris/grid.yaml")
    parser.add_argument("--grid", type=Path, help="a recorded table of the space; else the best is that of all chosen")
    parser.add_argument("--best", type=int, default=5, help="so many of the table are measured anew")
    parser.add_argument("--studies", type=int, default=10)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--samplers", nargs="+", default=[], help="the ways, in place of remeasured and accepted")
    parser.add_argument("--parallel", nargs="+", type=int, default=[], help="the ways: so many trials at a time")
    parser.add_argument("--calm", action="store_true", help="disturb nothing")
    parser.add_argument("--backend", default="process")
    parser.add_argument("--namespace")
    parser.add_argument("--load", choices=["here", "cluster"], help="of `tune run`")
    given = parser.parse_args()
    folder = given.folder.resolve()
    place = ("--backend", given.backend, *(("--namespace", given.namespace) if given.namespace else ()))
    place += ("--load", given.load) if given.load else ()
    ways = {name: Way(options=("--sampler", name)) for name in given.samplers}
    ways |= {f"parallel-{number}": Way(options=("--parallel", str(number))) for number in given.parallel}
    ways = ways or dict(WAYS)
    space = inputs(given.space.resolve(), folder)
    sizes = (given.studies, given.trials, given.seed, given.starts)
    experiment = Experiment(folder, space, *sizes, ways=ways, place=place, calm=given.calm)
    top: list[Configuration] = []
    if given.grid is not None:
        with given.grid.open(newline="") as lines:
            top = best_of(csv.DictReader(line for line in lines if not line.startswith("#")), space, given.best)
    try:
        usual_s = estimate(read_inputs(space.file, given.backend, namespace=given.namespace)).seconds_a_trial
        print(f"{len(experiment.names)} studies, at most {foretold_s(experiment, usual_s) / 60.0:.0f} min", flush=True)
    except InputError as error:
        sys.exit(str(error))
    try:
        with interruptible():
            run(experiment)
            picks = [one for name in experiment.names if (one := chosen(experiment.kept, name)) is not None]
            wanted = list({one.digest: one for one in [*top, *picks]}.values())
            if wanted:
                measure_quietly(experiment, wanted)
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on with what is missing", file=sys.stderr)
        return 130
    except Unfinished as failure:
        sys.exit(f"{failure}\nput that right; the same command goes on with what is missing")
    text = report(experiment)
    (folder / "README.md").write_text(text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
