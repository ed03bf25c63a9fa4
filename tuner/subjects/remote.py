"""A server that somebody else runs, behind a URL."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import SplitResult, urlsplit

from tuner.backends.model import Difference, Endpoint
from tuner.errors import InputError, Problem, TrialFailure, Where
from tuner.load.local import local_generator
from tuner.load.model import Generator, Protocol, Request, Unanswered
from tuner.load.requests import problems as request_problems
from tuner.load.requests import protocol_of, target
from tuner.load.requests import requests as read_requests
from tuner.measure.model import Usage
from tuner.space.file.read import read
from tuner.space.model import Constraint, WorkloadSpec
from tuner.subjects.model import Served, Stage, SubjectOptions
from tuner.subjects.workload import plain_http, with_options
from tuner.trials.clock import Clock
from tuner.trials.ready import ready
from tuner.trials.verify import ExpectedAnswers
from tuner.uri import masked

_ASKED_EVERY_S = 0.1
_ANSWERS_WITHIN_S = 10.0
"""A server behind a URL is expected to be there; this is for one that was started a moment ago."""
_GRPC = ("grpc", "grpcs")


class Remote:
    """A server that somebody else runs, behind a URL; implements `Subject`."""

    def __init__(
        self,
        name: str,
        base: str,
        *,
        workload: WorkloadSpec,
        slo: tuple[Constraint, ...],
        speaker: Protocol,
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


def remote(text: str, options: SubjectOptions, clock: Clock) -> Remote:
    """The server that a URL names. Raises InputError with every problem."""
    try:
        address = urlsplit(text)
        problems = list(_faults(text, address))
    except ValueError as error:
        fix = "write it like http://127.0.0.1:9000/predict"
        raise InputError([Problem(where=Where(file=text), message=f"no URL: {error}", fix=fix)]) from None
    options = _of_url(address, options)
    usual, slo = plain_http(options), options.slo
    if options.space is not None:
        space, found = read(options.space)
        if space is None or found:
            raise InputError((*problems, *found))
        usual, slo = space.workload, options.slo or space.slo
    workload, wrong = with_options(replace(usual, ready_timeout_s=_ANSWERS_WITHIN_S), options)
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
