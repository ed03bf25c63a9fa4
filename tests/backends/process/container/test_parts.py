"""A container's parts: output, processes told apart, virtual environments, probes and usage."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.load.servers import Server, answer
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


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (answer(b"x" * 100_000), None),
        (answer(b"", "302 Found"), None),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + answer(), None),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", None),
        (answer(b"\x1b[31mbusy", "503 Busy"), r"status 503 with '\x1b[31mbusy'"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "no whole answer within 1 s"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000, "longer than 64 KiB"),
        (b"SSH-2.0\r\n", "not with HTTP/1."),
    ],
)
def test_a_probe_reads_no_more_and_waits_no_longer_than_it_must(reply: bytes, told: str | None) -> None:
    with Server(reply) as server:
        found = probe(server.port, "health")
    assert found is None if told is None else told in (found or "")
    assert server.requests[0].startswith(b"GET /health HTTP/1.1\r\n")
