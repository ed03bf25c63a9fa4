"""What a study is made from: a search space and all that it names, read and checked as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.backends.model import WHOLE, Backend, ChecksRendered, Foresees, HoldsMeasurements, Part, Rendering
from tuner.errors import InputError, Problem, Where
from tuner.load.model import Request
from tuner.manifests.model import Manifest, PodSet
from tuner.measure.pace import Pace, foreseen
from tuner.space.metrics import STREAM_METRICS
from tuner.space.model import Configuration, SearchSpace
from tuner.targets.kept import read_space, table_of
from tuner.trials.copied import masked_names
from tuner.trials.folder import StudyFolder

if TYPE_CHECKING:
    from tuner.trials.model import StudyStart
    from tuner.trials.traffic import Traffic

_SERVER_S = 4.0
"""Start and end of a server, a usual figure; known better after the baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    space: SearchSpace
    manifest: Manifest
    traffic: Traffic
    """What the space's workload sends, and what was answered so far: nothing yet."""
    baseline: Configuration
    pods: PodSet
    """The baseline's."""
    backend: Backend
    foreseen: tuple[str, ...] = ()
    """What the backend says of all this that stands in nobody's way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyEstimate:
    """How large a search space is, and how long its study will take."""

    configurations: int | None
    """None: without end, since a parameter is continuous."""
    exact: bool
    """False: there are at most so many."""
    trials: int | None
    """The search's; None: as many as the time allows."""
    paid: int | None
    """So many the money is enough for, where each requests what the baseline does; None: it bounds nothing."""
    seconds_a_trial: float
    seconds: float
    """The whole study, confirmation included."""
    foreseen: tuple[str, ...]
    """What the rate and the duration will not tell, in sentences."""
    baseline_infeasible: str | None


def read_inputs(
    path: Path,
    backend_name: str,
    *,
    namespace: str | None = None,
    context: str | None = None,
    table: Path | None = None,
    seed: int = 0,
    part: Part = WHOLE,
) -> Inputs:
    """Read a search space and everything it names. `namespace` and `context`: of the cluster; None: the current ones.
    `table` and `seed`: of a replay. `part`: of the backend, that is this process's.

    Raises InputError with every problem of every file at once, those of running it with this backend among them.
    """
    from tuner.space.file.read import read

    space, found = read(path)
    return complete(space, found, backend_name, namespace=namespace, context=context, table=table, seed=seed, part=part)


def complete(
    space: SearchSpace | None,
    found: Sequence[Problem],
    backend_name: str,
    *,
    namespace: str | None = None,
    context: str | None = None,
    baseline_only: bool = False,
    table: Path | None = None,
    seed: int = 0,
    part: Part = WHOLE,
) -> Inputs:
    """All that a search space names. `found` are the problems of reading it; where it is None, there are some.

    `baseline_only`: the other configurations are not going to run, so the cluster is not asked about them. Raises as
    `read_inputs` does.
    """
    from tuner.manifests.baseline import baseline as baseline_of
    from tuner.trials.traffic import Traffic

    manifest, problems = checked(space, found)
    if problems or space is None or manifest is None:
        raise InputError(_in_order(problems))
    baseline = baseline_of(space, manifest)
    as_it_stands = _rendering(space, manifest, "the baseline", baseline)
    backend = backend_of(backend_name, space, namespace=namespace, context=context, table=table, seed=seed, part=part)
    problems.extend(backend.check(as_it_stands.pods))
    if not problems and isinstance(backend, ChecksRendered):
        extremes = () if baseline_only else _extremes(space, manifest, baseline)
        problems.extend(backend.check_rendered([as_it_stands, *extremes]))
    if problems:
        raise InputError(_in_order(problems))
    return Inputs(
        space=space,
        manifest=manifest,
        traffic=Traffic.of(space.workload),
        baseline=baseline,
        pods=as_it_stands.pods,
        backend=backend,
        foreseen=(*_moved(space, manifest, as_it_stands), *(backend.foreseen if isinstance(backend, Foresees) else ())),
    )


def checked(space: SearchSpace | None, found: Sequence[Problem]) -> tuple[Manifest | None, list[Problem]]:
    """The manifest, and all that can be found wrong wherever it is to run; `found` is what reading the space found."""
    from tuner.load.requests import problems as request_problems
    from tuner.load.requests import requests as read_requests
    from tuner.manifests.check.knobs import check
    from tuner.manifests.reader import read as read_manifest

    problems: list[Problem] = list(found)
    manifest: Manifest | None = None
    if space is not None and _is_file(space.manifest):
        manifest, unreadable = read_manifest(space.manifest)
        problems.extend(unreadable)
        if manifest is not None:
            problems.extend(check(space, manifest) or _of_known(space, manifest))
    if space is not None and all(_is_file(source.path) for source in space.workload.requests):
        found = request_problems(space.workload, Where(file=str(space.file)))
        problems.extend(found or _untimed(space, read_requests(space.workload)))
    return manifest, problems


def _of_known(space: SearchSpace, manifest: Manifest) -> Iterator[Problem]:
    """What is wrong with known configurations, of a manifest in which every knob can be set."""
    from tuner.manifests.baseline import baseline as baseline_of
    from tuner.space.known import problems

    if space.known:
        yield from problems(space, baseline_of(space, manifest))


def lacking_here(space: SearchSpace, manifest: Manifest) -> tuple[Problem, ...]:
    """What this machine lacks to run the images as processes, of a space in which nothing else is wrong."""
    from tuner.backends.process.checks import problems
    from tuner.manifests.baseline import baseline as baseline_of

    pods = _rendering(space, manifest, "the baseline", baseline_of(space, manifest)).pods
    return tuple(problems(pods, space))


def _is_file(path: Path) -> bool:
    """False for a name too long for any file, too."""
    try:
        return path.is_file()
    except OSError:
        return False


def _untimed(space: SearchSpace, requests: Sequence[Request]) -> Iterator[Problem]:
    """Metrics of streams that no request asks for."""
    metrics = [bound.metric for bound in space.slo] + [objective.metric for objective in space.objectives]
    asked = [metric for metric in dict.fromkeys(metrics) if metric in STREAM_METRICS]
    if asked and not any(request.streams for request in requests):
        message = f"no request asks for a stream, of which {', '.join(asked)} would be measured"
        yield Problem.at(space.file, message, 'write "stream": true into the request')


def inputs_of(folder: StudyFolder, *, worker: int | None = None, parallel: int | None = None) -> Inputs:
    """The inputs a study was started with, as it keeps them. `worker`: which of those that run its trials asks; None:
    who decides what they run. `parallel`: so many run at a time from now on; None: as many as before.

    Raises InputError where they changed since, as those of a study can that keeps none: its trials would not compare.
    """
    from tuner.space.digest import input_digest
    from tuner.study.summary import current
    from tuner.trials.journal import read

    start = current(read(folder.journal))
    space, found = read_space(folder, start)
    # whoever joins from elsewhere gets to the cluster in a way of its own
    context = None if worker is not None and start.run_by == "workers" else start.context
    inputs = complete(
        space,
        found,
        start.backend,
        namespace=start.namespace,
        context=context,
        table=table_of(folder, start),
        seed=start.seed,
        part=Part(index=worker, number=parallel or start.parallel),
        baseline_only=worker is not None,
    )
    replayed = inputs.backend.describe() if isinstance(inputs.backend, HoldsMeasurements) else {}
    if input_digest(inputs.space) != start.input_digest or not replayed.items() <= start.machine.items():
        what = "the table" if replayed else "a request"
        changed = f"the search space, its manifest or {what} changed since study {start.name} began"
        fix = "start a new study with `tune run`, or bring the files back as they were"
        if names := masked_names(folder):
            changed = f"this copy of study {start.name} was made for others, and {', '.join(names)} masked in it"
            fix = "only the study's own folder can go on; show, report and export work here"
        raise InputError.at(inputs.space.file, changed, fix)
    return inputs


def space_of(folder: StudyFolder, start: StudyStart) -> SearchSpace:
    """A study's search space, as it keeps it. Raises InputError."""
    space, problems = read_space(folder, start)
    if space is None:
        raise InputError(problems)
    return space


def backend_of(
    name: str,
    space: SearchSpace | None,
    *,
    namespace: str | None = None,
    context: str | None = None,
    table: Path | None = None,
    seed: int = 0,
    part: Part = WHOLE,
) -> Backend:
    """The backend by its name. `space` None: good only for cleaning up and describing the place. Raises InputError."""
    if table is not None and name != "replay":
        raise InputError.at("--table", f"the {name} backend measures anew", "write --backend replay, or leave it out")
    if name == "kubernetes":
        from tuner.backends.kubernetes import KubernetesBackend

        return KubernetesBackend(space, namespace=namespace, context=context, beside=part.number - 1)
    if name == "process":
        from tuner.backends.process import ProcessBackend

        return ProcessBackend(space, part=part)
    if name == "replay" and not part.is_whole:
        message = "what is replayed takes no time, one after the other"
        raise InputError.at("--parallel", message, "leave it out")
    if name == "replay" and space is not None:
        from tuner.backends.replay import ReplayBackend
        from tuner.backends.replay.source import open_source

        if table is None:
            message = "a replay needs a table of what was measured"
            raise InputError.at("--backend replay", message, "name it with --table; `tune record` makes one of a study")
        return ReplayBackend(open_source(table, space, seed))
    raise InputError.at("--backend", f"no backend is called {name!r}", "use process, kubernetes or replay")


def _extremes(space: SearchSpace, manifest: Manifest, baseline: Configuration) -> Iterator[Rendering]:
    """Every parameter at its smallest, and at its largest, whatever the rules say of the combination."""
    from tuner.space.active import active
    from tuner.space.domain import extremes

    ends = {parameter.name: extremes(parameter.domain) for parameter in space.parameters}
    for end, what in enumerate(("smallest", "largest")):
        values = {name: both[end] for name, both in ends.items()}
        configuration = Configuration(values=active(space.parameters, {**baseline.values, **values}))
        yield _rendering(space, manifest, f"the {what} configuration", configuration)


def _moved(space: SearchSpace, manifest: Manifest, as_it_stands: Rendering) -> tuple[str, ...]:
    """Where some configuration would make clients look for the server elsewhere."""
    from tuner.manifests.exposed import moved

    found = [
        sentence
        for other in _extremes(space, manifest, as_it_stands.configuration)
        for sentence in moved(as_it_stands.rendered.objects, other.rendered.objects)
    ]
    return tuple(f"with some configurations {sentence}" for sentence in dict.fromkeys(found))


def _rendering(space: SearchSpace, manifest: Manifest, what: str, configuration: Configuration) -> Rendering:
    from tuner.manifests.pods import pods as pods_of
    from tuner.manifests.render import render

    rendered = render(space, manifest, configuration)
    return Rendering(what=what, configuration=configuration, rendered=rendered, pods=pods_of(space, rendered))


def estimate(inputs: Inputs, answer_s: float = 0.0) -> StudyEstimate:
    """Size and duration, from the search space alone; nothing is started. `answer_s`: what an answer takes, where that
    is known; 0: it is taken to be quick."""
    from tuner.measure.cost import cost_per_hour
    from tuner.space.size import size
    from tuner.trials.resources import requested

    budget = inputs.space.budget
    counted = size(inputs.space)
    pace = pace_of(inputs.space, answer_s)
    rate_rps = inputs.space.workload.rate_rps
    a_trial = pace.expected_s(rate_rps, searched=True) + _SERVER_S
    if isinstance(inputs.backend, HoldsMeasurements):
        a_trial = inputs.backend.usual_s
    asked = requested(inputs.pods)
    an_hour = cost_per_hour(asked.cores, asked.memory_bytes, asked.gpus, inputs.space.prices)
    paid_s = None if budget.cost is None or an_hour == 0.0 else budget.cost / an_hour * 3600.0
    paid = None if paid_s is None or a_trial <= 0.0 else max(1, int(paid_s / a_trial))
    bounds = [bound for bound in (budget.trials, counted.count + 1 if counted else None, paid) if bound is not None]
    trials = min(bounds, default=None)
    search_s = [bound for bound in (budget.time_s, paid_s, trials * a_trial if trials else None) if bound is not None]
    return StudyEstimate(
        configurations=counted.count if counted else None,
        exact=counted.exact if counted else True,
        trials=trials,
        paid=paid,
        seconds_a_trial=a_trial,
        seconds=min(search_s, default=0.0) + budget.usual_restarts * a_trial,
        baseline_infeasible=inputs.backend.infeasible(inputs.pods),
        foreseen=() if isinstance(inputs.backend, HoldsMeasurements) else tuple(foreseen(pace, rate_rps)),
    )


def pace_of(space: SearchSpace, answer_s: float = 0.0) -> Pace:
    """The times of a trial's windows, where an answer takes so long."""
    tight = tuple(one.metric for one in space.objectives if one.metric.startswith("latency_"))
    return Pace(workload=space.workload, slo=space.slo, tight=tight, answer_s=answer_s)


def _in_order(problems: list[Problem]) -> list[Problem]:
    """By file in the order met, then by line; each once."""
    files = list(dict.fromkeys(problem.where.file for problem in problems))
    return sorted(dict.fromkeys(problems), key=lambda p: (files.index(p.where.file), p.where.line))
