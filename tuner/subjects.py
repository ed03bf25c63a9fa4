"""What `tune bench`, `tune stress` and `tune compare` are pointed at: a URL, a manifest, a search space or a study.

A subject is served as often as it is asked for. What is deployed starts anew each time, as a trial does, and is gone
when it is left; a server behind a URL is somebody else's and is only spoken to.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

from tuner.backends.model import Deployment, Difference, Endpoint, Running
from tuner.errors import EnvironmentFailure, InputError, Problem, TrialFailure, Where
from tuner.inputs import Inputs, complete, inputs_of
from tuner.load.model import Generator, Request, Unanswered
from tuner.load.model import Protocol as Speaker
from tuner.load.requests import target
from tuner.manifests.pods import pods as pods_of
from tuner.manifests.render import render
from tuner.manifests.settings import with_settings
from tuner.measure.model import Usage
from tuner.space.arrivals import with_arrivals
from tuner.space.model import (
    Bearer,
    Configuration,
    Constraint,
    RequestSource,
    SearchSpace,
    TlsSpec,
    WorkloadSpec,
)
from tuner.space.nearest import nearest
from tuner.trials.clock import Clock, RealClock
from tuner.trials.load_source import Place, load_source
from tuner.trials.quiet import leave_servers_alone
from tuner.trials.ready import ready
from tuner.trials.verify import ExpectedAnswers
from tuner.uri import masked

_LOG_LINES = 200
_ASKED_EVERY_S = 0.1
_ANSWERS_WITHIN_S = 10.0
"""A server behind a URL is expected to be there; this is for one that was started a moment ago."""
_STUDY = "study:"
_GRPC = ("grpc", "grpcs")
NOTHING = Path(os.devnull)
"""Read as the body of a request without one."""

Stage = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectOptions:
    """What is said beside a subject's name. None (or empty): as its search space says, else the usual."""

    backend: str = "process"
    namespace: str | None = None
    context: str | None = None
    load: Place | None = None
    load_image: str | None = None
    space: Path | None = None
    """The search space whose workload and SLO a URL or manifest takes, and whose `local`; None: of a manifest the one
    beside it that names it."""
    trial: int | None = None
    """Of a study; None: the one it chose."""
    studies: Path = Path("studies")
    protocol: str | None = None
    bodies: tuple[Path, ...] = ()
    path: str | None = None
    method: str | None = None
    proto: str | None = None
    """Where the protocol grpc finds its method's definitions; None: of a URL, that server tells them."""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    model: str | None = None
    connections: int | None = None
    timeout_s: float | None = None
    warm_up_s: float | None = None
    duration_s: float | None = None
    most_s: float | None = None
    """With `duration_s`: measure on, up to this long, until the verdict is certain or the intervals are tight."""
    step_s: float | None = None
    rate_rps: float | None = None
    arrival: str | None = None
    """``poisson``, ``constant``, ``gamma:cv=2``, ``closed`` or ``closed:think=200ms``."""
    shape: str | None = None
    """As in `tuner.space.shapes`: ``ramp:10/s..500/s,over=30s``."""
    token: Bearer | None = None
    """Where a bearer token is found."""
    tls: TlsSpec | None = None
    seed: int | None = None
    slo: tuple[Constraint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One start of a subject, ready and its answers verified."""

    running: Running
    generator: Generator
    startup_s: float | None
    """None: a URL, nothing was started."""


class Subject(Protocol):
    """Something that serves. All attributes are fixed before anything is started."""

    name: str
    """As the user named it, less any secret in a URL."""
    workload: WorkloadSpec
    slo: tuple[Constraint, ...]

    def serve(self, on_stage: Stage) -> AbstractContextManager[Served]:
        """A fresh start (of a URL: the same server), its answers held against those of the first.

        Leaving the context takes down what was started. Raises TrialFailure, with the server's output as its `logs`,
        and EnvironmentFailure.
        """
        ...

    def describe(self) -> Mapping[str, str]:
        """What it is and where it runs, for the record; no secret in it."""
        ...


def subject(
    text: str, *, options: SubjectOptions, notice: Callable[[str], None] = lambda _: None, clock: Clock | None = None
) -> Subject:
    """The subject that a user names: ``http(s)://HOST:PORT[/PATH]``, ``grpc(s)://HOST:PORT[/package.Service/Method]``,
    ``study:NAME``, a manifest, a search space's file or folder, which may be followed by what is not as in the baseline:
    ``SPACE@workers=4,cpu=500m``. `notice` hears sentences for the user while it serves.

    Raises InputError with every problem; nothing was started.
    """
    if options.trial is not None and not text.startswith(_STUDY):
        fix = f"write {_STUDY}NAME, or leave --trial out"
        raise InputError([Problem(where=Where(file="--trial"), message=f"{text} is no study", fix=fix)])
    if "://" in text:
        return _remote(text, options, clock or RealClock())
    if text.startswith(_STUDY):
        return _of_study(text, options, notice)
    path, settings = _settings(text)
    if path.is_dir() or not _is_manifest(path):
        space, problems = _read_space(path)
    else:
        space, problems = _manifest_space(path, options)
    if space is not None:
        space, wrong = _as_said(space, options)
        if wrong:
            raise InputError((*problems, *wrong))
    inputs = complete(
        space, problems, options.backend, namespace=options.namespace, context=options.context, baseline_only=True
    )
    configuration = with_settings(inputs.space, inputs.baseline, settings, text) if settings else inputs.baseline
    return Deployed(text, inputs, configuration, options, notice)


class Deployed:
    """One configuration, deployed by a backend as a trial is; implements `Subject`."""

    def __init__(
        self,
        name: str,
        inputs: Inputs,
        configuration: Configuration,
        options: SubjectOptions,
        notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.workload = inputs.space.workload
        self.slo = inputs.space.slo
        self._inputs = inputs
        self._options = options
        self._notice = notice
        self._rendered = render(inputs.space, inputs.manifest, configuration)
        self._configuration = configuration
        self._pods = pods_of(inputs.space, self._rendered)
        self._id = secrets.token_hex(4)
        self._starts = count()
        self._expected = ExpectedAnswers()

    @contextmanager
    def serve(self, on_stage: Stage) -> Iterator[Served]:
        """As in `Subject`."""
        backend, number = self._inputs.backend, next(self._starts)
        if number == 0:
            self._prepare()
        deployment = Deployment(study=self._id, trial=number, rendered=self._rendered, pods=self._pods)
        with load_source(
            backend,
            study=self._id,
            place=self._options.load,
            image=self._options.load_image,
            notice=self._notice,
        ) as load:
            on_stage("deploy")
            with backend.deploy(deployment) as running:
                try:
                    speaker, requests = self._inputs.protocol, self._inputs.requests
                    to = target(running.endpoint.urls, self.workload, requests, backend.generator_cpus())
                    with load.generator(to) as generator:
                        startup_s = ready(
                            running, generator, self.workload, speaker, requests, self._expected, on_stage
                        )
                        yield Served(running=running, generator=generator, startup_s=startup_s)
                except TrialFailure as failure:
                    failure.logs = failure.logs or running.logs(_LOG_LINES)
                    raise
                finally:
                    on_stage("take down")

    def describe(self) -> Mapping[str, str]:
        """As in `Subject`."""
        pods = self._pods
        settings = " ".join(f"{name}={value}" for name, value in self._configuration.values.items())
        return {
            "manifest": str(self._inputs.manifest.file),
            "workload": f"{pods.kind} {pods.name}, replicas: {pods.replicas}",
            "images": ", ".join(dict.fromkeys(container.image for container in pods.containers)),
            **({"configuration": settings} if settings else {}),
            "manifest digest": self._rendered.digest,
            "backend": self._inputs.backend.name,
            **self._inputs.backend.describe(),
        }

    def _prepare(self) -> None:
        """Before the first start. Raises EnvironmentFailure where it can never run here."""
        backend = self._inputs.backend
        reason = backend.infeasible(self._pods)
        if reason is not None:
            raise EnvironmentFailure(f"{self.name} cannot run here: {reason}")
        leave_servers_alone(backend.generator_cpus())
        for removed in backend.clean():
            self._notice(f"left by an earlier crash, now removed: {removed}")


class Remote:
    """A server that somebody else runs, behind a URL; implements `Subject`."""

    def __init__(
        self,
        name: str,
        base: str,
        *,
        workload: WorkloadSpec,
        slo: tuple[Constraint, ...],
        speaker: Speaker,
        requests: tuple[Request, ...],
        clock: Clock,
    ) -> None:
        """`base`: its URL up to the port."""
        self.name = masked(name)
        self.workload = workload
        self.slo = slo
        self._base = base
        self._speaker = speaker
        self._requests = requests
        self._expected = ExpectedAnswers()
        self._clock = clock

    @contextmanager
    def serve(self, on_stage: Stage) -> Iterator[Served]:
        """As in `Subject`."""
        from tuner.load.local import local_generator

        running = _Elsewhere(self._base)
        to = target(running.endpoint.urls, self.workload, self._requests, self._cpus())
        with local_generator(to) as generator:
            on_stage("wait for an answer")
            self._wait(generator)
            ready(running, generator, self.workload, self._speaker, self._requests, self._expected, lambda _: None)
            yield Served(running=running, generator=generator, startup_s=None)

    def describe(self) -> Mapping[str, str]:
        """As in `Subject`."""
        return {"url": self.name}

    def _cpus(self) -> tuple[int, ...]:
        """All of this machine's that connections can be shared among, unless the server may be on it, too."""
        host = urlsplit(self._base).hostname or ""
        if host == "localhost" or host.startswith("127.") or host == "::1" or not hasattr(os, "sched_getaffinity"):
            return ()
        return tuple(sorted(os.sched_getaffinity(0)))[: self.workload.connections]

    def _wait(self, generator: Generator) -> None:
        """Until it answers anything at all; whether rightly is looked at next."""
        deadline = self._clock.now() + self.workload.ready_timeout_s
        while True:
            try:
                generator.ask(self._base, self._requests[0], self.workload.timeout_s)
                return
            except Unanswered as unanswered:
                if unanswered.final or self._clock.now() > deadline:
                    reason = f"{self.name} does not answer: {unanswered}"
                    raise TrialFailure(stage="ready", kind="NotReady", reason=reason) from None
                self._clock.sleep(_ASKED_EVERY_S)


class _Elsewhere:
    """A `Running` of which only the address is known."""

    not_enforced: tuple[str, ...] = ()

    def __init__(self, url: str) -> None:
        self.endpoint = Endpoint(urls=(url,))

    def wait_ready(self, deadline_s: float) -> float:  # noqa: ARG002 - whoever runs it has waited
        return 0.0

    def differences(self) -> tuple[Difference, ...]:
        return ()

    def check_alive(self) -> None:
        return

    def meter(self) -> _NoMeter:
        return _NoMeter()

    def logs(self, tail: int) -> str:  # noqa: ARG002
        return ""


class _NoMeter:
    def stop(self) -> Usage:
        return Usage()


def _remote(text: str, options: SubjectOptions, clock: Clock) -> Remote:
    from tuner.load.requests import problems as request_problems
    from tuner.load.requests import protocol_of
    from tuner.load.requests import requests as read_requests

    try:
        address = urlsplit(text)
        problems = list(_faults(text, address))
    except ValueError as error:
        fix = "write it like http://127.0.0.1:9000/predict"
        raise InputError([Problem(where=Where(file=text), message=f"no URL: {error}", fix=fix)]) from None
    options = _of_url(address, options)
    usual, slo = _plain_http(options), options.slo
    if options.space is not None:
        space, found = _read_space(options.space)
        if space is None or found:
            raise InputError((*problems, *found))
        usual, slo = space.workload, options.slo or space.slo
    workload, wrong = _workload(replace(usual, ready_timeout_s=_ANSWERS_WITHIN_S), options)
    problems += wrong or request_problems(workload, Where(file="--body"))
    if problems:
        raise InputError(problems)
    return Remote(
        text,
        f"{address.scheme}://{address.netloc}",
        workload=workload,
        slo=slo,
        speaker=protocol_of(workload),
        requests=read_requests(workload),
        clock=clock,
    )


def _of_url(address: SplitResult, options: SubjectOptions) -> SubjectOptions:
    """What the URL itself says of the requests: a path or, where its scheme is gRPC's, a method."""
    path = f"{address.path}?{address.query}" if address.query else address.path
    is_grpc = address.scheme in _GRPC
    if is_grpc and options.space is None:
        options = replace(options, protocol=options.protocol or "grpc")
    if options.protocol == "grpc":
        options = replace(options, proto=options.proto or f"{address.scheme}://{address.netloc}")
    if path in ("", "/"):
        return options
    if is_grpc:
        return replace(options, method=options.method or path.strip("/"))
    return replace(options, path=options.path or path)


def _faults(text: str, address: SplitResult) -> Iterator[Problem]:
    where = Where(file=f"{address.scheme}://…") if address.password else Where(file=text)
    if address.scheme not in ("http", "https", *_GRPC):
        fix = "write http://, https://, grpc:// or grpcs://"
        yield Problem(where=where, message=f"the scheme is {address.scheme!r}", fix=fix)
    if not address.hostname:
        yield Problem(where=where, message="no host in the URL", fix="write it like http://127.0.0.1:9000/predict")
    if address.username or address.password:
        fix = "take them out and give --header 'Authorization: ...'"
        yield Problem(where=where, message="credentials in the URL would stand in every report", fix=fix)
    if address.fragment:
        message = f"the fragment #{address.fragment} is never sent to a server"
        yield Problem(where=where, message=message, fix="take it out")
    if address.port == 0:
        yield Problem(where=where, message="port 0 is no port", fix="write the port it listens on")


def _of_study(text: str, options: SubjectOptions, notice: Callable[[str], None]) -> Deployed:
    from tuner.study.summary import summarize
    from tuner.trials.folder import StudyFolder
    from tuner.trials.journal import read

    name = text.removeprefix(_STUDY)
    folder = next((f for f in (options.studies / name, Path(name)) if (f / "journal.jsonl").is_file()), None)
    if not name or folder is None:
        known = sorted(journal.parent.name for journal in options.studies.glob("*/journal.jsonl"))
        there = f"there are: {', '.join(known)}" if known else f"{options.studies}/ holds none; `tune run` makes one"
        raise InputError([Problem(where=Where(file=text), message="no such study", fix=there)])
    study = StudyFolder(folder)
    summary = summarize(read(study.journal), trial=options.trial)
    if summary.choice is None:
        fix = "name a trial that was measured with --trial"
        raise InputError([Problem(where=Where(file=text), message="the study chose no configuration", fix=fix)])
    inputs = inputs_of(study)
    workload = replace(inputs.space.workload, rate_rps=summary.rate_rps)
    space, wrong = _as_said(replace(inputs.space, workload=workload), options)
    inputs = complete(
        space,
        wrong,
        summary.start.backend,
        namespace=summary.start.namespace,
        context=summary.start.context,
        baseline_only=True,
    )
    chosen = next(trial for trial in summary.trials if trial.number == summary.choice.candidate.trial)
    return Deployed(text, inputs, chosen.configuration, options, notice)


def _settings(text: str) -> tuple[Path, str]:
    """The file or folder, and what follows its name after an @."""
    name, at, settings = text.rpartition("@")
    return (Path(name), settings) if at and "=" in settings and not Path(text).exists() else (Path(text), "")


def _is_manifest(path: Path) -> bool:
    """Whether a YAML file holds Kubernetes objects; what cannot be told is left to the reader of search spaces."""
    from tuner.manifests import tree

    try:
        documents = tree.parse(path.read_text())
    except (OSError, ValueError, tree.Malformed):
        return False
    first = tree.data(documents[0].root) if documents else None
    return isinstance(first, Mapping) and "kind" in first and "parameters" not in first


def _read_space(path: Path) -> tuple[SearchSpace | None, tuple[Problem, ...]]:
    from tuner.space.reader import read

    return read(path)


def _manifest_space(manifest: Path, options: SubjectOptions) -> tuple[SearchSpace | None, tuple[Problem, ...]]:
    """A space without parameters: the manifest as it stands, loaded and run as the search space beside it says."""
    from tuner.space.reader import FILE_NAME

    file = options.space or _beside(manifest)
    if file is None:
        beside = manifest.parent / FILE_NAME  # where messages say that one can be written
        return SearchSpace(
            name=manifest.stem,
            file=beside,
            manifest=manifest,
            parameters=(),
            workload=_plain_http(options),
            objectives=(),
        ), ()
    space, problems = _read_space(file)
    if space is None or problems:
        return None, problems
    return replace(space, manifest=manifest, parameters=(), rules=()), ()


def _beside(manifest: Path) -> Path | None:
    """The search space in the manifest's folder that names it."""
    from tuner.space.reader import FILE_NAME

    file = manifest.parent / FILE_NAME
    if not file.is_file():
        return None
    space, _ = _read_space(file)
    return file if space is not None and space.manifest.resolve() == manifest.resolve() else None


def _plain_http(options: SubjectOptions) -> WorkloadSpec:
    """What is sent where no search space says it."""
    method = "POST" if options.bodies else "GET"
    return WorkloadSpec(protocol="http", requests=(RequestSource(path=NOTHING),), method=method)


def _as_said(space: SearchSpace, options: SubjectOptions) -> tuple[SearchSpace, tuple[Problem, ...]]:
    workload, problems = _workload(space.workload, options)
    return replace(space, workload=workload, slo=options.slo or space.slo), problems


def _workload(usual: WorkloadSpec, options: SubjectOptions) -> tuple[WorkloadSpec, tuple[Problem, ...]]:
    """The usual workload with what the options say instead, and what is wrong with that."""
    names = (
        "protocol",
        "path",
        "method",
        "proto",
        "model",
        "connections",
        "timeout_s",
        "warm_up_s",
        "step_s",
        "tls",
        "seed",
    )
    given: dict[str, Any] = {name: getattr(options, name) for name in names}
    if options.bodies:
        given["requests"] = tuple(RequestSource(path=body) for body in options.bodies)
    if options.headers:
        given["headers"] = {**usual.headers, **options.headers}
    if options.token is not None:
        given["auth"] = options.token
    workload = replace(usual, **{name: value for name, value in given.items() if value is not None})
    problems = list(_lacking(workload))
    try:
        workload = with_arrivals(
            workload,
            arrival=options.arrival,
            shape=options.shape,
            rate_rps=options.rate_rps,
            duration_s=options.duration_s,
            most_s=options.most_s,
        )
    except InputError as error:
        problems += error.problems
    return workload, tuple(problems)


def _lacking(workload: WorkloadSpec) -> tuple[Problem, ...]:
    """What the workload's protocol cannot do without."""
    from tuner.load.protocols import NAMES

    problems = []
    if workload.protocol not in NAMES:
        fix = f"{nearest(workload.protocol, NAMES)} (there: {', '.join(NAMES)})"
        message = f"no protocol is called {workload.protocol!r}"
        return (Problem(where=Where(file="--protocol"), message=message, fix=fix),)
    if workload.protocol in ("v2", "v2-grpc", "tensorflow") and workload.model is None and workload.path is None:
        message = f"the requests of the {workload.protocol} protocol name the model, and none was given"
        problems.append(Problem(where=Where(file="--model"), message=message, fix="give --model NAME"))
    if workload.protocol != "http" and any(source.path == NOTHING for source in workload.requests):
        message = f"the {workload.protocol} protocol sends a body, and none was given"
        problems.append(Problem(where=Where(file="--body"), message=message, fix="give --body FILE"))
    if workload.protocol == "grpc" and "/" not in workload.method:
        message = "the grpc protocol calls a method, and none was given"
        problems.append(
            Problem(where=Where(file="--method"), message=message, fix="give --method package.Service/Method")
        )
    if workload.path is not None and not workload.path.startswith("/"):
        problems.append(
            Problem(where=Where(file="--path"), message=f"{workload.path!r} is no path", fix=f"write /{workload.path}")
        )
    return tuple(problems)
