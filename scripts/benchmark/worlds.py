"""What a search is tried on: a search space, a source of starts, and the truth about every configuration."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

import adopt

from tuner.backends.replay.columns import read
from tuner.backends.replay.disturbed import Disturbance, Disturbed
from tuner.backends.replay.model import Key, Source, Start, key
from tuner.backends.replay.simulated import Constants, Simulated
from tuner.backends.replay.table import Table
from tuner.space.model import Configuration, SearchSpace
from tuner.space.size import configurations
from tuner.targets.inputs import Inputs, read_inputs

SECOND = ("latency_p99", "throughput", "cpu")
"""What is looked for besides, where two objectives are: the first of these that the table has and that is not the one."""
ROOT = Path(__file__).parents[2]
EDGE = 0.03
"""So far is the best from the bound, where it is put near."""
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
BETTER = {"throughput": "maximize"}
QUICK = ("iris", "mlserver", "simulated-workers")

Metrics = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """`truth`: of each configuration that lives its metrics without noise on the quiet machine."""

    name: str
    inputs: Inputs
    truth: Mapping[Key, Metrics]
    source: Callable[[Disturbance, int], Source]
    """With this disturbance and seed."""
    file: Path
    """The table, or what names the simulated server."""
    sample: bool = False
    tried: int = 0
    """Configurations that could be tried, those that fail among them."""

    @property
    def space(self) -> SearchSpace:
        return self.inputs.space

    def feasible(self, metrics: Metrics) -> bool:
        return all(bound.metric in metrics and bound.excess(metrics[bound.metric]) <= 0 for bound in self.space.slo)

    def excess(self, metrics: Metrics) -> float:
        """How far the worst bound is broken; at most 0: none is."""
        found = [bound.excess(metrics[bound.metric]) for bound in self.space.slo if bound.metric in metrics]
        return max(found, default=0.0)

    def worth(self, metrics: Metrics) -> float:
        """In the first objective, as a share of the best that meets the SLO; 0 where it does not."""
        objective = self.space.objectives[0]
        if objective.metric not in metrics or not self.feasible(metrics):
            return 0.0
        best = self.best
        return (
            metrics[objective.metric] / best if objective.direction == "maximize" else best / metrics[objective.metric]
        )

    @property
    def best(self) -> float:
        objective = self.space.objectives[0]
        values = [one[objective.metric] for one in self.truth.values() if self.feasible(one)]
        return max(values) if objective.direction == "maximize" else min(values)

    def volume(self, found: Sequence[Metrics]) -> float:
        """Dominated by those that meet the SLO, in the unit square that all feasible ones span in the logarithm."""
        feasible = [one for one in self.truth.values() if self.feasible(one)]
        points = []
        for objective in self.space.objectives:
            logs = [math.log(max(one[objective.metric], 1e-12)) for one in feasible]
            low, high = min(logs), max(logs)
            sign = -1.0 if objective.direction == "maximize" else 1.0
            worst = high if sign > 0 else low
            points.append((objective.metric, sign, worst, max(high - low, 1e-12)))
        kept = [
            tuple(sign * (math.log(max(one[metric], 1e-12)) - worst) / span for metric, sign, worst, span in points)
            for one in found
            if self.feasible(one)
        ]
        return dominated(kept)


def dominated(points: Sequence[tuple[float, ...]]) -> float:
    """Area between the points (lower is better, at most 0 in both) and the origin."""
    area, edge = 0.0, 0.0
    for x, y in sorted(points):
        if y < edge:
            area += (edge - y) * -x
            edge = y
    return area


def worlds(folders: Sequence[Path], only: Sequence[str], *, two: bool) -> Iterator[World]:
    """The simulated ones, then every CSV of the folders; `only` those of these names (nothing: all)."""
    for name, make in SIMULATED.items():
        if not only or name in only:
            yield make(two)
    for folder in folders:
        for file in sorted(folder.glob("*.csv")):
            name = file.stem.replace("_", "-")
            if not only or name in only or file.stem in only:
                world = recorded(name, file, two=two)
                if world is not None:
                    yield world
        for file in sorted(folder.glob("*/table.csv")):
            if (not only or file.parent.name in only) and (space := space_of(file)) is not None:
                yield with_space(file.parent.name, space, file, two=two)


def recorded(name: str, file: Path, *, two: bool) -> World | None:
    """None: two objectives are asked for, and the table has one."""
    said, _, rows = adopt.rows_of(file.read_text())
    first = said.get("objective", "maximize throughput")
    seconds = [metric for metric in SECOND if rows[0].get(metric) and metric not in first]
    if two and not seconds:
        return None
    second = f"{BETTER.get(seconds[0], 'minimize')} {seconds[0]}" if two else None
    folder = Path(tempfile.mkdtemp(prefix="search-", dir=IN_MEMORY))
    return of_table(name, read_inputs(adopt.make(file, folder, first, None, second), "replay", table=file), file)


def space_of(table: Path) -> Path | None:
    """Beside the table, as `scripts/benchmark/record` leaves it, or the grid of the search space of its name."""
    places = [
        *table.parent.glob("*.yaml"),
        *table.parent.glob("inputs/grid.yaml"),
        *table.parent.glob("inputs/space.yaml"),
    ]
    grid = ROOT / "search_spaces" / table.parent.name / "grid.yaml"
    return next((place for place in (*places, grid) if place.is_file() and "parameters:" in place.read_text()), None)


def with_space(name: str, space: Path, file: Path, *, two: bool) -> World:
    """Of a server of our own, as its search space has it; one objective is its first."""
    inputs = read_inputs(space, "replay", table=file)
    aims = inputs.space.objectives if two else inputs.space.objectives[:1]
    return of_table(name, replace(inputs, space=replace(inputs.space, objectives=aims)), file)


def of_table(name: str, inputs: Inputs, file: Path) -> World:
    contents = read(file, inputs.space.parameters)
    groups: dict[Key, list[Start]] = {}
    for start in contents.starts:
        groups.setdefault(key(start.configuration), []).append(start)
    truth = {name: typical(group) for name, group in groups.items() if lives(group)}

    def source(disturbance: Disturbance, seed: int) -> Source:
        table = Table(contents, inputs.space, seed=seed, file=file)
        return Disturbed(table, disturbance, seed) if disturbance.any else table

    sample = contents.said.get("sample", "").lower() == "true"
    return World(name=name, inputs=inputs, truth=truth, source=source, file=file, sample=sample, tried=len(groups))


def lives(group: Sequence[Start]) -> bool:
    """More starts were measured than failed."""
    return sum(start.ending == "measured" for start in group) * 2 > len(group)


def typical(group: Sequence[Start]) -> dict[str, float]:
    """The geometric mean over restarts; of one, what it measured."""
    measured = [start.metrics for start in group if start.ending == "measured"]
    if len(measured) == 1:
        return {name: estimate.value for name, estimate in measured[0].items()}
    names = {name for metrics in measured for name in metrics}
    return {
        name: math.exp(mean(math.log(max(metrics[name].value, 1e-12)) for metrics in measured if name in metrics))
        for name in names
    }


def simulated(name: str, text: str, manifest: str, constants: Constants, *, two: bool) -> World:
    folder = Path(tempfile.mkdtemp(prefix="search-", dir=IN_MEMORY))
    second = ", cost: minimize" if two else ""
    (folder / "space.yaml").write_text(text.replace("throughput: maximize", f"throughput: maximize{second}"))
    (folder / "deployment.yaml").write_text(manifest)
    (folder / "request.json").touch()
    (folder / "server.json").write_text('{"simulated": {}}')
    inputs = read_inputs(folder / "space.yaml", "replay", table=folder / "server.json")
    space = inputs.space
    server = Simulated(constants, space, Disturbance(), 0)
    prices = space.prices
    truth: dict[Key, Metrics] = {}
    for configuration in configurations(space):
        start = server.truth(configuration)
        if server.infeasible(configuration) is None and start.ending == "measured":
            found = {name: estimate.value for name, estimate in start.metrics.items()}
            truth[key(configuration)] = {**found, "cost": cost(configuration, prices)}
    count = sum(1 for _ in configurations(space))
    return World(
        name=name,
        inputs=inputs,
        truth=truth,
        source=lambda disturbance, seed: Simulated(constants, space, disturbance, seed),
        file=folder / "server.json",
        tried=count,
    )


def cost(configuration: Configuration, prices: object) -> float:
    from tuner.measure.cost import cost_per_hour
    from tuner.space.model import Prices
    from tuner.units import quantity

    values = configuration.values
    assert isinstance(prices, Prices)
    replicas = float(quantity(str(values.get("replicas", 1))))
    cores = float(quantity(str(values.get("cpu", "1"))))
    memory = float(quantity(str(values.get("memory", "1Gi"))))
    return cost_per_hour(replicas * cores, replicas * memory, 0.0, prices)


_MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: simulated}
spec:
  replicas: 1
  selector: {matchLabels: {app: simulated}}
  template:
    metadata: {labels: {app: simulated}}
    spec:
      containers:
        - name: server
          image: simulated:1
          ports: [{name: http, containerPort: 8080}]
          env:
            - {name: WORKERS, value: "1"}
            - {name: THREADS, value: "1"}
          resources:
            requests: {cpu: "1", memory: 512Mi}
            limits: {cpu: "1", memory: 512Mi}
"""
_WORKERS = """\
name: simulated-workers
manifest: deployment.yaml
parameters:
  workers: {int: [1, 8], set: env/WORKERS}
  threads: {choices: [1, 2, 4, 8, 16], set: env/THREADS}
  replicas: {int: [1, 3], set: replicas}
  cpu: {choices: [500m, "1", "2", "4"], set: [requests/cpu, limits/cpu]}
  memory: {choices: [256Mi, 512Mi, 1Gi], set: [requests/memory, limits/memory]}
workload: {protocol: http, request: request.json, rate: 100/s}
slo: {latency_p99: 100ms}
objectives: {throughput: maximize}
budget: {trials: 40}
"""
_WAITING = _WORKERS.replace("simulated-workers", "simulated-waiting").replace("100ms", "250ms")

SIMULATED: dict[str, Callable[[bool], World]] = {
    "simulated-workers": lambda two: simulated("simulated-workers", _WORKERS, _MANIFEST, Constants(), two=two),
    "simulated-waiting": lambda two: simulated(
        "simulated-waiting", _WAITING, _MANIFEST, Constants(wait_s=0.03, serial=0.005, crosstalk=0.0001), two=two
    ),
}


def drawn(world: World, trials: int, *, edge: bool = False) -> World:
    """With that budget. `edge`: with the SLO so near to the best that noise carries what is worse across it."""
    budget = replace(world.space.budget, trials=trials, time_s=None)
    slo = world.space.slo
    if edge:
        best = max(world.truth.values(), key=world.worth)
        slo = tuple(
            replace(bound, bound=best[bound.metric] * (1.0 - EDGE if bound.at_least else 1.0 + EDGE)) for bound in slo
        )
    return replace(world, inputs=replace(world.inputs, space=replace(world.space, budget=budget, slo=slo)))
