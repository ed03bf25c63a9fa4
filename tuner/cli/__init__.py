"""The `tune` command: one file a command. Each parses, wires and prints; nothing outside this room prints or exits.

Modules of commands import only click at the top: `tune --help` must not wait for a library it does not use.
"""

from __future__ import annotations

import signal
import sys
import traceback
from types import FrameType

import click

from tuner.cli.status import BAD_INPUT, BUG, ENVIRONMENT_FAILED, FINE, INTERRUPTED
from tuner.errors import EnvironmentFailure, InputError, TrialFailure, TunerError

_LOG_LINES = 20


def main() -> None:
    """Entry point of the `tune` script. Exit status: see the README."""
    from tuner.cli.root import tune

    _interrupt_once()
    try:
        status = tune.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        status = BAD_INPUT
    except InputError as error:
        _say(str(error))
        count = len(error.problems)
        _say(f"{count} problem{'s' if count != 1 else ''}; nothing was started.")
        status = BAD_INPUT
    except EnvironmentFailure as error:
        _say(f"tune: {error}")
        status = ENVIRONMENT_FAILED
    except (KeyboardInterrupt, click.Abort) as stop:
        why = str(stop) or str(stop.__cause__ or "")  # click wraps an interrupt into its own Abort
        _say(f"interrupted{': ' if why else ''}{why}")
        status = INTERRUPTED
    except BrokenPipeError:
        # the reader of our output went away (`tune show … | head`); nothing is wrong, and nothing more can be written
        sys.stderr.close()
        status = FINE
    except TunerError as error:
        _say(f"tune: {error}")
        if isinstance(error, TrialFailure) and error.logs:
            _say("the server said last:")
            _say("\n".join(f"  {line}" for line in error.logs.splitlines()[-_LOG_LINES:]))
        status = ENVIRONMENT_FAILED
    except Exception:
        traceback.print_exc()
        _say("this is a bug in tuner; what was finished is in the study's journal")
        status = BUG
    sys.exit(status or FINE)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _interrupt_once() -> None:
    """The first SIGINT or SIGTERM interrupts; later ones are ignored, so that taking down always gets its time."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt(f"{signal.Signals(number).name}; what was deployed is taken down, the state is kept")

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
