"""Reads back from the kernel what really runs: environment, arguments, CPUs and limits of the started processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tuner.backends.model import Difference
from tuner.backends.process.container.contained import Contained
from tuner.backends.process.sandbox import cgroup

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})
_PAGE = os.sysconf("SC_PAGE_SIZE")


def differences(one: Contained) -> Iterator[Difference]:
    """What of this container is not what was asked for."""
    yield from _env(one)
    yield from _args(one)
    yield from _cpus(one)
    yield from _limits(one)


def overwrote_its_environment(one: Contained) -> bool:
    """Whether the process wrote over the memory its environment was handed to it in, as some do to set their title."""
    return _environment(one.process.pid).get("HOME") != one.launch.env["HOME"]


def _env(one: Contained) -> Iterator[Difference]:
    if overwrote_its_environment(one):
        return
    found = _environment(one.process.pid)
    for name, asked in one.launch.asked_env.items():
        if found.get(name) != asked:
            yield Difference(what=f"{one.label}: env {name}", asked=asked, found=found.get(name, "not set"))


def _args(one: Contained) -> Iterator[Difference]:
    """A script runs as its interpreter with the script before the arguments; a shell may have become another."""
    asked = one.launch.argv[1:]
    found = _words(one.process.pid, "cmdline")
    if not asked or tuple(found[-len(asked) :]) == asked or Path(one.launch.argv[0]).name in _SHELLS:
        return
    # a launcher that starts the server as its child hands the arguments on
    if any(tuple(_words(pid, "cmdline")[-len(asked) :]) == asked for pid in one.members()):
        return
    yield Difference(what=f"{one.label}: arguments", asked=" ".join(asked), found=" ".join(found) or "no process")


def _cpus(one: Contained) -> Iterator[Difference]:
    try:
        found = os.sched_getaffinity(one.process.pid)
    except ProcessLookupError:
        return
    if not found <= set(one.sandbox.cpus):
        yield Difference(what=f"{one.label}: CPUs", asked=str(sorted(one.sandbox.cpus)), found=str(sorted(found)))


def _limits(one: Contained) -> Iterator[Difference]:
    enforced = one.sandbox.enforced()
    if not one.sandbox.directories:
        return  # nothing is enforced here, and `not_enforced` says so
    if one.process.pid not in one.sandbox.members():
        yield Difference(
            what=f"{one.label}: control group", asked=str(one.sandbox.directories[0]), found="not inside it"
        )
    asked_cores = one.limits.cpu_cores
    if asked_cores is not None and enforced.cpu_cores is not None:
        asked_cores = cgroup.quota_us(asked_cores) / cgroup.PERIOD_US
        if abs(enforced.cpu_cores - asked_cores) * cgroup.PERIOD_US > 1:
            yield Difference(what=f"{one.label}: CPU limit", asked=f"{asked_cores:g}", found=f"{enforced.cpu_cores:g}")
    asked_bytes = one.limits.memory_bytes
    if (
        asked_bytes is not None
        and enforced.memory_bytes is not None
        and abs(enforced.memory_bytes - asked_bytes) >= _PAGE
    ):
        yield Difference(what=f"{one.label}: memory limit", asked=str(asked_bytes), found=str(enforced.memory_bytes))


def _environment(pid: int) -> dict[str, str]:
    pairs = (word.partition("=") for word in _words(pid, "environ"))
    return {name: value for name, _, value in pairs}


def _words(pid: int, file: str) -> list[str]:
    """The NUL-separated strings of a file in /proc; empty for a process that has ended."""
    try:
        return os.fsdecode(Path(f"/proc/{pid}/{file}").read_bytes()).removesuffix("\0").split("\0")
    except OSError:
        return []
