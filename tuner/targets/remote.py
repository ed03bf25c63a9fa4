"""A server that somebody else runs, behind a URL."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import SplitResult, urlsplit

from tuner.backends.model import Difference, Endpoint
from tuner.errors import InputError, Problem, TrialFailure, Where
from tuner.load.model import Generator, Target, Unanswered
from tuner.load.process.local import local_generator
from tuner.load.requests import problems as request_problems
from tuner.measure.model import Usage
from tuner.space.file.read import read
from tuner.space.model import Constraint
from tuner.targets.model import TargetOptions
from tuner.targets.workload import plain_http, with_options
from tuner.trials.clock import Clock
from tuner.trials.serving import OnStage, Served, serving
from tuner.trials.traffic import Traffic
from tuner.uri import masked

_ASKED_EVERY_S = 0.1
_ANSWERS_WITHIN_S = 10.0
"""A server behind a URL is expected to be there; this is for one that was started a moment ago."""
_GRPC = ("grpc", "grpcs")


class Remote:
    """A server that somebody else runs, behind a URL; implements `SystemUnderTest`."""

    def __init__(self, name: str, base: str, traffic: Traffic, slo: tuple[Constraint, ...], clock: Clock) -> None:
        """`base`: its URL up to the port."""
        self.name = masked(name)
        self.workload = traffic.workload
        self.slo = slo
        self._base = base
        self._traffic = traffic
        self._clock = clock

    @contextmanager
    def serve(self, on_stage: OnStage) -> Iterator[Served]:
        """As in `SystemUnderTest`."""

        @contextmanager
        def answered(to: Target) -> Iterator[Generator]:
            with local_generator(to) as generator:
                on_stage("wait for an answer")
                self._wait(generator)
                yield generator

        running = _Elsewhere(self._base)
        with serving(running, self._traffic, answered, cpus=self._cpus(), on_stage=lambda _: None) as served:
            for note in served.notes:
                on_stage(note)
            yield replace(served, startup_s=None)

    def describe(self) -> Mapping[str, str]:
        """As in `SystemUnderTest`."""
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
                generator.ask(self._base, self._traffic.requests[0], self.workload.timeout_s)
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


def remote(text: str, options: TargetOptions, clock: Clock) -> Remote:
    """The server that a URL names. Raises InputError with every problem."""
    try:
        address = urlsplit(text)
        problems = list(_faults(text, address))
    except ValueError as error:
        fix = "write it like http://127.0.0.1:9000/predict"
        raise InputError.at(text, f"no URL: {error}", fix) from None
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
    return Remote(text, f"{address.scheme}://{address.netloc}", Traffic.of(workload), slo, clock)


def _of_url(address: SplitResult, options: TargetOptions) -> TargetOptions:
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
    where = f"{address.scheme}://…" if address.password else text
    if address.scheme not in ("http", "https", *_GRPC):
        fix = "write http://, https://, grpc:// or grpcs://"
        yield Problem.at(where, f"the scheme is {address.scheme!r}", fix)
    if not address.hostname:
        yield Problem.at(where, "no host in the URL", "write it like http://127.0.0.1:9000/predict")
    if address.username or address.password:
        fix = "take them out and give --header 'Authorization: ...'"
        yield Problem.at(where, "credentials in the URL would stand in every report", fix)
    if address.fragment:
        yield Problem.at(where, f"the fragment #{address.fragment} is never sent to a server", "take it out")
    if address.port == 0:
        yield Problem.at(where, "port 0 is no port", "write the port it listens on")
