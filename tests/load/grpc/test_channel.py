"""HTTP/2 as bytes: whatever is fed to a channel, in whatever pieces."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.http1.test_wire import cut
from tuner.http.errors import WireError
from tuner.load.grpc import frames
from tuner.load.grpc.call import Call, call_of
from tuner.load.grpc.channel import Channel
from tuner.load.grpc.connection import known
from tuner.load.grpc.frames import ACK, END_HEADERS, END_STREAM, PADDED, Kind, frame, settings, window_update
from tuner.load.grpc.header_block import decode, encode
from tuner.load.model import Request
from tuner.measure.status import word

GREETING = settings({frames.INITIAL_WINDOW_SIZE: 65535})
HEAD = encode([(":status", "200"), ("content-type", "application/grpc")])
DONE = encode([("grpc-status", "0")])
MESSAGE = b"\x0a\x03abc"


def prefixed(message: bytes = MESSAGE) -> bytes:
    return b"\0" + len(message).to_bytes(4) + message


def answer(stream: int = 1, message: bytes = MESSAGE, trailers: bytes = DONE) -> bytes:
    return (
        frame(Kind.HEADERS, END_HEADERS, stream, HEAD)
        + frame(Kind.DATA, 0, stream, prefixed(message))
        + frame(Kind.HEADERS, END_HEADERS | END_STREAM, stream, trailers)
    )


def ended(*headers: tuple[str, str], stream: int = 1) -> bytes:
    """An answer of nothing but headers."""
    return frame(Kind.HEADERS, END_HEADERS | END_STREAM, stream, encode(headers))


def request(body: bytes = MESSAGE, **headers: str) -> Request:
    return Request(method="POST", path="/a.B/C", headers=headers, body=body, grpc=True)


def call(body: bytes = MESSAGE) -> Call:
    return call_of(request(body), authority="host:1", scheme="http")


def outcome(pieces: list[bytes]) -> tuple[object, ...]:
    """What became of one call that these bytes are the answer to, and of the connection."""
    channel = Channel()
    channel.begin(call())
    found: list[object] = []
    try:
        for piece in (*pieces, b""):
            if channel.feed(piece):
                found += [channel.status, channel.body, channel.is_refused]
    except WireError:
        found.append("malformed")
    return (*found, channel.started, channel.stays if "malformed" not in found else None)


STREAMS = [
    GREETING + answer(),
    GREETING + frame(Kind.SETTINGS, ACK, 0) + window_update(0, 10) + answer() + window_update(0, 17),
    GREETING + frame(Kind.PING, 0, 0, b"12345678") + answer() + frame(Kind.PING, ACK, 0, b"12345678"),
    GREETING + ended((":status", "200"), ("grpc-status", "14"), ("grpc-message", "gone%20%C3%A9 100%")),
    GREETING + ended((":status", "503")),
    GREETING + answer() + frame(Kind.GOAWAY, 0, 0, bytes(8)),
    GREETING + frame(Kind.GOAWAY, 0, 0, bytes(8)) + answer(),
    GREETING + frame(Kind.RST_STREAM, 0, 1, (7).to_bytes(4)),
    GREETING + answer(message=b"x" * 200_000)[:0] + frame(Kind.HEADERS, END_HEADERS, 1, HEAD),
    GREETING + frame(Kind.HEADERS, 0, 1, HEAD[:5]) + frame(Kind.CONTINUATION, END_HEADERS, 1, HEAD[5:]) + answer()[33:],
    GREETING + answer() + b"\0\0\1\0\0\0\0\0\x09x",
    GREETING + answer() + answer(stream=3),
    answer(),
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
]


def test_the_usual_answer() -> None:
    assert outcome([GREETING + answer()]) == (200, MESSAGE, False, True, True)


@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 400), max_size=12))
def test_however_the_stream_is_cut_the_outcome_is_the_same(stream: bytes, at: list[int]) -> None:
    assert outcome(cut(stream, at)) == outcome([stream])


@given(st.sampled_from(STREAMS))
def test_byte_by_byte(stream: bytes) -> None:
    assert outcome([bytes([byte]) for byte in stream]) == outcome([stream])


@given(
    st.binary(max_size=300) | st.builds(lambda tail: GREETING + tail, st.binary(max_size=300)), st.lists(st.integers(0))
)
def test_random_bytes_raise_nothing_else_and_end(stream: bytes, at: list[int]) -> None:
    assert outcome(cut(stream, at)) == outcome([stream])


@given(st.sampled_from(STREAMS), st.integers(0, 400), st.binary(min_size=1, max_size=3), st.lists(st.integers(0, 400)))
def test_a_damaged_answer_is_the_same_however_it_is_cut(stream: bytes, at: int, damage: bytes, cuts: list[int]) -> None:
    damaged = stream[: at % len(stream)] + damage + stream[at % len(stream) + 1 :]
    assert outcome(cut(damaged, cuts)) == outcome([damaged])


@given(
    st.integers(0, 12),
    st.integers(0, 255),
    st.sampled_from([0, 1, 2, 3, 2**31 - 1]),
    st.binary(max_size=40),
    st.lists(st.integers(0, 400), max_size=5),
)
def test_any_frame_raises_nothing_else(kind: int, flags: int, stream: int, payload: bytes, cuts: list[int]) -> None:
    head = frames.HEAD.pack(0, len(payload), kind, flags, stream)
    for stream_of_bytes in (GREETING + head + payload + answer(), GREETING + answer()[:40] + head + payload):
        assert outcome(cut(stream_of_bytes, cuts)) == outcome([stream_of_bytes])


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True), st.from_regex(r"[ -~]{0,300}", fullmatch=True)
        )
    )
)
def test_header_blocks_are_read_back(headers: list[tuple[str, str]]) -> None:
    assert decode(encode(headers)) == {name.encode(): value.encode() for name, value in headers}


@given(st.binary(max_size=60))
def test_random_header_blocks_raise_nothing_else(block: bytes) -> None:
    with suppress(WireError):
        decode(block)


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "HTTP/1, not in HTTP/2; is this its gRPC port"),
        (answer(), "not in HTTP/2"),
        (GREETING + frame(Kind.DATA, END_STREAM, 1, prefixed()), "before the headers"),
        (GREETING + frame(Kind.HEADERS, END_HEADERS, 1, HEAD) + frame(Kind.DATA, END_STREAM, 1, prefixed()), "without a grpc-status"),
        (GREETING + answer(trailers=encode([("grpc-status", "zero")])), "not a number"),
        (GREETING + answer().replace(prefixed(), b"\1" + prefixed()[1:]), "compressed"),
        (GREETING + answer().replace(prefixed()[:5], b"\0\0\0\0\x04"), "a message of 4 bytes in an answer of 5"),
        (GREETING + ended((":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "0")), "no message"),
        (GREETING + ended((":status", "200"), ("content-type", "text/html"), ("grpc-status", "0")), "no gRPC"),
        (GREETING + ended(("a", "b")), ":status"),
        (GREETING + frame(Kind.HEADERS, END_HEADERS, 1, b"\xff\xff\xff"), "cannot be decoded"),
        (GREETING + frame(Kind.HEADERS, END_HEADERS, 1, b"\xbe"), "cannot be decoded"),
        (GREETING + frame(Kind.HEADERS, END_HEADERS, 3, HEAD), "stream 3, which was never opened"),
        (GREETING + frame(Kind.PUSH_PROMISE, END_HEADERS, 1, bytes(4)), "pushes"),
        (GREETING + b"\x00\x40\x01\x00\x00\x00\x00\x00\x01", "16385 bytes"),
        (GREETING + window_update(0, 0), "WINDOW_UPDATE"),
        (GREETING + window_update(0, 2**31 - 1), "beyond the largest"),
        (settings({frames.INITIAL_WINDOW_SIZE: 2**31}), "window of 2147483648"),
        (settings({frames.MAX_FRAME_SIZE: 1}), "frames of 1 bytes"),
        (GREETING + frame(Kind.CONTINUATION, 0, 1), "continues nothing"),
        (GREETING + frame(Kind.HEADERS, 0, 1, HEAD) + frame(Kind.PING, 0, 0, bytes(8)), "interrupted"),
        (GREETING + frame(Kind.DATA, PADDED, 1, b"\x05ab"), "before the headers"),
        (GREETING + frame(Kind.HEADERS, END_HEADERS | PADDED, 1, b"\x05ab"), "padding"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(stream: bytes, words: str) -> None:
    channel = Channel()
    channel.begin(call())
    with pytest.raises(WireError, match=words):
        channel.feed(stream)


@pytest.mark.parametrize(
    ("stream", "kind", "said"),
    [
        (ended((":status", "200"), ("grpc-status", "14"), ("grpc-message", "a%C3%A9%")), "grpc UNAVAILABLE", "aé%"),
        (ended((":status", "200"), ("grpc-status", "99")), "grpc UNKNOWN", ""),
        (ended((":status", "404")), "http 404", ""),
        (answer(trailers=encode([("grpc-status", "8")])), "grpc RESOURCE_EXHAUSTED", ""),
        (frame(Kind.RST_STREAM, 0, 1, (8).to_bytes(4)), "grpc CANCELLED", "the server reset the stream, error code 8"),
        (frame(Kind.RST_STREAM, 0, 1, (2).to_bytes(4)), "grpc INTERNAL", "the server reset the stream, error code 2"),
        (frame(Kind.GOAWAY, 0, 0, bytes(8)), "grpc UNAVAILABLE", "the server is going away"),
    ],
)
def test_failures_have_their_own_kind(stream: bytes, kind: str, said: str) -> None:
    channel = Channel()
    channel.begin(call())
    assert channel.feed(GREETING + stream)
    assert (word(channel.status), channel.body.decode()) == (kind, said)


def test_padding_and_priorities_are_taken_off() -> None:
    head = frame(Kind.HEADERS, END_HEADERS | PADDED | frames.PRIORITY, 1, b"\x02" + bytes(5) + HEAD + b"xx")
    data = frame(Kind.DATA, PADDED, 1, b"\x03" + prefixed() + b"xxx")
    assert outcome([GREETING + head + data + answer()[-len(ended(("grpc-status", "0"))) :]])[:2] == (200, MESSAGE)


def test_an_interim_answer_is_skipped() -> None:
    interim = frame(Kind.HEADERS, END_HEADERS, 1, encode([(":status", "103")]))
    assert outcome([GREETING + interim + answer()])[:2] == (200, MESSAGE)


def test_settings_and_pings_are_acknowledged() -> None:
    channel = Channel()
    assert bytes(channel.out) == frames.PREFACE
    channel.out.clear()
    channel.feed(GREETING + frame(Kind.PING, 0, 0, b"12345678"))
    assert bytes(channel.out) == frame(Kind.SETTINGS, ACK, 0) + frame(Kind.PING, ACK, 0, b"12345678")


def test_streams_count_up_and_only_their_number_differs() -> None:
    channel, sent = Channel(), call()
    first, second = channel.begin(sent), channel.begin(sent)
    assert first.replace((1).to_bytes(4), (3).to_bytes(4)) == second
    assert (channel.stream, channel.stays) == (3, True)


def test_a_connection_that_ran_out_of_streams_is_not_used_again() -> None:
    channel = Channel()
    channel.feed(GREETING)
    channel.stream = 2**31 - 5
    channel.begin(call())
    assert channel.feed(answer(stream=2**31 - 3))
    assert (channel.status, channel.stays) == (200, False)


def test_the_frames_of_an_answer_given_up_are_ignored() -> None:
    channel = Channel()
    channel.begin(call())
    assert channel.cancel() == frame(Kind.RST_STREAM, 0, 1, (8).to_bytes(4))
    channel.begin(call())
    assert not channel.feed(GREETING + answer(stream=1))
    assert not channel.started
    assert channel.feed(answer(stream=3))


def test_a_refused_call_may_be_sent_again() -> None:
    channel = Channel()
    channel.begin(call())
    assert channel.feed(GREETING + frame(Kind.GOAWAY, 0, 0, bytes(8)))
    assert channel.is_refused
    assert not channel.stays


def test_a_call_that_is_still_served_is_awaited() -> None:
    channel = Channel()
    channel.begin(call())
    assert not channel.feed(GREETING + frame(Kind.GOAWAY, 0, 0, (1).to_bytes(4) + bytes(4)))
    assert channel.feed(answer())
    assert (channel.status, channel.stays) == (200, False)


def sent_data(data: bytes) -> tuple[int, bool]:
    """(bytes of DATA, whether they end the stream) in what was sent."""
    at, total, is_ended = 0, 0, False
    while at < len(data):
        high, low, kind, flags, _ = frames.HEAD.unpack_from(data, at)
        length = high << 8 | low
        if kind == Kind.DATA:
            assert length <= 16384
            total += length
            is_ended = bool(flags & END_STREAM)
        at += frames.HEAD_BYTES + length
    return total, is_ended


@pytest.mark.parametrize("window", [0, 1, 65535, 1_000_000])
def test_a_long_message_waits_for_the_windows(window: int) -> None:
    body = bytes(200_000)
    channel = Channel()
    channel.out.clear()
    channel.feed(settings({frames.INITIAL_WINDOW_SIZE: window}))
    channel.out.clear()
    sent, is_ended = sent_data(channel.begin(call(body)))
    assert sent == min(window, 65535)
    channel.feed(window_update(0, 500_000))
    more, is_ended = sent_data(bytes(channel.out))
    sent += more
    assert sent == min(window, 200_005)
    channel.out.clear()
    if not is_ended:
        channel.feed(window_update(1, 200_005 - sent))
        more, is_ended = sent_data(bytes(channel.out))
        sent += more
    assert (sent, is_ended) == (200_005, True)


def test_a_smaller_window_holds_what_is_not_sent_yet() -> None:
    channel = Channel()
    sent, _ = sent_data(channel.begin(call(bytes(100_000))))
    assert sent == 65535
    channel.out.clear()
    channel.feed(settings({frames.INITIAL_WINDOW_SIZE: 10}))
    channel.feed(window_update(0, 100_000))
    channel.feed(window_update(1, 65525))
    assert sent_data(bytes(channel.out)) == (0, False)
    channel.feed(window_update(1, 40_000))
    assert sent_data(bytes(channel.out)) == (100_005 - 65535, True)


def test_an_early_answer_ends_the_sending() -> None:
    channel = Channel()
    channel.begin(call(bytes(100_000)))
    channel.out.clear()
    assert channel.feed(GREETING + ended((":status", "200"), ("grpc-status", "7")))
    assert bytes(channel.out).endswith(frame(Kind.RST_STREAM, 0, 1, (8).to_bytes(4)))
    channel.out.clear()
    channel.feed(window_update(0, 100_000))
    assert not channel.out


def test_the_receiving_window_is_opened_again() -> None:
    channel = Channel()
    channel.begin(call())
    channel.out.clear()
    channel.recognize(2**30, b"")
    assert bytes(channel.out) == window_update(0, 2**30)


def test_an_answer_is_known_by_its_bytes_on_any_stream() -> None:
    found = known(answer(stream=1) + window_update(0, 12), 1)
    assert found is not None
    assert (7).to_bytes(4).join(found.parts) == answer(stream=7)
    assert (found.length, found.data_bytes) == (len(answer()), len(prefixed()))
    for other in (window_update(0, 12) + answer(), answer()[:-1], answer()[:40], b"", GREETING):
        assert known(other, 1) is None


def test_what_follows_a_known_answer_counts() -> None:
    channel = Channel()
    channel.feed(GREETING)
    channel.begin(call())
    channel.recognize(10, frame(Kind.GOAWAY, 0, 0, (1).to_bytes(4) + bytes(4)))
    assert not channel.stays
    channel = Channel()
    channel.feed(GREETING)
    channel.begin(call())
    channel.recognize(10, window_update(0, 0))
    assert not channel.stays
    with pytest.raises(WireError):
        channel.feed(b"")


def test_the_headers_of_a_call() -> None:
    sent = Request(
        method="POST",
        path="/a.B/C",
        headers={"X-Trace": "1", "Authorization": "Basic no", "Content-Type": "application/json"},
        body=b"",
        grpc=True,
        timeout_s=0.25,
    )
    made = call_of(sent, authority="host:1", scheme="https", token="secret")
    assert decode(made.headers) == {
        b":method": b"POST",
        b":scheme": b"https",
        b":path": b"/a.B/C",
        b":authority": b"host:1",
        b"te": b"trailers",
        b"grpc-timeout": b"250000u",
        b"content-type": b"application/grpc",
        b"user-agent": b"grpc-tuner",
        b"x-trace": b"1",
        b"authorization": b"Bearer secret",
    }


@pytest.mark.parametrize(("seconds", "text"), [(1e-9, b"1u"), (5.0, b"5000000u"), (200.0, b"200000m"), (1e6, b"1000000S"), (1e12, b"99999999S")])  # fmt: skip
def test_deadlines_have_at_most_eight_digits(seconds: float, text: bytes) -> None:
    sent = Request(method="POST", path="/a.B/C", headers={}, body=b"", grpc=True, timeout_s=seconds)
    assert decode(call_of(sent, authority="h", scheme="http").headers)[b"grpc-timeout"] == text


@pytest.mark.parametrize(
    "wrong",
    [
        Request(method="POST", path="/predict", headers={}, body=b"", grpc=True),
        request(**{"a b": "c"}),
        request(**{"grpc-encoding-x": "c"}),
        request(a="line\nbreak"),
        request(a="é"),
        request(a="x" * 20_000),
    ],
)
def test_what_grpc_does_not_allow_is_refused(wrong: Request) -> None:
    with pytest.raises(ValueError, match=r"method|metadata"):
        call_of(wrong, authority="h", scheme="http")
