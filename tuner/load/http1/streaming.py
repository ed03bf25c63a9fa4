"""A connection whose answers are streams of events: each is told with the instant it came."""

from __future__ import annotations

from tuner.http.errors import WireError
from tuner.load.http1.connection import Connection, Replica, Sender, status_of
from tuner.load.http1.events import EventParser, EventsError
from tuner.load.model import StreamProtocol
from tuner.measure.samples import Status


class StreamConnection(Connection):
    """A `Connection` that reads the events of requests which ask for a stream, as they come.

    A stream is good when it has at least one token, no error, and its end marker. One that ends or is lost before the
    marker is STREAM_CUT; one with an error in it, and what is no stream at all, WRONG_ANSWER. Events that come in one
    piece have the same instant.
    """

    __slots__ = ("_events", "_has_body", "_has_events", "_has_tokens", "_is_ended", "_is_wrong", "_speaker")

    def __init__(self, sender: Sender, replica: Replica, row: int, *, speaker: StreamProtocol) -> None:
        super().__init__(sender, replica, row)
        self._speaker = speaker
        self._begin_stream()

    def _begin_stream(self) -> None:
        self._events = EventParser()
        self._has_body = False
        self._has_events = False
        self._has_tokens = False
        self._is_ended = False
        self._is_wrong = False

    def _parse(self, data: bytes, now: float) -> None:
        if self.row < 0 or not self.replica.streams[self.request]:
            super()._parse(data, now)
            return
        parser = self._parser
        if not self._is_begun:
            self._is_begun = True
            self._first_byte = now
            parser.begin(self.replica.bodyless[self.request])
            self._begin_stream()
        try:
            is_whole = parser.feed(data)
        except WireError as error:
            self._fail(status_of(error))
            return
        if parser.status == 200 and parser.taken:
            self._has_body = True
            self._take_events(b"".join(parser.taken), now)
            parser.taken.clear()
        if is_whole:
            self._take(now)
        elif parser.status != 200:  # of a stream nothing is kept
            self._hold(len(data))

    def _take_events(self, body: bytes, now: float) -> None:
        columns = self.sender.columns
        try:
            for data in self._events.feed(body):
                self._has_events = True
                event = self._speaker.event(data)
                if event == "token":
                    self._has_tokens = True
                    columns.token_row.append(self.row)
                    columns.token_at.append(now)
                elif event == "end":
                    self._is_ended = True
        except (EventsError, ValueError):
            self._is_wrong = True

    def _answered(self, status: int, body: bytes, stays: bool, timing: bytes, now: float) -> bool:
        if status != 200 or not self.replica.streams[self.request]:
            return super()._answered(status, body, stays, timing, now)
        sender, row, first_byte, outcome = self.sender, self.row, self._first_byte, self._outcome()
        if stays:
            self.replica.keeps_alive = True
            sender.free(self, now)
        else:
            self.drop()
            sender.closed(self.replica)
        sender.first_byte[row] = first_byte
        sender.finished[row] = now
        sender.status[row] = outcome
        if timing:
            sender.columns.timing(row, timing)
        return False

    def _outcome(self) -> int:
        is_other = self._has_body and not self._has_events
        if self._is_wrong or is_other or (self._is_ended and not self._has_tokens):
            return Status.WRONG_ANSWER
        return 200 if self._is_ended else Status.STREAM_CUT

    def _fail(self, status: Status) -> None:
        lost = status == Status.CONNECTION_LOST and self._is_begun and self.row >= 0
        if lost and self.replica.streams[self.request] and self._parser.status == 200 and not self._is_ended:
            status = Status.WRONG_ANSWER if self._is_wrong else Status.STREAM_CUT
        super()._fail(status)
