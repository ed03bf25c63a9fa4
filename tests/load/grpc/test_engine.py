"""gRPC load against a real server: what is recorded of calls that succeed, fail, wait or never come back."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
import uvloop

from tests.load.authority import Authority
from tests.load.grpc_servers import PROTO, SAY, GrpcServer
from tests.load.sending import closed, constant, free_port, load, one_window, run, told_by
from tests.load.servers import Server
from tuner.errors import GeneratorFailure
from tuner.load.control.exchange import exchange
from tuner.load.engine.engine import Engine
from tuner.load.model import Answer, Request, Target, Tls, Unanswered
from tuner.load.process.lines import Ask, order_line, target_line
from tuner.load.process.local import LocalGenerator
from tuner.measure.samples import Samples, Status
from tuner.measure.status import GRPC, word
from tuner.measure.window import summarize

MESSAGE = b"\x0a\x05hello"
REQUEST = Request(method="POST", path=SAY, headers={}, body=MESSAGE, grpc=True, timeout_s=5.0)


def method(name: str, body: bytes = MESSAGE, **headers: str) -> Request:
    return replace(REQUEST, path=f"/test.Echo/{name}", body=body, headers=headers)


def target(*urls: str, requests: Sequence[Request] = (REQUEST,), tls: Tls = Tls(), token: str = "") -> Target:  # noqa: B008
    return Target(urls=urls, protocol="grpc", requests=tuple(requests), tls=tls, token=token)


def kinds(samples: Samples) -> dict[str, int]:
    return {word(status): count for status, count in Counter(samples.status.tolist()).items()}


def test_every_column_of_an_open_window() -> None:
    with GrpcServer() as server:
        (samples,) = run(target(server.url), constant())
    assert kinds(samples) == {"http 200": 50}
    assert (samples.sent_s >= samples.scheduled_s).all()
    assert (samples.first_byte_s >= samples.sent_s).all()
    assert (samples.finished_s >= samples.first_byte_s).all()
    assert samples.connects == samples.connections <= 4
    assert samples.connect_s is not None
    assert np.isfinite(samples.connect_s).sum() == samples.connects
    assert len(server.calls) == 50
    path, metadata, deadline_s = server.calls[-1]
    assert path == SAY
    assert metadata["user-agent"] == "grpc-tuner"
    assert deadline_s == pytest.approx(5.0, abs=1.0)


def test_connections_stay_open_between_stages() -> None:
    with GrpcServer() as server:
        first, second, third = run(target(server.url), constant(), closed(), constant())
    assert first.connects == 4
    assert second.connects == third.connects == 0
    assert set(kinds(second)) == {"http 200"}


def test_answers_that_differ_are_good_all_the_same() -> None:
    samples = one_window(GrpcServer(), target, closed(), requests=[method("Number")])
    assert set(kinds(samples)) == {"http 200"}


def test_several_requests_keep_their_own_answers() -> None:
    with GrpcServer() as server:
        both = [REQUEST, method("Say", body=b"\x0a\x03foo"), method("Fail")]
        (samples,) = run(target(server.url, requests=both), constant(rate=400, duration=0.5))
    assert set(kinds(samples)) == {"http 200", "grpc UNAVAILABLE"}


@pytest.mark.parametrize("code", [1, 4, 8, 13, 16])
def test_each_status_is_an_error_kind_of_its_own(code: int) -> None:
    samples = one_window(GrpcServer(), target, closed(0.1, 1), requests=[method("Refuse", b"\x0a\x02%d" % code)])
    assert set(samples.status.tolist()) == {GRPC + code}
    name = next(each.name for each in grpc.StatusCode if each.value[0] == code)
    assert set(kinds(samples)) == {f"grpc {name}"}
    assert np.isfinite(samples.finished_s).all()


def test_errors_are_counted_by_their_words() -> None:
    samples = one_window(GrpcServer(), target, constant(), requests=[method("Fail")])
    assert summarize(samples).errors == {"grpc UNAVAILABLE": summarize(samples).requests}


@pytest.mark.parametrize("size", [16_379, 16_380, 70_000, 1_500_000])
def test_messages_of_any_size_go_there_and_back(size: int) -> None:
    body = b"\x0a" + bytes([size % 128 | 128, size // 128 % 128 | 128, size // 16384]) + bytes(size)
    with GrpcServer() as server:
        request = method("Say", body=body)
        assert exchange(server.url, request, 5.0) == Answer(status=200, body=body)
        (samples,) = run(target(server.url, requests=[request]), closed(0.1, 2))
    assert set(kinds(samples)) == {"http 200"}


def test_a_message_the_server_does_not_take() -> None:
    samples = one_window(
        GrpcServer(options=(("grpc.max_receive_message_length", 1000),)),
        target,
        closed(0.05, 2),
        requests=[method("Say", body=bytes(200_000))],
    )
    assert set(kinds(samples)) == {"grpc RESOURCE_EXHAUSTED"}


def test_a_call_that_times_out_is_cancelled_and_its_connection_used_again() -> None:
    with GrpcServer() as server:
        requests = [replace(method("Slow"), weight=0.2), REQUEST]
        (samples,) = run(target(server.url, requests=requests), constant(rate=100, duration=1.0, timeout=0.2))
    found = kinds(samples)
    # a machine that is busy with other tests may keep one from being sent in its time
    assert {"http 200", "timed out"} <= set(found) <= {"http 200", "timed out", "not sent"}
    assert samples.connects <= 4 + found["timed out"]
    timed_out = samples.status == Status.TIMED_OUT
    assert np.isnan(samples.finished_s[timed_out]).all()


def test_a_server_that_hangs_gets_new_connections() -> None:
    samples = one_window(GrpcServer(), target, constant(100, 0.5, 2, timeout=0.1), requests=[method("Slow")])
    assert set(kinds(samples)) <= {"timed out", "not sent"}
    assert samples.connects > 2


def test_the_server_learns_the_deadline() -> None:
    with GrpcServer() as server:
        answer = exchange(server.url, replace(method("Slow"), timeout_s=0.2), 5.0)
    assert word(answer.status) == "grpc DEADLINE_EXCEEDED"


def test_a_server_that_goes_away_and_comes_back() -> None:
    async def main() -> tuple[Samples, Samples]:
        with closing(Engine(target(first.url))) as engine:
            before = await engine.run(constant())
            first.stop()
            with GrpcServer(port=first.port):
                return before, await engine.run(constant())

    with GrpcServer() as first:
        before, after = uvloop.run(main())
    assert kinds(before) == kinds(after) == {"http 200": 50}
    assert 1 <= after.connects <= 4


def test_connections_that_the_server_ends_after_a_while_cost_no_call() -> None:
    ages = (("grpc.max_connection_age_ms", 100), ("grpc.max_connection_age_grace_ms", 1000))
    samples = one_window(GrpcServer(options=ages), target, constant(rate=200, duration=1.0, connections=2))
    assert kinds(samples) == {"http 200": 200}
    assert samples.connects > 4


def test_no_server_at_all() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"grpc://127.0.0.1:{taken.getsockname()[1]}"
        (samples,) = run(target(url), constant())
        assert kinds(samples) == {"connect failed": 50}
        with pytest.raises(Unanswered, match="refused"):
            exchange(url, REQUEST, 0.1)


def test_a_server_that_speaks_http_1() -> None:
    bad = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    with Server(bad) as server:
        (samples,) = run(target(server.url), constant())
        with pytest.raises(Unanswered, match="is this its gRPC port"):
            exchange(server.url, REQUEST, 5.0)
    assert kinds(samples) == {"malformed answer": 50}


def test_one_call_waits_for_a_server_that_is_not_there_yet() -> None:
    port = free_port()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(exchange, f"grpc://127.0.0.1:{port}", REQUEST, 30.0)
        with GrpcServer(port=port):
            assert asked.result() == Answer(status=200, body=MESSAGE)


def test_metadata_and_the_token() -> None:
    request = method("Tell", **{"X-Route": "canary", "authorization": "Basic no"})
    with GrpcServer() as server:
        answer = exchange(server.url, request, 5.0, token="s3cret")
        (samples,) = run(target(server.url, requests=[request], token="s3cret"), closed(0.05, 1))
    assert set(kinds(samples)) == {"http 200"}
    for _, metadata, _ in server.calls:
        assert metadata["x-route"] == "canary"
        assert metadata["authorization"] == "Bearer s3cret"
    assert b"canary" in answer.body


def test_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.context("DNS:localhost")
    key, certificate = (next(tmp_path.glob(f"DNS*.{kind}")).read_bytes() for kind in ("key", "pem"))
    credentials = grpc.ssl_server_credentials([(key, certificate)])
    tls = Tls(authorities=authority.certificate.read_text(), server_name="localhost")
    with GrpcServer(credentials=credentials) as server:
        assert server.url.startswith("grpcs://")
        assert exchange(server.url, REQUEST, 5.0, tls) == Answer(status=200, body=MESSAGE)
        with pytest.raises(Unanswered, match="certificate is not trusted"):
            exchange(server.url, REQUEST, 5.0)
        (samples,) = run(target(server.url, tls=tls), constant())
        (refused,) = run(target(server.url), constant())
    assert kinds(samples) == {"http 200": 50}
    assert kinds(refused) == {"certificate not trusted": 50}


def test_tls_of_a_server_without_http_2(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = Tls(authorities=authority.certificate.read_text(), server_name="localhost")
    with Server(tls=authority.context("DNS:localhost")) as server:
        with pytest.raises(Unanswered, match="does not offer HTTP/2"):
            exchange(server.url, REQUEST, 5.0, tls)
        (samples,) = run(target(server.url, tls=tls), constant())
    assert kinds(samples) == {"connect failed": 50}


def test_a_url_of_another_scheme() -> None:
    with pytest.raises(GeneratorFailure, match="ftp://x"):
        run(target("ftp://x"), constant())
    with pytest.raises(Unanswered, match="grpc://host:port"):
        exchange("ftp://x", REQUEST, 1.0)


def test_alone_from_a_shell(tmp_path: Path) -> None:
    body = tmp_path / "request.json"
    body.write_text('{"text": "hello"}')
    with GrpcServer() as server:
        done = load(
            *("--url", server.url, "--protocol", "grpc", "--body", str(body), "--method", "test.Echo/Say"),
            *("--proto", str(PROTO), "--closed", "--duration", "100ms"),
        )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["good"] == summary["requests"] > 0
    assert summary["errors"] == {}


def test_a_generator_of_its_own_sends_windows_and_single_calls() -> None:
    with GrpcServer() as server, LocalGenerator(target(server.url, requests=[REQUEST, method("Fail")])) as generator:
        answers = [generator.ask(server.url, request, 5.0) for request in (REQUEST, method("Fail"))]
        samples = generator.run(constant())
    assert [word(answer.status) for answer in answers] == ["http 200", "grpc UNAVAILABLE"]
    assert answers[1].body.decode() == "größer\n100% weg"
    assert set(kinds(samples)) == {"http 200", "grpc UNAVAILABLE"}


BARE = """
import sys
for name in ("google", "google.protobuf", "grpc", "grpc_tools", "grpc_reflection"):
    sys.modules[name] = None  # as in the load generator's image
from tuner.load.__main__ import main
main(["--serve"])
"""


@pytest.mark.parametrize("protocol", ["grpc", "seldon-grpc", "v2-grpc"])
def test_the_generator_does_without_protobuf(protocol: str) -> None:
    body = {"grpc": MESSAGE, "seldon-grpc": b"\x2a\x01a", "v2-grpc": b"\x2a\x00"}[protocol]
    with GrpcServer() as server:
        to = Target(urls=(server.url,), protocol=protocol, requests=(method("Say", body=body), method("Number")))
        ask = Ask(url=server.url, request=to.requests[0], timeout_s=5.0)
        lines = [target_line(to), order_line(closed(0.05, 2)), order_line(ask)]
        told, asked = told_by("-c", BARE, lines=lines, answers=2)
    assert told["rows"] > 0
    assert asked["status"] == 200


def test_answers_that_are_wrong_for_their_protocol() -> None:
    with GrpcServer() as server:
        to = Target(urls=(server.url,), protocol="v2-grpc", requests=(method("Number"),))
        (samples,) = run(to, closed(0.05, 1))
    assert set(kinds(samples)) == {"wrong answer"}


def test_a_server_that_dies_in_the_middle_of_a_window() -> None:
    with GrpcServer() as server:
        dying = threading.Thread(target=_stop_after, args=(server, 20))
        dying.start()
        (samples,) = run(target(server.url), constant(rate=200, duration=2.0))
        dying.join()
    found = kinds(samples)
    assert set(found) <= {"http 200", "connect failed", "connection lost", "grpc UNAVAILABLE", "grpc CANCELLED"}
    assert found["http 200"] > 0
    assert found["connect failed"] > 0


def _stop_after(server: GrpcServer, calls: int) -> None:
    while len(server.calls) < calls:
        time.sleep(0.005)
    server.stop()


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node here, whose HTTP/2 is nghttp2")
def test_a_server_of_another_make() -> None:
    command = ["node", str(Path(__file__).with_name("nghttp2.js"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            url = f"grpc://127.0.0.1:{int(child.stdout.readline())}"
            long = method("Say", body=b"\x0a\xc0\x84\x3d" + bytes(1_000_000))
            assert exchange(url, long, 5.0) == Answer(status=200, body=long.body)
            (samples,) = run(target(url, requests=[REQUEST, method("Say", body=b"")]), constant())
        finally:
            child.kill()
    assert kinds(samples) == {"http 200": 50}
    assert samples.server_timing_s["app"] == pytest.approx(0.0015)
