"""Are intervals as wide as they have to be? Held against tables of which every configuration is known."""

from __future__ import annotations

import argparse
import math
import random
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import worlds

from tuner.search.calibration import Widened, widening
from tuner.search.encoding import Encoding
from tuner.search.importance import importances
from tuner.search.knowledge import drawn
from tuner.search.lattice import lattice, levels_of
from tuner.search.model import Belief, Observation
from tuner.search.surrogate import Surrogate, logarithm
from tuner.search.worth import Z90
from tuner.space.model import Configuration
from tuner.space.size import configurations

TRIALS = (8, 16, 32)
LEAST = 96
"""Configurations of a table, for which 32 trials are a part."""


@dataclass(frozen=True, slots=True)
class Held:
    own: float
    shown: float
    named: float | None
    """None: no lattice of the space is in the table."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tables", type=Path, action="append", default=[])
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--noise", type=float, default=0.05)
    options = parser.parse_args()
    folders = options.tables or [Path("scripts/benchmark/tables")]
    rows = []
    print("| table | trials | model's own | as shown | knob named rightly |\n| --- | --- | --- | --- | --- |")
    for world in worlds.worlds(folders, [name for name in options.only.split(",") if name], two=False):
        if len(world.truth) < LEAST or world.sample:
            continue
        for trials in TRIALS:
            held = [tried(world, trials, seed, options.noise) for seed in range(options.seeds)]
            rows.append((trials, held))
            print(f"| {world.name} | {trials} | {told(held)} |", flush=True)
    for trials in TRIALS:
        print(f"| all | {trials} | {told([one for number, held in rows if number == trials for one in held])} |")


def told(held: list[Held]) -> str:
    named = [one.named for one in held if one.named is not None]
    shares = (mean(one.own for one in held), mean(one.shown for one in held), mean(named) if named else None)
    return " | ".join("–" if share is None else f"{share * 100:.0f} %" for share in shares)


def tried(world: worlds.World, trials: int, seed: int, noise: float) -> Held:
    """After so many random trials of the table, which restarts differ from by the noise."""
    metric = world.space.objectives[0].metric
    listed = tuple(one for one in configurations(world.space) if worlds.key(one) in world.truth)
    truth = np.array([logarithm(metric, world.truth[worlds.key(one)][metric]) for one in listed])
    rng = np.random.default_rng(seed)
    taken = set(random.Random(seed).sample(range(len(listed)), trials))
    observations = [
        Observation(
            configuration=listed[place],
            metrics={metric: math.exp(truth[place] + noise * rng.standard_normal())},
            at_s=30.0 * number,
        )
        for number, place in enumerate(rng.permutation(sorted(taken)))
    ]
    surrogate = Surrogate.fit(Encoding(world.space), observations, [metric])
    shown = Widened(surrogate, widening(trials))
    rest = [place for place in range(len(listed)) if place not in taken]
    others = tuple(listed[place] for place in rest)
    return Held(
        own=share_within(surrogate.believe(metric, others), truth[rest]),
        shown=share_within(shown.believe(metric, others), truth[rest]),
        named=named(world, metric, shown, dict(zip(map(digest, listed), truth, strict=True))),
    )


def digest(configuration: Configuration) -> str:
    return configuration.digest


def share_within(belief: Belief, truth: np.ndarray) -> float:
    return float(np.mean(np.abs(truth - belief.mean) <= Z90 * belief.sd))


def named(world: worlds.World, metric: str, beliefs: Widened, truth: dict[str, float]) -> float | None:
    """1: the knob that is said to matter most does, by the table itself."""
    points, whole = lattice(world.space)
    known = tuple(one for one in points if one.digest in truth)
    if len(known) < len(points) // 2:
        return None
    names = [parameter.name for parameter in world.space.parameters]
    levels = levels_of(names, known)
    right, _ = importances(names, levels, np.array([[truth[one.digest] for one in known]]), whole=whole)
    said, _ = importances(names, levels, drawn(*beliefs.joint(metric, known), seed=0), whole=whole)
    return float(said[0].knob == right[0].knob)


if __name__ == "__main__":
    main()
