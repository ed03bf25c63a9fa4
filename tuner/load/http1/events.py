"""Server-sent events (WHATWG HTML, section 9.2): the data of each event, out of bytes that come in any pieces."""

from __future__ import annotations

_LONGEST = 1 << 20


class EventsError(Exception):
    """What came is no stream of events; the text says why."""


class EventParser:
    """Feed it the body of an answer as it comes; it returns the data of the events that are complete with it."""

    __slots__ = ("_begun", "_data", "_is_first", "_size")

    def __init__(self) -> None:
        self._begun = b""
        """A line without its end."""
        self._data: list[bytes] = []
        self._size = 0
        """Bytes of the event that has begun."""
        self._is_first = True

    def feed(self, piece: bytes) -> list[bytes]:
        """Raises EventsError for a line, or an event, longer than 1 MiB."""
        text = self._begun + piece
        if self._is_first and len(text) >= 3:
            text = text.removeprefix(b"\xef\xbb\xbf")
            self._is_first = False
        # a line ends with CR LF, LF or CR; a CR at the very end may be half of a CR LF
        held = b"\r" if text.endswith(b"\r") else b""
        if b"\r" in text:
            text = text[: len(text) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, begun = text.split(b"\n")
        self._begun = begun + held
        if len(self._begun) > _LONGEST:
            raise EventsError(f"a line of the stream is longer than {_LONGEST} bytes")
        found: list[bytes] = []
        for line in lines:
            if not line:
                if self._data:
                    found.append(b"\n".join(self._data))
                    self._data = []
                    self._size = 0
                continue
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif line == b"data":
                self._data.append(b"")
            else:
                continue
            self._size += len(line)
            if self._size > _LONGEST:
                raise EventsError(f"an event of the stream is longer than {_LONGEST} bytes")
        return found


def events(body: bytes) -> list[bytes]:
    """The data of all events of a whole body. An event without its blank line is none. Raises EventsError."""
    return EventParser().feed(body + b"\n" if body.endswith(b"\r") else body)
