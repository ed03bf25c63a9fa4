"""What `tune run --in-cluster` does: a Job that runs the study, followed to its end."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.refusals import Refused
from tuner.backends.kubernetes.trial.objects import slug
from tuner.commands.travel import taken_along
from tuner.errors import InputError
from tuner.in_cluster import running
from tuner.in_cluster.job import FINAL, Settings
from tuner.record.log import plain

if TYPE_CHECKING:
    from tuner.trials.database.connection import Database

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Of Kubernetes' own generated names: no words come about."""


@dataclass(slots=True)
class Followed:
    """What a study's pods say: its progress, as it comes, and the rest, which is its result or what went wrong."""

    progress: Callable[[str], None]
    as_json: bool
    """Progress as the log has it, an object a line; else in words."""
    rest: list[str] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        event = _event(line)
        if event is None:
            self.rest.append(line)
            return
        while self.rest:  # it was said in between, for the study goes on
            self.progress(self.rest.pop(0))
        self.progress(line if self.as_json else plain(event))


def begin(
    path: Path,
    settings: Settings,
    api: Api,
    notice: Callable[[str], None],
    *,
    resume: bool,
    database: Database | None,
) -> Settings:
    """The Job runs afterwards; with `resume` it may run already. `settings.study` empty: a name that is free.

    Raises InputError before anything is made, and as `running.start` does.
    """
    space, _, inputs = taken_along(path, notice)
    labels = dict(space.cluster.labels)
    settings = replace(settings, study=settings.study or _free(space.name), labels=labels)
    if resume and running.is_there(api, settings):
        return settings
    if not resume and database is not None:
        _must_be_new(settings, database)
    try:
        running.start(api, settings, inputs)
    except Refused as refused:
        if refused.status != 409:
            raise
        fix = f"--resume follows it, or takes it up again; `kubectl delete job {settings.job}` ends it"
        raise InputError.at(f"Job {settings.job}", f"it is there already, in namespace {api.namespace}", fix) from None
    return settings


def follow(settings: Settings, api: Api, followed: Followed, notice: Callable[[str], None]) -> running.Ended:
    """To the Job's end. Raises as `running.follow` does."""
    ended = running.follow(api, settings, followed, notice)
    if ended.status not in (0, *FINAL) and ended.reason:
        notice(f"Job {settings.job} failed: {ended.reason}")
    return ended


def _free(name: str) -> str:
    return f"{slug(name)[:40].rstrip('-')}-{''.join(secrets.choice(_ALPHABET) for _ in range(5))}"


def _must_be_new(settings: Settings, database: Database) -> None:
    from tuner.trials.database.study import DatabaseStudy

    if DatabaseStudy(database, settings.study).is_there():
        fix = "--resume goes on with it, or choose another --name"
        raise InputError.at(database.shown, f"a study {settings.study} is there already", fix)


def _event(line: str) -> dict[str, Any] | None:
    """Of the JSON log; None: it is something else."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"time", "event"} <= found.keys() else None
