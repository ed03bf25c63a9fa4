"""Answers as packed as their heads say, cut in any pieces; and the limits of what is read."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.http1.test_wire import cut, parse
from tests.load.servers import answer
from tuner.http.answer import AnswerParser
from tuner.http.coding import Unpacker
from tuner.http.errors import TooLarge, WireError
from tuner.load.http1.request import request_bytes
from tuner.load.model import Request

HEAD = b"HTTP/1.1 200 OK\r\n"


def raw(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


PACKERS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress, "Deflate": raw}


@given(st.binary(max_size=500), st.sampled_from(sorted(PACKERS)), st.lists(st.integers(0, 600), max_size=8))
def test_packed_bodies_in_any_pieces(body: bytes, coding: str, at: list[int]) -> None:
    packed = answer(PACKERS[coding](body), headers=f"Content-Encoding: {coding}\r\n")
    assert parse(cut(packed, at)) == [(200, body, True)]


@given(st.binary(min_size=1, max_size=300), st.integers(1, 300))
def test_a_packed_body_cut_short_is_malformed(body: bytes, less: int) -> None:
    packed = gzip.compress(body)
    short = packed[: max(1, len(packed) - less)]
    assert parse([answer(short, headers="Content-Encoding: gzip\r\n")]) == ["malformed"]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5), st.sampled_from([b"gzip", b"deflate"]))
def test_bytes_that_are_not_packed_raise_nothing_else(body: bytes, at: list[int], coding: bytes) -> None:
    unpacker = Unpacker(coding, 1000)
    try:
        for piece in cut(body, at):
            unpacker.feed(piece)
        unpacker.end()
    except WireError:
        pass


def test_what_is_not_packed_says_so() -> None:
    assert parse([answer(b"{}", headers="Content-Encoding: identity\r\n")]) == [(200, b"{}", True)]
    with pytest.raises(WireError, match="encoded as 'br', which is not read here"):
        AnswerParser().feed(answer(b"x", headers="Content-Encoding: br\r\n"))


@pytest.mark.parametrize("size", [1, 100, 5000])
@pytest.mark.parametrize("chunk", [b"", b"3\r\nabc\r\n"])
def test_no_more_is_kept_than_the_limit(chunk: bytes, size: int) -> None:
    parser = AnswerParser(10_000)
    parser.feed(HEAD + (b"Transfer-Encoding: chunked\r\n\r\n" if chunk else b"\r\n"))
    stream = (chunk or b"x") * 20_000
    pieces = (stream[at : at + size] for at in range(0, len(stream), size))
    with pytest.raises(TooLarge):
        all(parser.feed(piece) or True for piece in pieces)
    assert sum(map(len, parser.taken)) <= 10_000


def test_an_answer_of_just_the_limit_is_read() -> None:
    whole = answer(b"x" * 9_000)
    parser = AnswerParser(len(whole))
    assert parser.feed(whole)
    parser = AnswerParser(len(whole) - 1)
    with pytest.raises(TooLarge):
        parser.feed(whole)


def test_where_a_redirect_leads() -> None:
    parser = AnswerParser()
    assert parser.feed(answer(b"", "301 Moved", "Location: https://elsewhere/\r\n"))
    assert parser.location == b"https://elsewhere/"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"path": "/prédict"}, "write it percent-encoded: /pr%C3%A9dict"),
        ({"path": "/a b?c=d%20e"}, "write it percent-encoded: /a%20b?c=d%20e"),
        ({"path": "predict"}, "does not start with /"),
        ({"method": "GÉT"}, "is no method"),
        ({"headers": {"X-Name": "名"}}, "the header X-Name holds"),
    ],
)
def test_a_request_that_cannot_be_sent_says_what_to_write(changes: dict[str, object], told: str) -> None:
    request = Request(**{"method": "GET", "path": "/", "headers": {}, "body": b"", **changes})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=told.replace("?", r"\?")):
        request_bytes(request, "h:1")
