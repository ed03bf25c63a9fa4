"""The `tune` command: one file a command. Each parses, wires and prints; nothing outside this room prints or exits.

Modules of commands import only click at the top: `tune --help` must not wait for a library it does not use.
"""

from __future__ import annotations

import errno
import os
import signal
import stat
import sys
import traceback
from types import FrameType

import click

from tuner.cli.status import BAD_INPUT, BUG, ENVIRONMENT_FAILED, FINE, INTERRUPTED
from tuner.errors import EnvironmentFailure, InputError, TrialFailure, TunerError
from tuner.printable import printable, shortened

_LOG_LINES = 20
_OF_THE_MACHINE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOTDIR, errno.EISDIR),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ELOOP),
}
"""What the system refuses that is no mistake of ours."""


def main(command: click.Command | None = None) -> None:
    """Entry point of the `tune` script, or of another command. Exit status: see the README."""
    if command is None:
        from tuner.cli.root import tune

        command = tune
    _interrupt_once()
    try:
        status = command.main(standalone_mode=False)
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
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            _say(f"{shortened(str(error.filename), 80)}: the name is too long for a file; give a shorter one")
            status = BAD_INPUT
        elif error.errno in _OF_THE_MACHINE:
            _say(
                f"tune: {f'{error.filename}: ' if error.filename else ''}{error.strerror}; put that right and try again"
            )
            status = ENVIRONMENT_FAILED
        else:
            status = _bug()
    except Exception:
        status = _bug()
    sys.exit(status or FINE)


def _bug() -> int:
    traceback.print_exc()
    _say("this is a bug in tuner; what was finished is in the study's journal")
    return BUG


def _say(text: str) -> None:
    click.echo(printable(text), err=True)


def _interrupt_once() -> None:
    """The first SIGINT, SIGTERM or SIGHUP (a closed terminal) interrupts; later ones are ignored, so that taking down
    always gets its time. What `nohup` ignores stays ignored."""
    ours = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        ours.append(signal.SIGHUP)

    def interrupt(number: int, _frame: FrameType | None) -> None:
        for one in ours:
            signal.signal(one, signal.SIG_IGN)
        if number == signal.SIGHUP:
            _leave_the_terminal()
        raise KeyboardInterrupt(f"{signal.Signals(number).name}; what was deployed is taken down, the state is kept")

    for one in ours:
        signal.signal(one, interrupt)


def _leave_the_terminal() -> None:
    """It is gone, and would answer each sentence with an error; a file or a pipe hears the rest."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        if stat.S_ISCHR(os.fstat(descriptor).st_mode):  # isatty denies a terminal that hung up
            os.dup2(nowhere, descriptor)
    os.close(nowhere)
