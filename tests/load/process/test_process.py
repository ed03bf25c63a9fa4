"""The load generator as a process: alone from a shell, and driven by `LocalGenerator`."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.load.sending import load, told_by
from tests.load.servers import GOOD, Server, answer
from tests.measure.timed import rows
from tuner.errors import GeneratorFailure, TrialFailure
from tuner.load.control.exchange import exchange
from tuner.load.control.smoke import smoke
from tuner.load.model import LoadWindow, Request, Target, Tls
from tuner.load.process.lines import Ask, Order, Read, order_line, read_order, read_target, target_line
from tuner.load.process.local import LocalGenerator
from tuner.load.process.samples_file import dump
from tuner.load.process.samples_file import load as samples_of
from tuner.load.protocols import protocol
from tuner.measure.samples import Samples, Tokens

REQUEST = Request(method="POST", path="/p", headers={"A": "b"}, body=b'{"strData": "\xc3\xa9"}', weight=2.0)
STAGE = LoadWindow(arrival="constant", rate_rps=200, duration_s=0.2, connections=2, seed=3)


def target(url: str, cpus: tuple[int, ...] = ()) -> Target:
    return Target(urls=(url,), protocol="http", requests=(REQUEST,), cpus=cpus)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_dead(pid: int) -> bool:
    for _ in range(500):
        if not is_alive(pid):
            return True
        time.sleep(0.01)
    return False


def test_only_light_modules_are_imported() -> None:
    script = "import sys, tuner.load.__main__; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    roots = {name.partition(".")[0] for name in found}
    heavy = {"optuna", "mlflow", "kubernetes", "pydantic", "httpx", "click", "rich", "plotly", "ruamel", "pandas"}
    assert not roots & heavy
    assert {"uvloop", "numpy"} <= roots


def test_alone_from_a_shell(tmp_path: Path) -> None:
    body, out = tmp_path / "request.json", tmp_path / "samples.npz"
    body.write_bytes(REQUEST.body)
    with Server() as server:
        done = load(
            *("--url", server.url, "--protocol", "http", "--body", str(body), "--rate", "100/s", "--arrival"),
            *("constant", "--duration", "200ms", "--connections", "2", "--header", "X-A: b", "--out", str(out)),
            *("--hdr", str(tmp_path / "latency.hlog")),
        )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["requests"] == summary["good"] == len(samples_of(out.read_bytes(), "here")) == 20
    assert summary["rate_rps"] == pytest.approx(100)
    assert summary["latency_s"]["p99"] > 0
    assert b"\r\nX-A: b\r\n" in server.requests[0]
    log = (tmp_path / "latency.hlog").read_text()
    assert log.startswith("#[Histogram log format version 1.3]\n")
    assert "\n#[StartTime: " in log
    assert "\n0.000,0.200," in log


def test_alone_in_a_closed_loop_with_errors() -> None:
    with Server(answer(b"", "503 Service Unavailable")) as server:
        done = load("--url", server.url, "--closed", "--duration", "100ms", "--cpus", "0")
    summary = json.loads(done.stdout)
    assert summary["good"] == 0
    assert summary["errors"] == {"http 503": summary["requests"]}
    assert server.requests[0].startswith(b"GET / HTTP/1.1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--url"),
        (("--url", "http://127.0.0.1:1"), "how many requests"),
        (("--url", "http://127.0.0.1:1", "--closed", "--body", "/no/such/file"), "No such file"),
        (("--url", "http://127.0.0.1:1", "--closed", "--protocol", "v2", "--body", "/dev/null"), "model's name"),
        (("--url", "http://127.0.0.1:1", "--rate", "fast"), "fast"),
        (("--url", "http://127.0.0.1:1", "--rate", "1/s", "--connections", "0"), "at least 1"),
    ],
)
def test_bad_input_from_a_shell(arguments: tuple[str, ...], words: str) -> None:
    done = load(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_lines_say_the_same_when_read_back() -> None:
    asked = Target(
        urls=("http://a", "http://b"),
        protocol="v2",
        requests=(REQUEST, replace(REQUEST, template=b"\xff{{uuid}}", streams=True)),
        cpus=(1,),
        options={"model": "m"},
        tls=Tls(authorities="PEM", server_name="c"),
        token="s3cr3t",
    )
    assert read_target(target_line(asked)) == asked
    assert "s3cr3t" not in repr(asked)
    orders: list[Order] = [STAGE, Ask(url="http://a", request=REQUEST, timeout_s=0.5), Read(offset=7)]
    for order in orders:
        assert "\n" not in order_line(order)
        assert read_order(order_line(order)) == order
    for reader in (read_target, read_order):
        for wrong in ("", "[]", "{}", '{"urls": 1, "out": "x"}', '{"sing": {}}', '{"read": {}}', '{"ask": 1}'):
            with pytest.raises(ValueError, match=r"not a|Expecting|unpack"):
                reader(wrong)


def test_the_line_protocol() -> None:
    with Server() as server:
        ask = Ask(url=server.url, request=REQUEST, timeout_s=5.0)
        orders = [order_line(order) for order in (STAGE, Read(offset=0), Read(offset=10**9), ask)]
        lines = [target_line(target(server.url)), *orders, "nonsense"]
        told, part, end, asked, bad = told_by("-m", "tuner.load", "--serve", lines=lines, answers=5)
    content = base64.b64decode(part["part"])
    assert told == {"rows": 40, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert len(samples_of(content, "here")) == 40
    assert end == {"part": ""}
    assert asked == {"status": 200, "body": base64.b64encode(GOOD).decode(), "location": ""}
    assert "error" in bad


def test_a_generator_runs_stages_over_the_same_connections() -> None:
    with Server() as server, LocalGenerator(target(server.url, cpus=(0,))) as generator:
        first, second = generator.run(STAGE), generator.run(STAGE)
        pid = generator.pid
        assert os.sched_getaffinity(pid) == {0}
        assert os.getsid(pid) == pid
    assert len(first) == len(second) == 40
    assert (first.status == 200).all()
    assert second.connects == 0
    assert not is_alive(pid)


def test_a_refused_stage_is_told_and_the_next_one_runs() -> None:
    with Server() as server, LocalGenerator(target(server.url)) as generator:
        refused = LoadWindow(arrival="constant", rate_rps=0.0, duration_s=0.1, connections=1)
        with pytest.raises(GeneratorFailure, match="cannot be offered"):
            generator.run(refused)
        assert len(generator.run(STAGE)) == 40


def test_a_target_that_cannot_be_sent_to_ends_the_generator_with_its_reason() -> None:
    with LocalGenerator(target("ftp://x")) as generator:
        for _ in range(2):
            with pytest.raises(GeneratorFailure, match=r"ftp://x.*http://host:port"):
                generator.run(STAGE)


def test_a_generator_that_was_killed() -> None:
    with Server() as server, LocalGenerator(target(server.url)) as generator:
        generator.run(STAGE)
        os.kill(generator.pid, signal.SIGKILL)
        with pytest.raises(GeneratorFailure, match="by signal 9"):
            generator.run(STAGE)


def test_closing_twice_is_fine() -> None:
    generator = LocalGenerator(target("http://127.0.0.1:1"))
    generator.close()
    generator.close()
    assert not is_alive(generator.pid)


def test_the_generator_ends_with_its_parent_in_the_middle_of_a_window() -> None:
    with Server() as server:
        script = (
            "import sys; from tests.load.process.test_process import *\n"
            f"generator = LocalGenerator(target({server.url!r}))\n"
            "print(generator.pid, flush=True)\n"
            "generator.run(LoadWindow(arrival='constant', rate_rps=50, duration_s=60, connections=1))\n"
        )
        parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        while not server.requests:
            time.sleep(0.01)
        parent.kill()
        parent.wait()
        parent.stdout.close()
        assert wait_until_dead(pid)


def samples(n: int = 3) -> Samples:
    return rows(np.array([0.1, np.nan, 0.3])[:n], status=np.arange(n), waited=np.ones(n, dtype=np.bool_), connects=2)


def tokens(samples: Samples) -> Samples:
    """The same as a window of streamed answers over new connections, with a header of the server's."""
    stream = Tokens(row=np.array([1, 0, 1]), at_s=np.array([0.1, 0.2, 0.3]))
    connects = np.full(len(samples), np.nan)
    return replace(samples, tokens=stream, connect_s=connects, server_timing_s={"db": connects, "a.b": connects})


@pytest.mark.parametrize("window", [samples(0), samples(), tokens(samples())], ids=["empty", "usual", "all"])
def test_samples_read_back_as_written(window: Samples) -> None:
    found = samples_of(dump(window), "here")
    np.testing.assert_equal(_plain(found), _plain(window))
    assert isinstance(found.connections, int)


def _plain(window: Samples) -> dict[str, object]:
    columns = {name: getattr(window, name) for name in Samples.__dataclass_fields__}
    stream = window.tokens
    return {
        **columns,
        "tokens": stream and {"row": stream.row, "at_s": stream.at_s},
        "server_timing_s": dict(window.server_timing_s),
    }


@pytest.mark.parametrize("damage", ["empty", "text", "torn", "lengths", "kind", "column"])
def test_what_is_no_samples_file_is_refused(damage: str) -> None:
    content = dump(samples())
    if damage in ("empty", "text"):
        content = b"text" if damage == "text" else b""
    elif damage == "torn":
        content = content[:-100]
    else:
        with np.load(io.BytesIO(content)) as file:
            arrays = dict(file)
        if damage == "lengths":
            arrays["status"] = np.arange(9)
        elif damage == "kind":
            arrays["status"] = arrays["status"].astype(np.float64)
        else:
            del arrays["waited"]
        np.savez(damaged := io.BytesIO(), **arrays)
        content = damaged.getvalue()
    with pytest.raises(GeneratorFailure, match=r"x\.npz"):
        samples_of(content, "x.npz")


def test_a_smoke_request() -> None:
    request = Request(method="POST", path="/api/v1.0/predictions", headers={"A": "b"}, body=b"{}")
    seldon = protocol("seldon")
    with Server() as server:
        assert smoke(server.url, request, seldon, 5.0, exchange) == {"data": json.loads(GOOD)["data"]}
    with pytest.raises(TrialFailure, match="was not answered") as failure:
        smoke(server.url, request, seldon, 5.0, exchange)
    assert (failure.value.stage, failure.value.kind) == ("verify", "NoAnswer")
    with Server(answer(b"x" * 1000, "500 Oops")) as server, pytest.raises(TrialFailure, match="status 500") as failure:
        smoke(server.url, request, seldon, 5.0, exchange)
    assert failure.value.kind == "WrongAnswer"
    assert "x" * 500 in failure.value.reason
    assert "x" * 501 not in failure.value.reason
    with Server(delay_s=10) as server, pytest.raises(TrialFailure, match="was not answered"):
        smoke(server.url, request, seldon, 0.1, exchange)
