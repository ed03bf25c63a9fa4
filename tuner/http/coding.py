"""Content codings (RFC 9110, section 8.4.1): what a body was packed with on its way here."""

from __future__ import annotations

import zlib
from typing import Final

from tuner.http.errors import TooLarge, WireError

_GZIP: Final = 16 + zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS
_KNOWN: Final = (b"gzip", b"x-gzip", b"deflate")


class Unpacker:
    """Unpacks a body piece by piece, as far as a limit."""

    def __init__(self, coding: bytes, limit: int) -> None:
        """`limit`: most bytes of the unpacked body. Raises WireError for a coding that cannot be read."""
        if coding not in _KNOWN:
            shown = coding[:40].decode("latin-1")
            raise WireError(
                f"the answer is encoded as {shown!r}, which is not read here; ask for Accept-Encoding: gzip"
            )
        self._coding = coding.decode()
        self._limit = limit
        self._made = 0
        self._fed = 0
        self._begun = b""
        self._stream = None if coding == b"deflate" else zlib.decompressobj(_GZIP)

    def feed(self, piece: bytes) -> bytes:
        """What this piece unpacks to. Raises WireError, TooLarge."""
        self._fed += len(piece)
        if self._stream is None:  # deflate: servers send it with zlib's two bytes before it, as they should, or without
            piece = self._begun + piece
            if len(piece) < 2:
                self._begun = piece
                return b""
            has_head = piece[0] & 0x0F == 8 and int.from_bytes(piece[:2]) % 31 == 0
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if has_head else _RAW)
        try:
            made = self._stream.decompress(piece, self._limit - self._made + 1)
        except zlib.error as error:
            raise WireError(f"the body is not {self._coding}, as its head says ({error})") from None
        self._made += len(made)
        if self._made > self._limit:
            raise TooLarge(f"the {self._coding} body unpacks to more than {self._limit >> 20} MiB")
        if self._stream.unused_data:
            raise WireError(f"the {self._coding} body is followed by other bytes")
        return made

    def end(self) -> None:
        """The body has ended. Raises WireError where it was cut short; an empty one is empty however it is encoded."""
        if self._fed and not (self._stream is not None and self._stream.eof):
            raise WireError(f"the {self._coding} body is cut short")
