"""The files that take the chart's place: the manifest, the requests and a search space for each way of being asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from tuner.errors import InputError, Problem
from tuner.manifests.documents import load_all
from tuner.manifests.seldon_benchmark.axes import PROTOCOLS, RESOURCES, Axes, Axis, Part, axes, rules
from tuner.manifests.seldon_benchmark.chart import VALUES
from tuner.manifests.seldon_benchmark.deployment import NO_ENGINE, THREADS, WORKERS, deployment
from tuner.manifests.seldon_benchmark.traffic import body, has_placeholders, section
from tuner.manifests.seldon_benchmark.values import ChartValues, read
from tuner.manifests.survey.choice import choose
from tuner.manifests.survey.line import Line, plain
from tuner.manifests.survey.parameters import parameters
from tuner.units import quantity

_MANIFEST, _REQUEST = "seldondeployment", "request"
_LONGEST_NAME = 40
_USUAL_TRIALS = 20
_FEWEST_TRIALS = 6
"""A smaller grid is gone through whole."""
_WIDEST = 110
_ARGO = re.compile(r"-?\{\{[^{}]*\}\}")
"""An expression that only a Workflow fills in."""
_POD: Mapping[str, str] = {
    "image": "path:/spec/predictors/0/componentSpecs/0/spec/containers/0/image",
    "server": "path:/spec/predictors/0/graph/implementation",
    "modelUri": "path:/spec/predictors/0/graph/modelUri",
}
_KNOBS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "replicas": ("replicas", ("replicas",)),
    "serverWorkers": ("workers", tuple(f"env/{name}" for name in WORKERS)),
    "serverThreads": ("threads", tuple(f"env/{name}" for name in THREADS)),
    "modelUri": ("model_uri", (_POD["modelUri"],)),
    "image": ("image", (_POD["image"],)),
    "server": ("server", (_POD["server"],)),
    "disableOrchestrator": ("no_orchestrator", (f"annotations/{NO_ENGINE}",)),
    **{column: (address.replace("/", "_"), (address,)) for column, address in RESOURCES.items()},
}
"""By column, the knob's name and where it is set."""
_NUMBERS = ("replicas", "serverWorkers", "serverThreads", "disableOrchestrator")
"""Whose values are written without quotes."""
_V2_SERVERS_OF_THEIR_OWN = ("TRITON_SERVER",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """One search space, and how its cells are run."""

    file: str
    cells: int
    """Configurations that Kubernetes takes, the baseline among them."""
    varies: bool
    """False: the values hold one configuration, and the knobs are proposed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    files: Mapping[str, str]
    """Texts by name, all in one folder."""
    spaces: tuple[Space, ...]
    namespace: str
    load_cpus: int
    said: tuple[str, ...]
    """What has no counterpart or became something else, a sentence each."""


def propose(path: Path, space_name: str = "space.yaml") -> Proposal:
    """What a file of values for the chart asks for. `space_name`: of the search space; where there are several, each
    has what it is of in its name. Raises InputError with all that is wrong.
    """
    values, problems = read(path)
    found = axes(values, problems)
    name = _name(values, problems)
    if problems:
        raise InputError(_in_order(problems))
    parts, without = _parts(values, found)
    files: dict[str, str] = {}
    spaces = []
    for part in parts:
        manifest = _shared(
            files, _MANIFEST, ".yaml", part.deployed, deployment(values, part, name, resources=found.resources)
        )
        request = _shared(files, _REQUEST, ".json", part.deployed, body(values, part, problems))
        own = _with(space_name, part.label)
        objects = list(load_all(files[manifest]))
        lines = tuple(_lines(part)) or _proposed(objects, part)
        ruled = rules(part, {column: knob for column, (knob, _) in _KNOBS.items()})
        cells = _cells(part)
        study = f"{name}-{part.label}" if part.label else name
        text = _text(values, part, study, manifest, request, lines, ruled, cells, resources=found.resources)
        files[own] = "\n".join(text)
        spaces.append(Space(file=own, cells=cells, varies=bool(part.knobs)))
    if problems:
        raise InputError(_in_order(problems))
    cpus = [int(value) for value in found.axes["benchmarkCpu"].values] or [1]
    return Proposal(
        files=files,
        spaces=tuple(spaces),
        namespace=values["workflow.namespace"].text or "default",
        load_cpus=max(cpus),
        said=(*_said(values, found, parts, name), *without),
    )


def _parts(values: ChartValues, found: Axes) -> tuple[list[Part], list[str]]:
    """Those that can be asked, and what is said of the others."""
    parts = list(found.parts())
    if values["seldonDeployment.protocol"].text != "tensorflow":
        return parts, []
    left = [part for part in parts if not part.grpc]
    told = (
        "seldonDeployment.apiType: grpc is left out: of the tensorflow protocol it needs definitions (protocol: grpc)"
    )
    return left, [told] if len(left) < len(parts) else []


def _shared(files: dict[str, str], stem: str, suffix: str, label: str, text: str) -> str:
    """The name of the file with this text: of one there is already, or one of its own."""
    alike = (name for name, there in files.items() if name.startswith(stem) and there == text)
    name = next(alike, None) or (f"{stem}{suffix}" if f"{stem}{suffix}" not in files else f"{stem}-{label}{suffix}")
    files[name] = text
    return name


def _with(name: str, label: str) -> str:
    path = Path(name)
    return f"{path.stem}-{label}{path.suffix}" if label else name


def _lines(part: Part) -> Iterator[Line]:
    for axis in part.knobs:
        name, targets = _KNOBS[axis.column]
        choices = axis.values if axis.column in _NUMBERS else map(plain, axis.values)
        yield Line(name=name, domain=f"choices: [{', '.join(choices)}]", targets=targets, comment=axis.given.key)


def _proposed(objects: list[Any], part: Part) -> tuple[Line, ...]:
    return parameters(choose(objects), objects, "seldon-grpc" if part.grpc else "seldon")


def _cells(part: Part) -> int:
    """Of the grid, those that Kubernetes takes."""
    columns = [axis.column for axis in part.knobs]
    count = 0
    for chosen in product(*(axis.values for axis in part.knobs)):
        cell = {**part.fixed, **dict(zip(columns, chosen, strict=True))}
        sides = [(cell.get(f"requests{one}"), cell.get(f"limits{one}")) for one in ("Cpu", "Memory")]
        count += all(not low or not high or quantity(low) <= quantity(high) for low, high in sides)
    return count


def _text(
    values: ChartValues,
    part: Part,
    study: str,
    manifest: str,
    request: str,
    lines: tuple[Line, ...],
    ruled: tuple[str, ...],
    cells: int,
    *,
    resources: bool,
) -> Iterator[str]:
    width = min(max(len(str(line)) for line in lines), _WIDEST) + 2
    yield "# What Seldon's benchmarking chart was to run, from its values. Read each line, then run `tune check` on this file."
    yield f"name: {_study_name(study)}"
    yield f"manifest: {plain(manifest)}"
    yield f"container: {plain(values['seldonDeployment.modelName'].text)}"
    yield ""
    if part.knobs:
        yield f"parameters:  # {cells} cells: what the values give in lists"
    else:
        yield "parameters:  # the values hold one configuration; these knobs are proposed"
    for line in lines:
        yield f"{str(line).ljust(width - 2)}  # {line.comment}"
    if ruled:
        yield ""
        yield "rules:  # Kubernetes refuses requests above limits"
        yield from (f"  - {rule}" for rule in ruled)
    yield ""
    yield from section(values, part, request)
    yield ""
    yield "slo:  # a configuration that breaks it at the common rate is not chosen; the chart bounds nothing"
    yield "  error_ratio: 0.1%"
    yield "  # latency_p99: 100ms"
    yield ""
    yield f"objectives: {{throughput: maximize, {'cost' if resources else 'latency_p99'}: minimize}}"
    trials = _budget(cells) if part.knobs else _USUAL_TRIALS
    whole = f"  # all {cells} cells: --sampler grid --trials {cells}" if part.knobs and trials < cells else ""
    yield f"budget: {{trials: {trials}}}{whole}"
    yield ""


def _budget(cells: int) -> int:
    """Half the grid, so that there is something to gain by searching it."""
    return min(max((cells + 1) // 2, _FEWEST_TRIALS), cells, _USUAL_TRIALS)


def _said(values: ChartValues, found: Axes, parts: list[Part], name: str) -> Iterator[str]:
    if _ARGO.search(values["seldonDeployment.name"].text):
        yield f"the SeldonDeployment is called {name}; trials get names of their own"
    if values["workflow.parallelism"].text != "1":
        yield "workflow.parallelism: trials run one after the other, so that none disturbs another"
    if values["benchmark.host"].by_user:
        yield "benchmark.host: the load goes straight to the deployment's pods, not through an ingress"
    for key in ("benchmark.restImage", "benchmark.grpcImage"):
        if values[key].by_user:
            yield f"{key}: the load comes from the tuner's own generator (--load-image)"
    if values["seldonDeployment.waitTime"].by_user:
        yield "seldonDeployment.waitTime: a trial is asked as soon as it is ready (workload.ready_timeout bounds the wait)"
    if found.axes["benchmarkCpu"].varies:
        yield "benchmark.cpu: the generator's CPUs are not what is compared; the most of them are taken"
    yield from _of_resources(found)
    yield from found.refused
    if len(parts) > 1:
        keys = " and ".join(axis.given.key for axis in _apart(found, parts))
        yield f"{keys} would change how the server is asked: {len(parts)} search spaces, one for each way"
    if PROTOCOLS[values["seldonDeployment.protocol"].text] == "v2" and found.axes["server"].values:
        unread = [axis for axis in (found.axes["serverWorkers"], found.axes["serverThreads"]) if axis.varies]
        if unread and not set(found.axes["server"].values) <= set(_V2_SERVERS_OF_THEIR_OWN):
            keys = " and ".join(axis.given.key for axis in unread)
            yield f"{keys}: MLServer reads neither GUNICORN_ nor GRPC_ variables; env/MLSERVER_PARALLEL_WORKERS is what it reads"
    for value in VALUES:
        given = values[value.key]
        if len(given.texts) > len(set(given.texts)):
            yield f"{value.key}: a value that stands there twice is one configuration; the leaders are started again anyway"
    if any(has_placeholders(values, part) for part in parts):
        yield "the request has placeholders of ghz, which are sent as they stand; `template: true` has its own"


def _of_resources(found: Axes) -> Iterator[str]:
    given = [found.axes[column] for column in RESOURCES if found.axes[column].given.by_user]
    if given and not found.resources:
        keys = " and ".join(axis.given.key for axis in given)
        yield f'{keys}: left out, as the chart does unless seldonDeployment.enableResources is "true"'


def _apart(found: Axes, parts: list[Part]) -> list[Axis]:
    knobs = {axis.column for axis in parts[0].knobs}
    columns = {column for part in parts for column, value in part.fixed.items() if value != parts[0].fixed.get(column)}
    return [axis for axis in found.axes.values() if axis.column in columns - knobs]


def _name(values: ChartValues, problems: list[Problem]) -> str:
    given = values["seldonDeployment.name"]
    name = _ARGO.sub("", given.text).strip("-")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
        problems.append(
            given.problem(f"{given.text!r} is no name in Kubernetes", "use lower-case letters, digits and '-'")
        )
        return "seldon"
    return name


def _study_name(name: str) -> str:
    """At most 40 characters, the end of it whole: that tells studies apart."""
    named = re.sub(r"[^a-z0-9-]+", "-", name.lower())
    return named[-_LONGEST_NAME:].strip("-")


def _in_order(problems: list[Problem]) -> list[Problem]:
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.where.line)
