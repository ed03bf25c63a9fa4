"""The smaller parts: bounded output, records of what runs, processes told apart, virtual environments, probes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tuner.backends.process import ledger
from tuner.backends.process.container import venvs
from tuner.backends.process.container.output import Output, OutputPump
from tuner.backends.process.container.probe import probe
from tuner.backends.process.container.processes import ProcessId, identify, kill_all, session_members
from tuner.backends.process.container.usage import busy_s
from tuner.errors import BackendFailure


def test_output_without_end_is_kept_bounded_and_its_tail_is_the_newest(tmp_path: Path) -> None:
    output = Output(tmp_path / "output.log", kept_bytes=10_000)
    script = "for i in range(20000): print('line', i)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=output.write_end) as process:
        output.started()
        pump = OutputPump([output])
        process.wait()
    assert output.tail(2) == ["line 19998", "line 19999"]
    pump.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 200_000
    output.close()
    output.close()


def test_all_that_was_written_before_the_end_is_in_the_tail(tmp_path: Path) -> None:
    output = Output(tmp_path / "output.log")
    assert output.tail(5) == []
    subprocess.run(
        ["/bin/sh", "-c", "echo one; echo two >&2"], stdout=output.write_end, stderr=output.write_end, check=True
    )
    output.started()
    assert output.tail(1) == ["two"]
    assert output.tail(5) == ["one", "two"]
    assert output.tail(0) == []
    output.close()


def test_a_process_is_not_another_of_the_same_number() -> None:
    mine = identify(os.getpid())
    assert mine is not None
    assert mine.alive()
    assert not ProcessId(pid=mine.pid, start_ticks=mine.start_ticks - 1).alive()
    with subprocess.Popen(["/bin/sh", "-c", "exec sleep 60"], start_new_session=True) as process:
        sleeping = identify(process.pid)
        assert sleeping is not None
        assert session_members(process.pid) == (process.pid,)
        kill_all([process.pid])
        assert not sleeping.alive()  # although nobody has waited for it yet
    assert identify(process.pid) is None


def entry_of_a_dead_tuner(folder: Path, **changes: object) -> Path:
    entry = ledger.Entry(folder, "trial 3 of study toy")
    file = folder / f"{entry.name}.json"
    record = json.loads(file.read_text())
    record["tuner"][1] -= 1  # as if our number had belonged to another process before
    record.update(changes)
    file.write_text(json.dumps(record))
    return file


def test_clean_kills_only_a_process_with_the_recorded_start(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        found = identify(process.pid)
        assert found is not None
        entry_of_a_dead_tuner(tmp_path, processes=[[found.pid, found.start_ticks - 1]])
        (sentence,) = ledger.clean(tmp_path)
        assert "nothing but its record" in sentence
        assert found.alive()
        entry_of_a_dead_tuner(tmp_path, processes=[[found.pid, found.start_ticks]])
        (sentence,) = ledger.clean(tmp_path)
        assert (
            f"trial 3 of study toy left behind when tuner process {os.getpid()} died: 1 process ({found.pid})"
            in sentence
        )
        assert not found.alive()
    assert not list(tmp_path.iterdir())


def test_clean_removes_folders_and_after_a_restart_of_the_machine_kills_nothing(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    mine = identify(os.getpid())
    assert mine is not None
    entry_of_a_dead_tuner(
        tmp_path / "state", folders=[str(scratch)], boot="another", processes=[[mine.pid, mine.start_ticks]]
    )
    (sentence,) = ledger.clean(tmp_path / "state")
    assert sentence.endswith("1 folder")
    assert not scratch.exists()


def test_clean_leaves_the_living_and_reports_what_it_cannot_read(tmp_path: Path) -> None:
    entry = ledger.Entry(tmp_path, "trial 0 of study toy")
    assert ledger.clean(tmp_path) == ()
    (tmp_path / "1-torn.json").write_text('{"tuner"')
    (sentence,) = ledger.clean(tmp_path)
    assert "1-torn.json could not be cleaned up" in sentence
    entry.close()
    assert ledger.clean(tmp_path / "never made") == ()


def test_a_virtual_environment_is_made_once(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# nothing more than Python\n")
    made = venvs.make(requirements, tmp_path / "cache")
    python = made / "bin" / "python"
    prefix = subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True)
    assert prefix.stdout.strip() == str(made)
    before = (made / "complete").stat().st_mtime_ns
    assert venvs.make(requirements, tmp_path / "cache") == made
    assert (made / "complete").stat().st_mtime_ns == before
    requirements.write_text("# something else\n")
    assert venvs.venv_folder(requirements, tmp_path / "cache") != made


def test_an_environment_that_cannot_be_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("numpy\n")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(BackendFailure, match=r"virtual environment of .* could not be made: .* ended with status 1"):
        venvs.make(requirements, tmp_path / "cache")
    assert not venvs.venv_folder(requirements, tmp_path / "cache").exists()


def test_a_probe_tells_what_it_was_answered() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        assert "refused" in (probe(port, "/health") or "")
        assert "ConnectionRefusedError" in (probe(port, None) or "")
        server.listen()
        assert probe(port, None) is None


def test_the_time_a_cpu_is_busy_counts_every_program() -> None:
    cpu = max(os.sched_getaffinity(0))
    busy = subprocess.Popen(
        [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, [{cpu}])\nprint(1, flush=True)\nwhile True: pass"],
        stdout=subprocess.PIPE,
    )
    try:
        assert busy.stdout is not None
        busy.stdout.readline()
        before_s, spent_s = busy_s([cpu]), psutil.Process(busy.pid).cpu_times().user
        while psutil.Process(busy.pid).cpu_times().user - spent_s < 0.2:
            os.sched_yield()
        grown_s = busy_s([cpu]) - before_s
    finally:
        busy.kill()
        busy.communicate()
    assert grown_s > 0.15, "the kernel counts in hundredths of a second"
