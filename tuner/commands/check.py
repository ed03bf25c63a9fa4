"""`tune check --try`: the baseline is deployed once, and each request is sent to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tuner.errors import EnvironmentFailure, InputError, TrialFailure
from tuner.load.model import Unanswered
from tuner.targets.deployed import Deployed
from tuner.targets.inputs import Inputs
from tuner.targets.model import TargetOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one request was answered."""

    request: str
    """As ``POST http://127.0.0.1:8000/predict``."""
    file: str
    status: int
    body: bytes
    took_s: float
    wrong: str | None
    """What is wrong with it, in words; None: it is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One start of the baseline."""

    startup_s: float | None
    """None: it never got ready."""
    answers: tuple[Answered, ...]
    """One a request, of the first replica; of a start that failed none: the failure's reason quotes it."""
    notes: tuple[str, ...] = ()
    """What of the answers is not going to be compared between configurations."""
    failure: TrialFailure | None = None
    advice: str = ""
    """What to change, where it failed."""

    @property
    def works(self) -> bool:
        return self.failure is None and all(one.wrong is None for one in self.answers)


def attempt(inputs: Inputs, backend: str, on_stage: Callable[[str], None], notice: Callable[[str], None]) -> Attempt:
    """Deploy the manifest as it stands, wait until it is ready, send each request, take it down.

    Raises InputError for a backend in which nothing runs, EnvironmentFailure where it can never run here or the place
    fails.
    """
    from tuner.backends.model import HoldsMeasurements
    from tuner.study.hopeless import advice

    if isinstance(inputs.backend, HoldsMeasurements):
        fix = "try it with --backend process or kubernetes"
        raise InputError.at("--try", "nothing runs in a replay", fix)
    traffic = inputs.traffic
    system = Deployed(str(inputs.space.file), inputs, inputs.baseline, TargetOptions(backend=backend), notice)
    try:
        with system.serve(on_stage) as served:
            answers = []
            url = traffic.target(served.running.endpoint.urls).urls[0]
            for source, request in zip(inputs.space.workload.requests, traffic.requests, strict=True):
                begin = time.monotonic()
                answer = served.generator.ask(url, request, traffic.patience_s)
                took_s = time.monotonic() - begin
                answers.append(
                    Answered(
                        request=f"{request.method} {url}{request.path}",
                        file=str(source.path),
                        status=answer.status,
                        body=answer.body,
                        took_s=took_s,
                        wrong=traffic.protocol.check(answer.status, answer.body),
                    )
                )
            return Attempt(startup_s=served.startup_s, answers=tuple(answers), notes=served.notes)
    except Unanswered as unanswered:
        raise EnvironmentFailure(f"a request that was answered before was not answered again: {unanswered}") from None
    except TrialFailure as failure:
        return Attempt(startup_s=None, answers=(), failure=failure, advice=advice(failure.kind))


def document(found: Attempt) -> Mapping[str, Any]:
    """As plain JSON."""
    failure = found.failure
    return {
        "works": found.works,
        "startup_s": found.startup_s,
        "answers": [
            {
                "request": one.request,
                "file": one.file,
                "status": one.status,
                "body": one.body.decode(errors="replace"),
                "took_s": one.took_s,
                "wrong": one.wrong,
            }
            for one in found.answers
        ],
        "not_compared": list(found.notes),
        "failure": None
        if failure is None
        else {"stage": failure.stage, "kind": failure.kind, "reason": failure.reason, "advice": found.advice},
    }
