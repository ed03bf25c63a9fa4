"""`tune run --in-cluster`: the study's own part runs as a Job, and is followed from here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from tuner.errors import EnvironmentFailure, InputError, Problem

if TYPE_CHECKING:
    from tuner.trials.database.connection import Database

_WORDS = "tuner.words"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,44}[a-z0-9])?")
_SAID_HERE = frozenset(
    (
        *("space", "name", "resume", "backend", "namespace", "context", "studies", "output", "log_format"),
        *("in_cluster", "image", "secret", "service_account"),
    )
)
"""Parameters of `tune run` that are for this side, or that the Job says itself."""


class Repeatable(click.Command):
    """Remembers its words, from which the command of a pod is made."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_WORDS] = tuple(args)
        return super().parse_args(ctx, args)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What `tune run` was asked that concerns this side."""

    space: Path
    name: str | None
    resume: bool
    namespace: str | None
    context: str | None
    image: str | None
    secret: str | None
    account: str
    workers: int
    output: Path | None
    log_format: str
    as_json: bool
    studies: Path
    database: Database | None


def run_in_cluster(asked: Asked) -> int:
    """The exit status, which is that of `tune run` there."""
    import tuner
    from tuner.backends.kubernetes.client.api import Api
    from tuner.cli.output import notice
    from tuner.cli.status import ENVIRONMENT_FAILED, INTERRUPTED
    from tuner.commands.in_cluster import Followed, begin, follow
    from tuner.in_cluster.job import Settings
    from tuner.in_cluster.running import Gone

    context = click.get_current_context()
    words = _words(context)
    _must_make_sense(asked, context, words)
    api = Api(namespace=asked.namespace, context=asked.context)
    settings = Settings(
        study=asked.name or "",
        namespace=api.namespace,
        image=asked.image or f"tuner:{tuner.__version__}",
        account=asked.account,
        secret=asked.secret or "",
        words=words,
        workers=asked.workers,
    )
    settings = begin(asked.space, settings, api, notice, resume=asked.resume, database=asked.database)
    notice(f"study {settings.study} runs as Job {settings.job} in namespace {api.namespace} of {api.cluster}")
    followed = Followed(notice, as_json=asked.log_format == "json")
    on = (
        f"study {settings.study} goes on in the cluster; follow it again: tune run {asked.space} --in-cluster "
        f"--namespace {api.namespace} --secret {settings.secret} --name {settings.study} --resume; end it: "
        f"kubectl delete job {settings.job} -n {api.namespace}"
    )
    try:
        ended = follow(settings, api, followed, notice)
    except KeyboardInterrupt:
        notice(on)
        return INTERRUPTED
    except Gone:
        raise
    except EnvironmentFailure:
        notice(on)
        raise
    status = ENVIRONMENT_FAILED if ended.status is None or ended.status > 125 else ended.status
    return _told(settings.study, status, followed.rest, asked)


def _told(study: str, status: int, rest: Sequence[str], asked: Asked) -> int:
    """The result: of a study in a database that can be reached from here as every command tells it, else as its pod did."""
    from tuner.cli.options import study_folder
    from tuner.cli.result import finish
    from tuner.cli.status import FINE, NOTHING_FEASIBLE
    from tuner.commands.run import summary_of

    has_result = status in (FINE, NOTHING_FEASIBLE)
    if has_result and asked.database is not None:
        folder = study_folder(study, asked.studies)
        return finish(folder, summary_of(folder), output=asked.output, as_json=asked.as_json)
    for line in rest:
        click.echo(line, err=not has_result)
    return status


def _must_make_sense(asked: Asked, context: click.Context, words: Sequence[str]) -> None:
    """Raises InputError with all that does not go with a Job."""
    given = context.params
    is_said = context.get_parameter_source("backend") is ParameterSource.COMMANDLINE
    checks = [
        (is_said and given["backend"] != "kubernetes", "--backend", "a Job runs on a cluster", "leave it out"),
        (
            asked.secret is None,
            "--in-cluster",
            "the study is kept in a database, and nothing says in which",
            "add --secret NAME: a Secret with the database's address, as the pods reach it, as TUNE_STUDIES",
        ),
        (
            asked.name is not None and not _NAME.fullmatch(asked.name),
            "--name",
            f"{asked.name!r} cannot be part of a Job's name",
            "use lower-case letters, digits and dashes, at most 46",
        ),
        (asked.resume and asked.name is None, "--resume", "it is not said which study", "add --name"),
        (
            asked.output is not None and asked.database is None,
            "--output",
            "the manifest is in a database that is not named here",
            "add --studies postgresql://USER@HOST/DATABASE, as it is reached from here; or `tune export` later",
        ),
        *(
            (_is_local(given[name]), option, f"{given[name]} would be lost with the pod", fix)
            for name, option, fix in (
                ("tracking_uri", "--tracking-uri", "give an MLflow server's address, http://HOST:5000"),
                ("storage_url", "--storage", "leave it out: it is made again from what the study knows"),
            )
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        ),
        *(
            (
                "/" in study or Path(study).is_dir(),
                "--warm-start",
                f"the folder {study} does not travel",
                "give the name of a study in that database",
            )
            for study in given["warm_start"]
        ),
    ]
    problems = [Problem.at(where, message, fix) for wrong, where, message, fix in checks if wrong]
    problems += shown_credentials("--in-cluster", words)
    if problems:
        raise InputError(problems)


def shown_credentials(option: str, words: Iterable[str]) -> list[Problem]:
    """Of words that stand in an object of the cluster, where more people read them than its Secrets."""
    from tuner.uri import masked

    fix = "put the whole of it into the Secret of --secret, as SCORES_URL say, and write '$(SCORES_URL)' here"
    return [
        Problem.at(option, f"{masked(word)} has credentials, and would stand in the cluster for all to read", fix)
        for word in words
        if masked(word) != word
    ]


def _is_local(address: str | None) -> bool:
    """An address that names a file; `$(NAME)` is a variable of the pod."""
    if address is None or address == "none" or address.startswith("$("):
        return False
    return address.startswith(("sqlite:", "file:")) or "://" not in address


def _words(context: click.Context) -> tuple[str, ...]:
    """What was given besides what is said here, as it was written."""
    raw: dict[str, Any] = context.command.make_parser(context).parse_args(list(context.meta[_WORDS]))[0]
    said: list[str] = []
    for param in context.command.params:
        if not isinstance(param, click.Option) or param.name in _SAID_HERE or param.name not in raw:
            continue
        option = max(param.opts, key=len)
        if param.is_flag:
            said.append(option)
            continue
        values = raw[param.name] if param.multiple else [raw[param.name]]
        for value in values:
            said += [option, str(value)]
    if "tracking_uri" not in raw:
        said += ["--tracking-uri", "none"]
    return tuple(said)
