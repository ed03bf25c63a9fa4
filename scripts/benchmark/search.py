"""How soon a search finds the best, and whether what it chooses holds; see scripts/benchmark/search."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from plain import PLAIN, PlainOptuna
from table import machine, markdown
from worlds import IN_MEMORY, QUICK, World, drawn, worlds

import tuner.commands.run as commands
from tuner.backends.replay import ReplayBackend
from tuner.backends.replay.disturbed import Disturbance
from tuner.backends.replay.model import key
from tuner.backends.replay.wander import Wander
from tuner.errors import TunerError
from tuner.study.model import Proposal, Recorder, Summary
from tuner.trials.model import Measured, Trial

BUDGETS = (5, 10, 20, 40)
TIMED_AT = (20, 50, 200)
PARALLEL = (1, 2, 4, 8)
SAMPLERS = ("auto", "tpe", "nsga2", "qmc", "random", "plain-tpe", "plain-gp")
WANDERS = {
    "still": Wander(),
    "wave": Wander(wave=0.3, period_s=600.0),
    "jumps": Wander(jump=2.0, every_s=180.0, lasts_s=120.0),
}
WANTED = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One study to run."""

    table: str
    sampler: str
    seed: int
    trials: int = 40
    two: bool = False
    noise: float = 0.0
    wander: str = "still"
    observed: bool = True
    edge: bool = False
    """The SLO is put near the best."""
    parallel: int = 1
    """So many trials at a time."""

    @property
    def name(self) -> str:
        sampler = self.sampler if self.parallel == 1 else f"{self.sampler}*{self.parallel}"
        parts = (self.table, sampler, self.trials, "two" if self.two else "one", f"noise={self.noise:g}")
        seen = "seen" if self.observed else "unseen"
        return " ".join(map(str, (*parts, f"{self.wander}{'-edge' if self.edge else ''}", seen, self.seed)))


class Nobody:
    """A recorder that hears and says nothing."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_args, **_kwargs: None


class NoStore:
    """In the place of Optuna's: what is timed is the search."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_args, **_kwargs: None


class Timed:
    """CPU time of each proposal, what it learns of the last trial included: that of others does not count."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._told_s = 0.0

    def of(self, advisor: type) -> Any:
        timed = self

        class Advisor(advisor):  # type: ignore[misc]
            def ask(self) -> Any:
                began = time.process_time()
                try:
                    return super().ask()
                finally:
                    timed.seconds.append(timed._told_s + time.process_time() - began)
                    timed._told_s = 0.0

            def tell(self, *given: Any, **named: Any) -> None:
                began = time.process_time()
                super().tell(*given, **named)
                timed._told_s = time.process_time() - began

        return Advisor


class SoManyAtATime:
    """Trials that all take the same time: the oldest ends next, and until then nobody knows of the younger ones."""

    def __init__(self, number: int, run_trial: Callable[[Proposal], Trial]) -> None:
        self.number = number
        self._run_trial = run_trial
        self._begun: deque[Proposal] = deque()

    def start(self, proposal: Proposal) -> None:
        self._begun.append(proposal)

    def next(self) -> Trial:
        return self._run_trial(self._begun.popleft())


_RENDERED: dict[tuple[str, str], Any] = {}


@contextmanager
def quick(world: World, case: Case, timed: Timed) -> Iterator[None]:
    """Without Optuna's store, reports, what is learned of knobs, and rendering anew what every seed renders."""
    from tuner.manifests.render import render
    from tuner.study.advisor import SamplingAdvisor

    def rendered(space: Any, manifest: Any, configuration: Any) -> Any:
        named = (world.name, configuration.digest)
        if named not in _RENDERED:
            _RENDERED[named] = render(space, manifest, configuration)
        return _RENDERED[named]

    advisor = PlainOptuna if case.sampler in PLAIN else SamplingAdvisor
    with (
        patch("tuner.study.store.Store.open", lambda _: NoStore()),
        patch("tuner.manifests.render.render", rendered),
        patch("tuner.study.advisor.SamplingAdvisor", timed.of(advisor)),
        patch("tuner.report.data.write", lambda *_args, **_kwargs: None),
        patch("tuner.report.study.page.write", lambda *_args, **_kwargs: None),
        patch("tuner.commands.run._learned", lambda _journal, summary, *_: summary),
        patch("tuner.study.model.OneByOne", partial(SoManyAtATime, case.parallel)),
    ):
        yield


def study(world: World, case: Case, place: Path) -> tuple[Summary, Timed]:
    disturbance = Disturbance(noise=case.noise, wander=WANDERS[case.wander], observed=case.observed)
    backend = ReplayBackend(world.source(disturbance, case.seed))
    inputs = replace(world.inputs, backend=backend)
    settings = commands.StudySettings(
        backend="replay",
        name="study",
        studies=place,
        trials=case.trials,
        seed=case.seed,
        sampler=case.sampler,
        tracking_uri=None,
        table=world.file,
    )
    timed = Timed()
    silent: Recorder = Nobody()
    with quick(world, case, timed):
        _, summary = commands.run(inputs, settings, silent, lambda _: None)
    return summary, timed


def result(world: World, case: Case, summary: Summary, timed: Timed) -> dict[str, Any]:
    """What is kept of one study: what was found after each trial of the search, by the truth, and the choice."""
    searched = [trial for trial in summary.trials if trial.searched]
    truths = [truth_of(world, trial) for trial in searched]
    found: list[float] = []
    for truth in truths:
        found.append(max(found[-1] if found else 0.0, world.worth(truth) if truth is not None else 0.0))
    told: dict[str, Any] = {"found": [round(one, 5) for one in found], "measured": len(summary.trials)}
    if case.two:
        whole = world.volume(list(world.truth.values()))
        seen = [[truth for truth in truths[:number] if truth is not None] for number in BUDGETS]
        told["volume"] = [round(world.volume(some) / whole, 5) for some in seen]
    told["proposal_ms"] = {at: round(timed.seconds[at - 1] * 1e3, 2) for at in TIMED_AT if len(timed.seconds) >= at}
    told["because"] = summary.ended_because
    if summary.choice is None:
        return told | {"chosen": None}
    chosen = next(trial for trial in summary.trials if trial.number == summary.choice.candidate.trial)
    truth = truth_of(world, chosen) or {}
    objective = world.space.objectives[0]
    said, is_ = summary.choice.candidate.metrics[objective.metric], truth.get(objective.metric)
    flatters = None if is_ is None else (said / is_ if objective.direction == "maximize" else is_ / said) - 1.0
    return told | {
        "chosen": {
            "worth": round(world.worth(truth), 5),
            "excess": round(world.excess(truth), 5) if truth else None,
            "flatters": None if flatters is None else round(flatters, 5),
        }
    }


def truth_of(world: World, trial: Trial) -> Mapping[str, float] | None:
    """None: it does not live. In a sample, what was told of it is all there is."""
    if world.sample:
        return trial.outcome.measurement.metrics() if isinstance(trial.outcome, Measured) else None
    return world.truth.get(key(trial.configuration))


# What is run


def cases(given: argparse.Namespace, names: Sequence[str]) -> Iterator[Case]:
    """Plain search first, then two objectives, noise, machines that wander, and proposals' time."""
    seeds, samplers = range(given.seeds), given.samplers
    noisy = [sampler for sampler in samplers if sampler in given.noisy_samplers]
    parts: dict[str, Callable[[int, str], Iterable[Case]]] = {
        "found": lambda seed, table: (Case(table=table, sampler=one, seed=seed) for one in samplers),
        "two": lambda seed, table: (Case(table=table, sampler=one, seed=seed, two=True) for one in samplers),
        "beside": lambda seed, table: (
            Case(table=table, sampler="auto", seed=seed, parallel=number) for number in PARALLEL
        ),
        "noise": lambda seed, table: (
            Case(table=table, sampler=one, seed=seed, noise=noise, trials=given.noisy_trials, edge=True)
            for one in noisy
            for noise in given.noises
        ),
        "wander": lambda seed, table: (
            Case(
                table=table,
                sampler=one,
                seed=seed,
                noise=0.03,
                wander=wander,
                observed=observed,
                trials=given.noisy_trials,
            )
            for one in noisy
            for wander in ("wave", "jumps")
            for observed in (True, False)
        ),
    }
    for part, of in parts.items():
        if part in given.parts:
            for table in names:
                for seed in seeds:
                    yield from of(seed, table)
    if "time" in given.parts:
        for table in names[: given.timed_tables]:
            for sampler in samplers:
                yield Case(table=table, sampler=sampler, seed=0, trials=max(TIMED_AT), noise=0.03)


def run(given: argparse.Namespace, done: dict[str, Any], results: Path) -> None:
    found = {two: {world.name: world for world in worlds(given.tables, given.only, two=two)} for two in (False, True)}
    if unknown := sorted({one.replace("_", "-") for one in given.only} - set(found[False])):
        sys.exit(f"--only {','.join(unknown)}: no such table; a folder of more is given by --tables")
    wanted = [case for case in cases(given, list(found[False])) if case.name not in done]
    wanted = [case for case in wanted if case.table in found[case.two]]
    began = time.monotonic()
    with results.open("a") as file:
        for index, case in enumerate(wanted):
            if time.monotonic() - began > given.most_s:
                print(f"{len(wanted) - index} studies are left; run it again to go on", file=sys.stderr)
                return
            world = drawn(found[case.two][case.table], case.trials, edge=case.edge)
            place = Path(tempfile.mkdtemp(prefix="search-", dir=IN_MEMORY))
            try:
                told = result(world, case, *study(world, case, place))
            except TunerError as error:
                told = {"error": str(error)}
            finally:
                shutil.rmtree(place, ignore_errors=True)
            done[case.name] = told
            file.write(json.dumps({"case": case.name, **told}) + "\n")
            file.flush()
            if not index % 50:
                each_s = (time.monotonic() - began) / (index + 1)
                print(f"{index + 1} of {len(wanted)} studies, {each_s:.2f} s each: {case.name}", file=sys.stderr)


# What is shown


def show(given: argparse.Namespace, done: Mapping[str, Mapping[str, Any]]) -> None:
    found = {two: list(worlds(given.tables, given.only, two=two)) for two in (False, True)}
    sizes = {world.name: world for world in found[False]}
    groups: dict[tuple[str, ...], dict[str, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for name, told in done.items():
        table, sampler, trials, aims, noise, wander, seen, _ = name.split()
        if table in sizes and "error" not in told:
            groups[aims, noise, wander, seen, trials][f"{table} {sampler}"].append(told)
    print(machine())
    for aims, title in (("one", "of the best feasible value"), ("two", "of the exact front's hypervolume")):
        print_found(groups[aims, "noise=0", "still", "seen", "40"], sizes, aims, title)
    print_chosen(groups, given)
    print_times(groups)


def print_found(
    group: Mapping[str, Sequence[Mapping[str, Any]]], sizes: Mapping[str, World], aims: str, title: str
) -> None:
    if not group:
        return
    rows = []
    for name in sorted(group, key=str.split):
        table, sampler = name.split()
        told = group[name]
        count = sizes[table].tried
        curves = [one["volume"] if aims == "two" else [at(one["found"], number) for number in BUDGETS] for one in told]
        shares = [f"{median(curve[index] for curve in curves):.3f}" for index in range(len(BUDGETS))]
        row = [table, f"{count:,}", sampler, *shares]
        if aims == "one":
            for wanted in (WANTED, 0.99):
                needed = sorted(first(one["found"], wanted) for one in told)
                row += [trials(needed, 0.5), trials(needed, 0.9)]
            row.append(f"{max(0.05 * count, 12):.0f} / {max(0.1 * count, 20):.0f}")
        row.append(str(len(told)))
        rows.append(row)
    head = ["table", "configurations", "sampler", *(f"at {number}" for number in BUDGETS)]
    if aims == "one":
        head += ["to 95 %", "9 of 10", "to 99 %", "9 of 10", "wanted"]
    print(f"\nShare {title}, median over seeds\n")
    print(markdown([*head, "seeds"], rows))


def print_chosen(groups: Mapping[tuple[str, ...], Mapping[str, Sequence[Mapping[str, Any]]]], given: Any) -> None:
    rows = []
    for (aims, noise, wander, seen, number), group in sorted(groups.items()):
        if aims != "one" or number != str(given.noisy_trials):
            continue
        by_sampler: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for name, told in group.items():
            by_sampler[name.split()[1]].extend(told)
        for sampler, told in sorted(by_sampler.items()):
            chosen = [one["chosen"] for one in told if one["chosen"] is not None]
            if not chosen:
                continue
            broken = [one for one in chosen if one["excess"] is None or one["excess"] > 0.0]
            badly = [one for one in chosen if one["excess"] is None or one["excess"] > 0.05]
            worth = sorted(one["worth"] for one in chosen)
            flatters = [one["flatters"] for one in chosen if one["flatters"] is not None]
            rows.append(
                [
                    f"{noise.removeprefix('noise=')} {wander}{'' if seen == 'seen' else ', unseen'}",
                    sampler,
                    f"{len(broken) / len(chosen):.1%}",
                    f"{len(badly) / len(chosen):.1%}",
                    f"{median(worth):.3f}",
                    f"{worth[len(worth) // 10]:.3f}",
                    f"{median(flatters):+.1%}" if flatters else "-",
                    f"{len(told) - len(chosen)}",
                    f"{median(one['measured'] for one in told):.0f}",
                    f"{len(told)}",
                ]
            )
    if rows:
        head = ["noise", "sampler", "truly breaks the SLO", "by over 5 %", "worth", "worst tenth", "flatters"]
        print(f"\nWhat is chosen after {given.noisy_trials} trials, all tables\n")
        print(markdown([*head, "no choice", "measured", "studies"], rows))


def print_times(groups: Mapping[tuple[str, ...], Mapping[str, Sequence[Mapping[str, Any]]]]) -> None:
    times: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for group in groups.values():
        for name, told in group.items():
            for one in told:
                for number, spent_ms in one["proposal_ms"].items():
                    times[name.split()[1]][str(number)].append(spent_ms)
    rows = [
        [sampler, *(f"{median(found[str(number)]):.0f}" if found[str(number)] else "-" for number in TIMED_AT)]
        for sampler, found in sorted(times.items())
    ]
    print("\nA proposal and what it learns of the last trial, ms of CPU time, median\n")
    print(markdown(["sampler", *(f"trial {number}" for number in TIMED_AT)], rows))


def at(found: Sequence[float], number: int) -> float:
    return found[min(number, len(found)) - 1]


def first(found: Sequence[float], wanted: float) -> float:
    """The first trial, counted from 1, after which so much was found; infinite: none of them."""
    return next((index + 1 for index, one in enumerate(found) if one >= wanted), float("inf"))


def trials(needed: Sequence[float], share: float) -> str:
    value = needed[min(len(needed) - 1, int(share * len(needed)))]
    return "> 40" if value == float("inf") else f"{value:.0f}"


def parsed() -> argparse.Namespace:
    options = argparse.ArgumentParser(prog="scripts/benchmark/search")
    listed: Callable[[str], list[str]] = lambda text: [one for one in text.split(",") if one]  # noqa: E731
    own = Path(__file__).parent / "tables"
    options.add_argument("--tables", type=Path, action="append", help="a folder of CSV files, besides our own")
    options.add_argument("--only", type=listed, default=[], help="tables, by name")
    options.add_argument("--samplers", type=listed, default=list(SAMPLERS))
    options.add_argument("--noisy-samplers", type=listed, default=["auto", "tpe", "random"])
    options.add_argument("--noisy-trials", type=int, default=20)
    options.add_argument(
        "--noises", type=lambda text: [float(one) for one in text.split(",")], default=[0.0, 0.03, 0.07, 0.15]
    )
    options.add_argument("--parts", type=listed, default=["found", "two", "noise", "wander", "time"])
    options.add_argument("--timed-tables", type=int, default=3)
    options.add_argument("--seeds", type=int, default=30)
    options.add_argument("--results", type=Path, default=Path("search-results.jsonl"), help="kept, and gone on with")
    options.add_argument("--most-s", type=float, default=float("inf"), help="begin no study after so many seconds")
    options.add_argument("--quick", action="store_true", help="three tables, three seeds, two minutes")
    options.add_argument("--show", action="store_true", help="run nothing")
    given = options.parse_args()
    given.tables = [own, *(given.tables or [])]
    if given.quick:
        given.only, given.seeds, given.most_s = given.only or list(QUICK), min(given.seeds, 3), 120.0
    if "plain-gp" in given.samplers and find_spec("torch") is None:
        given.samplers.remove("plain-gp")
        print("plain-gp is left out: torch is not installed here", file=sys.stderr)
    return given


def main() -> None:
    given = parsed()
    lines = given.results.read_text().splitlines() if given.results.exists() else []
    read = [json.loads(line) for line in lines if line.strip()]
    done = {told.pop("case"): told for told in read}
    if not given.show:
        run(given, done, given.results)
    show(given, done)


if __name__ == "__main__":
    main()
