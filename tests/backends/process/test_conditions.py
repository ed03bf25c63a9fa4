"""How quiet the servers' CPUs are, on the real machine, with a real program that disturbs them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tuner.backends.process.container import conditions
from tuner.backends.process.container.conditions import (
    ConditionsMeter,
    allowed_cores,
    frequency_ratio,
    pressure_s,
)

CPU = max(os.sched_getaffinity(0))
_SHARE = 0.5
_BURNS = f"""
import os, time
os.sched_setaffinity(0, {{{CPU}}})
print("burning", flush=True)
end = time.monotonic() + 20.0
while time.monotonic() < end:
    begin = time.thread_time()
    while time.thread_time() - begin < {_SHARE} * 0.02:
        pass
    time.sleep({1 - _SHARE} * 0.02)
"""


@contextmanager
def disturber() -> Iterator[int]:
    """A program that takes about half of a CPU, for 20 s at most; yields its id."""
    with subprocess.Popen([sys.executable, "-c", _BURNS], stdout=subprocess.PIPE) as program:
        try:
            assert program.stdout is not None
            program.stdout.readline()
            yield program.pid
        finally:
            program.kill()


def used_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_program_that_takes_of_the_servers_cpus_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "cpu_s", lambda _: 0.0)  # no server of ours runs
    with disturber() as pid:
        meter, before_s = ConditionsMeter((), (CPU,)), used_s(pid)
        while used_s(pid) - before_s < 0.3:  # whatever time that takes on a busy machine
            time.sleep(0.02)
        told, took_s = meter.stop(), used_s(pid) - before_s
    assert told.others_cores is not None
    assert told.others_cores * told.window_s > took_s - 0.05, "all that it took, to a few ticks, and what else ran"
    assert told.cpus == 1.0
    assert told.set_aside
    assert told.steal_cores is not None
    assert told.probe_s is not None


def test_without_servers_it_is_not_known_what_is_others() -> None:
    told = ConditionsMeter((), (CPU,)).stop()
    assert told.own_cores is None
    assert told.others_cores is None


def test_the_kernels_pressure(tmp_path: Path) -> None:
    file = tmp_path / "cpu"
    file.write_text("some avg10=1.00 avg60=0.50 avg300=0.10 total=2500000\nfull avg10=0.00 avg60=0.00 total=7\n")
    assert pressure_s(file) == 2.5
    assert pressure_s(tmp_path / "missing") is None
    file.write_text("nothing\n")
    assert pressure_s(file) is None


def test_the_clock(tmp_path: Path) -> None:
    for cpu, current in ((0, "1500000"), (1, "3000000")):
        (tmp_path / f"{cpu}-scaling_cur_freq").write_text(current)
        (tmp_path / f"{cpu}-cpuinfo_max_freq").write_text("3000000")
    assert frequency_ratio((0, 1), str(tmp_path / "{}-{}")) == pytest.approx(0.75)
    assert frequency_ratio((0, 1), str(tmp_path / "none-{}-{}")) is None


def test_the_most_that_servers_may_use() -> None:
    assert allowed_cores([0.5, 0.25], (1, 2)) == 0.75
    assert allowed_cores([0.5, None], (1, 2)) == 2.0
    assert allowed_cores([3.0], (1,)) == 1.0
    assert allowed_cores([], (1, 2, 3)) == 3.0
