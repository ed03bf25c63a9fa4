"""`tune workflow`: a study as a Workflow of Argo, as YAML."""

from __future__ import annotations

import re
from pathlib import Path

import click
from click.core import ParameterSource

from tuner.cli.in_cluster import shown_credentials
from tuner.cli.options import file_or_stdout, space_argument
from tuner.cli.run import run

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?")
_SET_BY_IT = (
    *("name", "resume", "backend", "table", "namespace", "context", "tracking_uri", "output", "studies"),
    *("log_format", "as_json", "workers", "in_cluster", "image", "secret", "service_account"),
)
"""Options of `tune run` that a step of the Workflow gives itself."""
_CRON = re.compile(r"@(yearly|annually|monthly|weekly|daily|midnight|hourly)|@every \S+|(\S+ +){4}\S+")


def _name(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    if text is not None and not _NAME.fullmatch(text):
        raise click.BadParameter(f"{text!r} is no name here; use lower-case letters, digits and dashes, at most 52")
    return text


def _schedule(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    if text is not None and not _CRON.fullmatch(text):
        raise click.BadParameter(f"{text!r} is no schedule; write five fields such as '0 3 * * 6', or @weekly")
    return text


def _size(_ctx: click.Context, _param: click.Parameter, text: str) -> str:
    from tuner.units import quantity

    try:
        if quantity(text) > 0:
            return text
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    raise click.BadParameter(f"{text!r} holds nothing; write for example 1Gi")


@click.command()
@space_argument
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[-- OPTIONS OF tune run]")
@click.option("--template", is_flag=True, help="Write a WorkflowTemplate, to be submitted as often as one likes.")
@click.option("--cron", "schedule", metavar="SCHEDULE", callback=_schedule, help="Write a CronWorkflow, to tune again.")
@click.option("--timezone", help="With --cron: such as Europe/Berlin.  [default: the controller's]")
@click.option(
    "--name", callback=_name, help="Of the Workflow, and of its other objects.  [default: the search space's]"
)
@click.option(
    "--namespace", default="default", show_default=True, callback=_name, help="Where it runs, and its trials too."
)
@click.option("--image", help="The tuner's image.  [default: tuner:VERSION]")
@click.option("--claim", callback=_name, help="A PersistentVolumeClaim for the studies, which is there.")
@click.option(
    "--storage", default="1Gi", show_default=True, callback=_size, help="Without --claim: size of a run's own claim."
)
@click.option(
    "--artifacts",
    metavar="KEY",
    help="Keep the results and the study in Argo's artifact repository (S3), under this key.",
)
@click.option("--tracking-uri", metavar="URI", help="MLflow's store.  [default: nothing is recorded there]")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="So many pods run trials at a time; the study is kept in the database that TUNE_STUDIES of --secret names.",
)
@click.option("--secret", callback=_name, help="A Secret whose keys are variables of the study, such as credentials.")
@click.option(
    "--apply", "apply_to", metavar="NAMESPACE", callback=_name, help="Apply there what is better (tune apply)."
)
@click.option("--approve", is_flag=True, help="With --apply: wait until somebody agrees (argo resume).")
@click.option("--nodes", is_flag=True, help="Also a ClusterRole to read the nodes, as of tune rbac.")
@click.option(
    "--leave-executor",
    is_flag=True,
    help="Argo's own containers get their security context from the controller: do not give them one here.",
)
@file_or_stdout
def workflow(
    space: Path,
    options: tuple[str, ...],
    template: bool,
    schedule: str | None,
    timezone: str | None,
    name: str | None,
    namespace: str,
    image: str | None,
    claim: str | None,
    storage: str,
    artifacts: str | None,
    tracking_uri: str | None,
    workers: int | None,
    secret: str | None,
    apply_to: str | None,
    approve: bool,
    nodes: bool,
    leave_executor: bool,
    output: Path,
) -> None:
    """Write a Workflow of Argo that checks the search space, runs the study, reports, and may apply what it found.

    With accounts, the least rights, the search space as a ConfigMap, and a claim for the study's folder. A pod that is
    lost is started again and goes on with the study. Nothing is asked of a cluster. What stands after -- is given to
    `tune run`.

    \b
    tune workflow search_spaces/iris --namespace tuning | kubectl apply -f -
    tune workflow search_spaces/iris --cron "0 3 * * 6" --claim studies --apply serving --approve
    tune workflow search_spaces/iris --template -- --trials 40 --sampler grid
    tune workflow search_spaces/iris --workers 4 --secret studies
    """
    import tuner
    from tuner.argo.settings import Settings
    from tuner.cli.output import notice
    from tuner.commands.workflow import workflow as written
    from tuner.errors import InputError
    from tuner.files import write

    for said, lacks, fix in (
        (schedule is not None and template, "--cron", "leave out --template: a schedule submits Workflows by itself"),
        (timezone is not None and schedule is None, "--timezone", "add --cron"),
        (approve and apply_to is None, "--approve", "add --apply NAMESPACE"),
        (
            workers is not None and secret is None,
            "--workers",
            "add --secret, with the database's address as TUNE_STUDIES",
        ),
        (
            workers is not None and claim is not None,
            "--claim",
            "leave it out: with --workers the study is in a database",
        ),
    ):
        if said:
            raise InputError.at(lacks, "there is nothing that it could be of", fix)
    if problems := shown_credentials("tune workflow", (*options, *([tracking_uri] if tracking_uri else []))):
        raise InputError(problems)
    load = _load(space, options)
    settings = Settings(
        name=name or "",
        namespace=namespace,
        image=image or f"tuner:{tuner.__version__}",
        schedule=schedule,
        timezone=timezone,
        template=template,
        claim=claim,
        storage=storage,
        artifacts=artifacts.strip("/") if artifacts else None,
        tracking_uri=tracking_uri,
        workers=workers or 0,
        secret=secret,
        apply_to=apply_to,
        approve=approve,
        run_options=options,
        patch_executor=not leave_executor,
    )
    text = written(space, settings, "here" if load == "here" else "cluster", notice, nodes=nodes)
    if str(output) == "-":
        click.echo(text, nl=False)
        return
    write(output, text.encode(), private=True)
    notice(f"written: {output}")


def _load(space: Path, options: tuple[str, ...]) -> str | None:
    """Where `tune run` would send the load from with these words. Raises InputError for words that it does not take, or
    that the Workflow says itself."""
    from tuner.errors import InputError

    try:
        context = run.make_context("run", [str(space), *options])
    except click.ClickException as error:
        message = f"`tune run` does not take this: {error.format_message()}"
        raise InputError.at(" ".join(options), message, "see `tune run --help`") from None
    given = [one for one in _SET_BY_IT if context.get_parameter_source(one) is ParameterSource.COMMANDLINE]
    if given or any("{{" in word for word in options):
        what = f"--{given[0].replace('_', '-')}" if given else "{{"
        raise InputError.at(" ".join(options), f"{what} is the Workflow's own", "leave it out")
    load = context.params["load"]
    return None if load is None else str(load)
