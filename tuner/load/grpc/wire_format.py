"""Protobuf's wire format, read without knowing the messages: whether bytes are a message, and which fields it has.

Source: "Encoding", the protocol buffers documentation.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _START, _END, _FIXED32 = range(6)
_LARGEST_FIELD = 2**29 - 1


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field in the order they stand; the value is bytes where its length is written before it.

    Raises ValueError where the bytes are no message.
    """
    at, size = 0, len(message)
    while at < size:
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if not 0 < number <= _LARGEST_FIELD:
            raise ValueError(f"the message has a field of number {number}")
        value: int | bytes = 0
        if kind == _VARINT:
            value, at = _varint(message, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
            value, at = int.from_bytes(message[at : at + length], "little"), at + length
        elif kind == _BYTES:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        elif kind not in (_START, _END):  # those of groups hold nothing themselves
            raise ValueError(f"the message has a field of wire type {kind}, which there is not")
        if at > size:
            raise ValueError(f"the message ends within its field {number}")
        yield number, value


def problem(message: bytes) -> str | None:
    """What is wrong with bytes that ought to be a message."""
    try:
        for _ in fields(message):
            pass
    except ValueError as error:
        return str(error)
    return None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for position in range(at, min(at + 10, len(data))):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + 1
        shift += 7
    raise ValueError("the message ends within a number, or holds one that is too long")
