from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.servers import GOOD, answer, chunked
from tuner.http.answer import AnswerParser
from tuner.http.errors import WireError
from tuner.load.http1.request import request_bytes
from tuner.load.model import Request

Answer = tuple[int, bytes, bool]


def parse(pieces: list[bytes], closes: bool = False, bodyless: bool = False) -> list[Answer | str]:
    """All answers in the stream; the last entry is a word when it ends in an error or in the middle of an answer."""
    parser, found = AnswerParser(), []
    parser.begin(bodyless)
    try:
        for piece in pieces:
            data = piece
            while data and parser.feed(data):
                found.append((parser.status, parser.body, parser.keep_alive))
                data = parser.rest
                parser.begin(bodyless)
    except WireError:
        return [*found, "malformed"]
    if closes and parser.end():
        return [*found, (parser.status, parser.body, parser.keep_alive)]
    return [*found, "begun"] if parser.started else found


def cut(stream: bytes, at: list[int]) -> list[bytes]:
    edges = sorted({0, len(stream), *(position % (len(stream) + 1) for position in at)})
    return [stream[a:b] for a, b in pairwise(edges)]


HEAD = b"HTTP/1.1 200 OK\r\n"
STREAMS = [
    answer(),
    chunked(),
    answer() + chunked() + answer(b"", "503 Service Unavailable"),
    b"HTTP/1.1 100 Continue\r\n\r\n" + answer(),
    b"HTTP/1.1 204 No Content\r\n\r\n" + answer(),
    HEAD + b"\r\nuntil the end",
    HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nab",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabX\r\n0\r\n\r\n",
    HEAD + b"Content-Length: 5\r\n\r\nab",
    b"SSH-2.0-OpenSSH_9.2\r\n",
]


def test_the_usual_answer() -> None:
    assert parse([answer()]) == [(200, GOOD, True)]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_chunked_answer(size: int) -> None:
    assert parse([chunked(size=size) + answer()]) == [(200, GOOD, True), (200, GOOD, True)]
    assert parse([chunked(size=size)[:-1]]) == ["begun"]


def test_an_answer_that_ends_with_the_connection() -> None:
    assert parse([HEAD + b"\r\nuntil", b" the end"], closes=True) == [(200, b"until the end", False)]


def test_interim_answers_are_skipped() -> None:
    assert parse([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nA: b\r\n\r\n" + answer()]) == [
        (200, GOOD, True)
    ]


def test_the_same_head_again_with_another_body() -> None:
    assert parse([answer(b"ab"), answer(b"cd")]) == [(200, b"ab", True), (200, b"cd", True)]


@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 400), max_size=12))
def test_however_the_stream_is_cut_the_answers_are_the_same(stream: bytes, at: list[int]) -> None:
    assert parse(cut(stream, at), closes=True) == parse([stream], closes=True)


@given(st.sampled_from(STREAMS))
def test_byte_by_byte(stream: bytes) -> None:
    assert parse([bytes([byte]) for byte in stream], closes=True) == parse([stream], closes=True)


@given(st.binary(max_size=300) | st.builds(lambda tail: HEAD + tail, st.binary(max_size=300)), st.lists(st.integers(0)))
def test_random_bytes_raise_nothing_else_and_end(stream: bytes, at: list[int]) -> None:
    assert isinstance(parse(cut(stream, at)), list)


@given(st.sampled_from(STREAMS), st.integers(0, 200), st.binary(min_size=1, max_size=3), st.lists(st.integers(0, 400)))
def test_a_damaged_answer_is_the_same_however_it_is_cut(stream: bytes, at: int, damage: bytes, cuts: list[int]) -> None:
    damaged = stream[: at % len(stream)] + damage + stream[at % len(stream) + 1 :]
    whole, pieces = parse([damaged], closes=True), parse(cut(damaged, cuts), closes=True)
    assert whole == pieces


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length:0\r\nCONNECTION:  Foo , Close \r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0, 0\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n", True),
    ],
)
def test_whether_the_connection_may_be_kept(head: bytes, keeps: bool) -> None:
    assert parse([head]) == [(int(head[9:12]), b"", keeps)]


def test_the_answer_to_head_has_no_body_whatever_it_says() -> None:
    assert parse([HEAD + b"Content-Length: 9\r\n\r\n"], bodyless=True) == [(200, b"", True)]
    assert parse([HEAD + b"\r\n"], bodyless=True) == [(200, b"", True)]


@pytest.mark.parametrize(
    "stream",
    [
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 +20 OK\r\n\r\n",
        b"HTTP/1.1 99 OK\r\n\r\n",
        b"HTTP/1.1 600 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        HEAD + b"no colon\r\n\r\n",
        HEAD + b"Name : value\r\n\r\n",
        HEAD + b" folded: value\r\n\r\n",
        HEAD + b"a: b\nc: d\r\n\r\n",
        HEAD + b"a: b\rc: d\r\n\r\n",
        HEAD + b"a: \0\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1_0\r\n\r\n",
        HEAD + b"Content-Length: 9999999999999999999\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1" + b"f" * 20 + b"\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 5000,
        HEAD + b"a: b\r\n" * 20000,
    ],
)
def test_what_is_not_an_answer_is_refused(stream: bytes) -> None:
    assert parse([stream]) == ["malformed"]


def test_a_body_much_longer_than_a_read_is_put_together_once() -> None:
    body = bytes(range(256)) * 4096
    stream = answer(body)
    assert parse([stream[at : at + 65536] for at in range(0, len(stream), 65536)]) == [(200, body, True)]


def test_a_request_on_the_wire() -> None:
    request = Request(method="POST", path="/p", headers={"A": "b", "Content-Length": "9"}, body=b"xy")
    assert request_bytes(request, "h:1") == b"POST /p HTTP/1.1\r\nHost: h:1\r\nA: b\r\nContent-Length: 2\r\n\r\nxy"
    plain = Request(method="GET", path="/", headers={"host": "other"}, body=b"")
    assert request_bytes(plain, "h:1") == b"GET / HTTP/1.1\r\nhost: other\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "p", {}),
        ("GET", "/a b", {}),
        ("GET\r\n", "/", {}),
        ("GET", "/\r\n", {}),
        ("GET", "/", {"A": "b\r\nC: d"}),
        ("GET", "/", {"A:": "b"}),
        ("GET", "/", {"": "b"}),
    ],
)
def test_what_would_break_the_framing_is_refused(method: str, path: str, headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"is not a header line|is no method|does not start with /|holds characters"):
        request_bytes(Request(method=method, path=path, headers=headers, body=b""), "h:1")
