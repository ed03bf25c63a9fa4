"""A worker of a study: runs the trials that it is given, one after the other: by the process that decides them, until it
speaks no more, or by a database, until the study ends.

What a study is, its folder says; what comes in and goes out, `tuner.trials.beside`.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable
from typing import IO, TYPE_CHECKING, Any

from tuner.errors import EnvironmentFailure, InputError
from tuner.trials.database.orders import ABANDONED_S
from tuner.trials.folder import StudyFolder
from tuner.units import format_seconds

if TYPE_CHECKING:
    from tuner.trials.database.connection import Database
    from tuner.trials.database.study import DatabaseStudy

_ASKED_EVERY_S = 1.0


def work(folder: StudyFolder, number: int, orders: IO[bytes], say: Callable[[dict[str, Any]], None]) -> None:
    """`number`: which of the study's workers it is, from 0. `orders`: a line each; it ends where they end, and takes down what it deployed. `say` passes a message on.

    Raises KeyboardInterrupt where they end within a trial. What cannot be done is said.
    """
    try:
        _work(folder, number, _following(orders), say)
    except KeyboardInterrupt as stop:
        say({"interrupted": str(stop)})
        raise
    except (InputError, EnvironmentFailure) as failure:
        say({"failed": str(failure)})
        raise


def join(database: Database, name: str, notice: Callable[[str], None]) -> None:
    """Run trials of a study that is kept in a database, once it has begun and until it ends.

    Raises KeyboardInterrupt with its trial left to others, InputError and EnvironmentFailure.
    """
    from tuner.trials.database.copies import folder_of
    from tuner.trials.database.orders import Taken, Withdrawn
    from tuner.trials.database.study import DatabaseStudy

    study = DatabaseStudy(database, name)
    _await_begun(study, notice)
    # workers of one machine have a copy each, for they bring it up to date at different moments
    folder = StudyFolder(folder_of(database) / f"workers-{os.getpid()}" / name)
    study.pull(folder, [])
    taken = Taken(database, study, folder)

    def say(message: dict[str, Any]) -> None:
        if "stage" in message:
            notice(f"trial {message['stage'][0]}: {message['stage'][1]}")
        taken.say(message)

    notice(f"worker {taken.worker} joins study {name}")
    try:
        with taken.joined():
            while True:
                try:
                    _work(folder, 0, taken.orders(), say)
                    break
                except Withdrawn:
                    notice("its trial is no longer its own, and was taken down")
                except (InputError, EnvironmentFailure) as failure:
                    say({"failed": str(failure)})
                    raise
    finally:
        shutil.rmtree(folder.root.parent, ignore_errors=True)
    notice(f"study {name} has ended")


def _await_begun(study: DatabaseStudy, notice: Callable[[str], None]) -> None:
    if study.is_there():
        return
    notice(f"wait until study {study.name} begins")
    end = time.monotonic() + ABANDONED_S
    while not study.is_there():
        if time.monotonic() > end:
            fix = "look at whoever was to run it; `tune list` tells which there are"
            raise InputError.at(study.name, f"no such study began within {format_seconds(ABANDONED_S)}", fix)
        time.sleep(_ASKED_EVERY_S)


def _work(
    folder: StudyFolder, number: int, orders: Iterable[dict[str, Any]], say: Callable[[dict[str, Any]], None]
) -> None:
    from tuner.commands.workers import load_of, runner
    from tuner.manifests.render import render
    from tuner.study.summary import current
    from tuner.targets.inputs import inputs_of
    from tuner.trials.clock import RealClock
    from tuner.trials.codec import decode, encode
    from tuner.trials.journal import read
    from tuner.trials.model import Attempt, Proposal
    from tuner.trials.quiet import NoQuiet, leave_servers_alone
    from tuner.trials.writable import writable

    def notice(sentence: str) -> None:
        say({"notice": sentence})

    inputs = inputs_of(folder, worker=number)
    start = current(read(folder.journal))
    leave_servers_alone(inputs.backend.generator_cpus())
    for removed in inputs.backend.clean():
        notice(f"left by an earlier crash, now removed: {removed}")
    with load_of(start, inputs.backend, beside=False, notice=notice) as load:
        for order in orders:
            attempt = decode(Attempt, order["attempt"])
            rendered = render(inputs.space, inputs.manifest, attempt.configuration)
            if rendered.digest != order["digest"]:
                raise EnvironmentFailure(
                    f"trial {attempt.number} renders to another manifest here than where the study is decided"
                )
            here = runner(
                folder,
                inputs,
                read(folder.journal),
                load,
                clock=RealClock(),
                quiet=NoQuiet(),
                on_stage=lambda number, stage: say({"stage": [number, stage]}),
                on_rate=lambda rate_rps: say({"rate": rate_rps}),
            )
            trial = here.run(
                Proposal(
                    number=attempt.number,
                    purpose=attempt.purpose,
                    configuration=attempt.configuration,
                    rendered=rendered,
                )
            )
            say({"trial": encode(writable(trial))})


def _following(orders: IO[bytes]) -> Iterable[dict[str, Any]]:
    """Each order when it comes. Where they end within a trial, this process is interrupted."""
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    idle = threading.Event()

    def read() -> None:
        for line in orders:
            idle.clear()
            waiting.put(line)
        if idle.is_set():
            waiting.put(b"")
        else:
            os.kill(os.getpid(), signal.SIGINT)

    idle.set()
    threading.Thread(target=read, name="orders", daemon=True).start()
    while line := waiting.get():
        yield json.loads(line)
        idle.set()
