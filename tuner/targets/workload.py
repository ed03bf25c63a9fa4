"""How a system is loaded: what the options say, else what its search space does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.errors import InputError, Mistake, Problem, Where
from tuner.load.protocols import NAMES
from tuner.nearest import nearest
from tuner.targets.model import TargetOptions
from tuner.workload.arrivals import with_arrivals
from tuner.workload.json_path import parse_path
from tuner.workload.model import PACED, RequestSource, WorkloadSpec

NOTHING = Path(os.devnull)
"""Read as the body of a request without one."""


def plain_http(options: TargetOptions) -> WorkloadSpec:
    """What is sent where no search space says it."""
    method = "POST" if options.bodies else "GET"
    return WorkloadSpec(protocol="http", requests=(RequestSource(path=NOTHING),), method=method)


def with_options(usual: WorkloadSpec, options: TargetOptions) -> tuple[WorkloadSpec, tuple[Problem, ...]]:
    """The usual workload with what the options say instead, and what is wrong with that."""
    of_requests = ("protocol", "path", "method", "proto", "model", "connections", "timeout_s", "tls", "seed")
    given: dict[str, Any] = {name: getattr(options, name) for name in (*of_requests, "warm_up_s", "step_s")}
    if options.bodies:
        given["requests"] = tuple(RequestSource(path=body) for body in options.bodies)
    if options.headers:
        given["headers"] = {**usual.headers, **options.headers}
    if options.token is not None:
        given["auth"] = options.token
    said = {name for name in PACED if getattr(options, name) is not None}
    given["said"] = usual.said | said
    if options.ignore:
        given["check"] = replace(usual.check, ignore=(*usual.check.ignore, *options.ignore))
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


def _lacking(workload: WorkloadSpec) -> Iterator[Problem]:
    """What the workload's protocol cannot do without, and paths that are none."""
    for path in workload.check.ignore:
        try:
            parse_path(path)
        except Mistake as mistake:
            yield mistake.at(Where(file="--ignore"))
    if workload.protocol not in NAMES:
        fix = f"{nearest(workload.protocol, NAMES)} (there: {', '.join(NAMES)})"
        yield Problem.at("--protocol", f"no protocol is called {workload.protocol!r}", fix)
        return
    if workload.protocol in ("v2", "v2-grpc", "tensorflow") and workload.model is None and workload.path is None:
        message = f"the requests of the {workload.protocol} protocol name the model, and none was given"
        yield Problem.at("--model", message, "give --model NAME")
    if workload.protocol != "http" and any(source.path == NOTHING for source in workload.requests):
        message = f"the {workload.protocol} protocol sends a body, and none was given"
        yield Problem.at("--body", message, "give --body FILE")
    if workload.protocol == "grpc" and "/" not in workload.method:
        message = "the grpc protocol calls a method, and none was given"
        yield Problem.at("--method", message, "give --method package.Service/Method")
    if workload.path is not None and not workload.path.startswith("/"):
        yield Problem.at("--path", f"{workload.path!r} is no path", f"write /{workload.path}")
