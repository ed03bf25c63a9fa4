"""The group that holds all commands."""

from __future__ import annotations

import sys

import click

from tuner.cli.apply import apply
from tuner.cli.bench import bench
from tuner.cli.check import check
from tuner.cli.clean import clean
from tuner.cli.compare import compare
from tuner.cli.doctor import doctor
from tuner.cli.export import export
from tuner.cli.init import init
from tuner.cli.list import list_
from tuner.cli.rbac import rbac
from tuner.cli.record import record
from tuner.cli.report import report
from tuner.cli.resume import resume
from tuner.cli.run import run
from tuner.cli.schema import schema
from tuner.cli.show import show
from tuner.cli.stress import stress
from tuner.cli.sync import sync
from tuner.cli.ui import ui
from tuner.cli.versions import versions
from tuner.cli.worker import worker
from tuner.cli.workflow import workflow


class InOrder(click.Group):
    """Lists commands in the order a user meets them, not by the alphabet, each with its whole first sentence."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _first_sentence(one)) for name, one in self.commands.items()])


def _first_sentence(command: click.Command) -> str:
    return command.get_short_help_str(limit=sys.maxsize)


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=versions, help="Show versions and exit."
)
def tune() -> None:
    """Find the best configuration of a model server by measuring it.

    \b
    tune init deployment.yaml        a search space, from a look at the manifest
    tune check search_spaces/iris    is it right, how large, how long
    tune run search_spaces/iris      deploy, load, measure; the best comes out
    tune show iris                   what was found, and why the rest was refused
    tune export iris -o best.yaml    its manifest, or choose again

    Exit status: 0 fine; 1 nothing met the SLO, or rolled back; 2 bad input, nothing was started; 3 the machine, the
    cluster or a store failed; 70 a bug in tuner; 130 interrupted, with the state kept.

    \b
    Completion for bash (zsh and fish likewise):
    eval "$(_TUNE_COMPLETE=bash_source tune)"
    """


OF_STUDIES = (init, check, schema, run, resume, worker, list_, show, report, export, record, apply, workflow)
OF_SERVERS = (bench, stress, compare, ui, sync, doctor, rbac, clean)

for command in (*OF_STUDIES, *OF_SERVERS):
    tune.add_command(command)
