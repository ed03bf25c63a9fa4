"""HTTP/2 frames as bytes (RFC 9113)."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final


class Kind(IntEnum):
    """Section 6."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITY: Final = 0x20

HEADER_TABLE_SIZE: Final = 1
ENABLE_PUSH: Final = 2
INITIAL_WINDOW_SIZE: Final = 4
MAX_FRAME_SIZE: Final = 5
MAX_HEADER_LIST_SIZE: Final = 6

CANCEL: Final = 0x8

HEAD_BYTES: Final = 9
LARGEST_WINDOW: Final = 2**31 - 1
LAST_STREAM: Final = 2**31 - 1
USUAL_WINDOW: Final = 65535
USUAL_FRAME: Final = 16384
"""The payload every peer accepts, and the most we let ours send."""
LARGEST_FRAME: Final = 2**24 - 1
HEADER_LIST_LIMIT: Final = 65536

HEAD = struct.Struct(">HBBBI")
"""Length in two parts, kind, flags, stream."""
PAIR = struct.Struct(">HI")
"""A setting: name and value."""


def frame(kind: Kind, flags: int, stream: int, payload: bytes = b"") -> bytes:
    length = len(payload)
    return HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream) + payload


def settings(values: dict[int, int]) -> bytes:
    return frame(Kind.SETTINGS, 0, 0, b"".join(PAIR.pack(name, value) for name, value in values.items()))


def window_update(stream: int, increment: int) -> bytes:
    return frame(Kind.WINDOW_UPDATE, 0, stream, increment.to_bytes(4))


PREFACE: Final = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    + settings(
        {
            HEADER_TABLE_SIZE: 0,
            ENABLE_PUSH: 0,
            INITIAL_WINDOW_SIZE: LARGEST_WINDOW,
            MAX_HEADER_LIST_SIZE: HEADER_LIST_LIMIT,
        }
    )
    + window_update(0, LARGEST_WINDOW - USUAL_WINDOW)
)
"""What a connection begins with (section 3.4): no compression state, no pushes, and windows that never hold an answer
back, so that what is measured is the server."""
