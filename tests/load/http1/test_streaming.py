"""Streams of events: the parser against random pieces, the engine against raw sockets and a real ASGI server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.sending import closed, constant, load, one_window, run, statuses, workload_of
from tests.load.servers import Server, answer
from tuner.errors import TrialFailure, Where
from tuner.load.control.exchange import exchange
from tuner.load.control.smoke import smoke
from tuner.load.http1.events import EventParser, EventsError, events
from tuner.load.model import LoadWindow, Request, Target
from tuner.load.process.local import LocalGenerator
from tuner.load.protocols import protocol
from tuner.load.requests import problems
from tuner.measure.samples import Status
from tuner.measure.tokens import first_token_s, gaps_s
from tuner.measure.window import summarize
from tuner.workload.model import CheckSpec, PathCheck

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "stream": True}
REQUEST = protocol("openai").encode(json.dumps(CHAT).encode())
WHOLE = protocol("openai").encode(json.dumps({**CHAT, "stream": False}).encode())


def event(**delta: object) -> bytes:
    return b"data: %s\n\n" % json.dumps({"object": "chat.completion.chunk", "choices": [{"delta": delta}]}).encode()


ROLE = event(role="assistant", content="")
TOKENS = [event(content=word) for word in ("a", "b", "c")]
USAGE = b'data: {"choices": [], "usage": {"completion_tokens": 3}}\n\n'
DONE = b"data: [DONE]\n\n"
STREAM = b"".join((b": ping\n\n", ROLE, *TOKENS, USAGE, DONE))
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


def chunks(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + body + end


def to(*urls: str, requests: tuple[Request, ...] = (REQUEST,)) -> Target:
    return Target(urls=urls, protocol="openai", requests=requests)


# the parser


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data:a\r\n\r\ndata:  b\r\r", [b"a", b" b"]),
        (b"data: one\ndata: two\n\n", [b"one\ntwo"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b": comment\nevent: token\nid: 7\ndata: a\nretry: 3\n\n", [b"a"]),
        (b"event: ping\n\n", []),
        (b"data\n\n", [b""]),
        (b"data: unfinished", []),
        (b"data: unfinished\n", []),
        (b"database: a\n\n", []),
        (b"", []),
    ],
)
def test_events_out_of_a_body(body: bytes, found: list[bytes]) -> None:
    assert events(body) == found


@given(
    st.lists(st.sampled_from([b"data: a", b"data:", b"x", b": c", b"\n", b"\r\n", b"\r", b"\n\n", b"\xef\xbb\xbf"])),
    st.lists(st.integers(0, 60)),
)
def test_events_do_not_depend_on_how_the_bytes_are_cut(parts: list[bytes], cuts: list[int]) -> None:
    body = b"".join(parts)
    ends = sorted(cuts)
    pieces = [body[at:end] for at, end in zip([0, *ends], [*ends, len(body)], strict=True)]
    whole, parser = EventParser(), EventParser()
    assert [data for piece in pieces for data in parser.feed(piece)] == whole.feed(body)


def test_a_line_without_end_is_given_up() -> None:
    parser = EventParser()
    for _ in range(2):
        parser.feed(b"x" * (1 << 19))
    with pytest.raises(EventsError, match="longer than"):
        parser.feed(b"x")


# the engine


@pytest.mark.parametrize("stage", [constant(rate=100), closed(duration=0.1)])
@pytest.mark.parametrize("dribble", [False, True])
@pytest.mark.parametrize(
    "reply",
    [
        chunks(STREAM),
        chunks(b": ping\n\n", ROLE, *TOKENS, USAGE, DONE),
        chunks(STREAM[:37], STREAM[37:200], STREAM[200:]),
        f"{HEAD}Content-Length: {len(STREAM)}\r\n\r\n".encode() + STREAM,
        chunks(STREAM.replace(b"\n", b"\r\n")),
    ],
)
def test_a_stream_in_any_framing(reply: bytes, dribble: bool, stage: LoadWindow) -> None:
    with Server(reply, dribble=dribble) as server:
        (samples,) = run(to(server.url), stage)
    assert set(statuses(samples)) == {200}
    assert samples.tokens is not None
    assert np.bincount(samples.tokens.row, minlength=len(samples)).tolist() == [3] * len(samples)
    assert (np.diff(samples.tokens.at_s) >= 0).all()
    first = first_token_s(samples)
    assert (first >= samples.first_byte_s - samples.scheduled_s).all()
    assert (samples.tokens.at_s <= samples.finished_s[samples.tokens.row]).all()
    assert server.connections <= 4
    assert len(gaps_s(samples, samples.status == 200)) == 2 * len(samples)


def test_a_stream_that_ends_with_the_connection() -> None:
    samples = one_window(Server(f"{HEAD}\r\n".encode() + STREAM, close=True), to, constant(rate=50))
    assert set(statuses(samples)) == {200}


CUT = b"".join((ROLE, *TOKENS))


@pytest.mark.parametrize("stage", [constant(rate=100), closed(duration=0.1)])
@pytest.mark.parametrize(
    ("reply", "status", "tokens"),
    [
        (chunks(CUT), Status.STREAM_CUT, 3),
        (chunks(CUT, end=b""), Status.STREAM_CUT, 3),
        (chunks(b"".join(TOKENS[:1]), end=b"ff\r\ndata: "), Status.STREAM_CUT, 1),
        (f"{HEAD}\r\n".encode() + CUT, Status.STREAM_CUT, 3),
        (chunks(STREAM, end=b""), Status.CONNECTION_LOST, 3),
        (chunks(ROLE, DONE), Status.WRONG_ANSWER, 0),
        (chunks(*TOKENS[:1], b'data: {"error": {"message": "out of memory"}}\n\n', DONE), Status.WRONG_ANSWER, 1),
        (chunks(*TOKENS[:1], b"data: not json\n\n", DONE), Status.WRONG_ANSWER, 1),
        (chunks(*TOKENS[:1], b"data: [1]\n\n", DONE), Status.WRONG_ANSWER, 1),
        (chunks(), Status.STREAM_CUT, 0),
        (answer(b'{"choices": [{"message": {"content": "a"}}]}'), Status.WRONG_ANSWER, 0),
        (answer(b'{"error": "busy"}', "503 Service Unavailable"), 503, 0),
        (answer(b"", "429 Too Many Requests"), 429, 0),
        (b"no http\r\n\r\n", Status.MALFORMED, 0),
    ],
)
def test_what_is_recorded_of_a_stream(reply: bytes, status: int, tokens: int, stage: LoadWindow) -> None:
    ends_with_connection = not reply.endswith(b"0\r\n\r\n") and b"Content-Length" not in reply
    samples = one_window(Server(reply, close=ends_with_connection), to, stage)
    assert set(statuses(samples)) == {status}
    found = 0 if samples.tokens is None else len(samples.tokens.row)
    assert found == tokens * len(samples)


def test_a_server_that_goes_wrong_in_the_middle_of_a_window() -> None:
    def reply(number: int, request: bytes) -> bytes:
        return chunks(STREAM) if number % 2 else chunks(CUT)

    samples = one_window(Server(reply), to, constant(rate=100))
    assert statuses(samples) == {200: 12, Status.STREAM_CUT: 13}
    assert set(summarize(samples).errors) == {"stream cut"}


def test_streams_and_whole_answers_in_one_window() -> None:
    def reply(number: int, request: bytes) -> bytes:
        return chunks(STREAM) if b'"stream": true' in request else answer(b'{"choices": [{"message": {}}]}')

    samples = one_window(Server(reply), to, constant(rate=400), requests=(REQUEST, WHOLE))
    assert set(statuses(samples)) == {200}
    assert samples.tokens is not None
    streams = np.unique(samples.tokens.row)
    assert 20 < len(streams) < 80
    assert len(samples.tokens.row) == 3 * len(streams)


def test_a_stall_before_the_stream_counts_in_the_time_to_the_first_token() -> None:
    with Server(chunks(STREAM)) as server:
        server.freeze_at(5, 0.3)
        (samples,) = run(to(server.url), constant(rate=100, duration=0.4, connections=2))
    first = first_token_s(samples)
    assert statuses(samples) == {200: 40}
    assert (first > 0.1).sum() >= 15


def test_streams_that_never_end_time_out_and_keep_their_tokens() -> None:
    samples = one_window(Server(chunks(CUT, end=b"")), to, constant(rate=50, duration=0.2, timeout=0.3, connections=16))
    assert set(statuses(samples)) == {Status.TIMED_OUT}
    assert samples.tokens is not None
    assert len(samples.tokens.row) == 30


# outside of a window


def test_a_smoke_request_tells_what_is_wrong_with_a_stream() -> None:
    with Server(lambda number, request: chunks(STREAM if number == 0 else CUT), close=True) as server:
        told = smoke(server.url, REQUEST, protocol("openai"), 5.0, exchange)
        with pytest.raises(TrialFailure, match=r"without its end marker, data: \[DONE\]"):
            smoke(server.url, REQUEST, protocol("openai"), 5.0, exchange)
    assert told == {"object": "chat.completion.chunk", "model": None, "stream": True}


def test_a_completion_is_a_stream_too() -> None:
    request = protocol("openai").encode(b'{"prompt": "a", "stream": true}')
    assert (request.path, request.streams) == ("/v1/completions", True)
    assert request.headers["Accept"] == "text/event-stream"
    body = b'data: {"choices": [{"text": "x"}]}\n\n' * 2 + DONE
    samples = one_window(Server(chunks(body)), to, constant(rate=50), requests=(request,))
    assert set(statuses(samples)) == {200}
    assert samples.tokens is not None


def test_json_cannot_be_asked_of_a_stream(tmp_path: Path) -> None:
    check = CheckSpec(paths=(PathCheck(path="$.choices"),))
    spec = workload_of(tmp_path, REQUEST.body, protocol="openai", check=check)
    (problem,) = problems(spec, Where(file="space.yaml"))
    assert "stream" in problem.message


# a real server

SERVER = """
import asyncio, json, sys
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

app = FastAPI()

@app.post("/v1/chat/completions")
async def chat(request: Request):
    asked = await request.json()

    async def stream():
        for number in range(asked["max_tokens"]):
            await asyncio.sleep(0.01)
            piece = {"object": "chat.completion.chunk", "model": "m", "choices": [{"delta": {"content": str(number)}}]}
            yield f"data: {json.dumps(piece)}\\n\\n"
        yield "data: [DONE]\\n\\n"

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"Server-Timing": "queue;dur=1.5"})

uvicorn.run(app, fd=int(sys.argv[1]), log_level="critical")
"""


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        command = [sys.executable, "-c", SERVER, str(listening.fileno())]
        server = subprocess.Popen(command, pass_fds=[listening.fileno()], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                exchange(url, Request(method="GET", path="/docs", headers={}, body=b""), 30.0)
                break
            except Exception:
                assert time.monotonic() < deadline
                assert server.poll() is None
        yield url
    finally:
        os.kill(server.pid, signal.SIGTERM)
        server.wait(20)


def test_a_real_streaming_server(real: str) -> None:
    request = protocol("openai").encode(json.dumps({**CHAT, "max_tokens": 4}).encode())
    with LocalGenerator(to(real, requests=(request,))) as generator:
        samples = generator.run(constant(rate=40, duration=1.0, connections=16))
        assert generator.ask(real, request, 10.0).status == 200
    assert statuses(samples) == {200: 40}
    window = summarize(samples)
    assert window.latency_s["ttft_p50"].value >= 0.01
    assert window.latency_s["itl_p50"].value >= 0.009
    assert window.latency_s["latency_p50"].value >= window.latency_s["ttft_p50"].value
    assert len(gaps_s(samples, samples.status == 200)) == 120
    assert samples.server_timing_s["queue"] == pytest.approx(np.full(40, 0.0015))


def test_from_a_shell(tmp_path: Path) -> None:
    body = tmp_path / "chat.json"
    body.write_bytes(REQUEST.body)
    with Server(chunks(STREAM)) as server:
        given = ("--url", server.url, "--protocol", "openai", "--body", str(body), "--rate", "50/s")
        done = load(*given, "--duration", "300ms")
    told = json.loads(done.stdout)
    assert told["good"] == told["requests"] > 0
    assert told["latency_s"]["p50"] >= told["ttft_s"]["p50"] > 0
    assert set(told["itl_s"]) == {"p50", "p90", "p99", "max"}
