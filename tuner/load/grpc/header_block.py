"""Header blocks (HPACK, RFC 7541) without state: what is sent uses no table, and the peer was told to keep none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import hpack

from tuner.http.errors import WireError
from tuner.load.grpc.frames import HEADER_LIST_LIMIT

_REMEMBERED = 2048
_EMPTY_TABLE = b"\x20"
"""Sets the size of the table to 0, which may stand before any block, and holds whatever table the peer offers."""


def encode(headers: Iterable[tuple[str, str]]) -> bytes:
    """Literals without indexing and without Huffman coding: the same bytes whatever was sent before."""
    return _EMPTY_TABLE + b"".join(b"\0" + _string(name) + _string(value) for name, value in headers)


def decode(block: bytes) -> Mapping[bytes, bytes]:
    """The headers of a block by name; of a name met again the last. Raises WireError."""
    return _decode(block) if len(block) > _REMEMBERED else _remembered(block)


def _decode(block: bytes) -> Mapping[bytes, bytes]:
    decoder = hpack.Decoder(max_header_list_size=HEADER_LIST_LIMIT)
    decoder.header_table_size = decoder.max_allowed_table_size = 0
    try:
        return {bytes(name): bytes(value) for name, value in decoder.decode(block, raw=True)}
    except (hpack.HPACKError, IndexError, ValueError) as error:
        raise WireError(f"a header block cannot be decoded: {error}") from None


_remembered = lru_cache(maxsize=256)(_decode)
"""Servers send the same few blocks again and again, short ones."""


def _string(text: str) -> bytes:
    content = text.encode("latin-1")
    return _integer(len(content)) + content


def _integer(value: int) -> bytes:
    """With a prefix of seven bits whose first is 0 (section 5.1)."""
    if value < 127:
        return bytes([value])
    coded, value = bytearray([127]), value - 127
    while value >= 128:
        coded.append(value % 128 + 128)
        value //= 128
    coded.append(value)
    return bytes(coded)
