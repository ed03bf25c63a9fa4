"""The nouns and seams of load: what is sent, when, and what one window of it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, runtime_checkable
from typing import Protocol as TypingProtocol

from tuner.measure.samples import Samples
from tuner.workload.json_path import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request ready for the wire, less the Host header, which each replica adds."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    """Of a template: the first of its renderings."""
    weight: float = 1.0
    template: bytes = b""
    """A body with placeholders that are drawn at random (`templates`); empty: the body is always the same."""
    streams: bool = False
    """The answer is a stream of events (`events`), each of which is told with its time."""
    grpc: bool = False
    """A unary gRPC call over HTTP/2: `path` is ``/package.Service/Method``, `body` the message, `headers` the metadata.

    Its answer's status is 200 where the grpc-status is 0, else `tuner.measure.status.GRPC` and that code; the body is
    the message, or what the server says about its failure.
    """
    timeout_s: float = 0.0
    """gRPC: the deadline the server is told; 0: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The right answers that others are held against, in the order of the requests."""

    answers: tuple[object, ...]
    """As `Protocol.answer` gives them."""
    left_out: tuple[tuple[Place, ...], ...] = ()
    """By request, what is not compared, since right answers differ there."""
    ignore: tuple[str, ...] = ()
    """JSON paths of what is not compared in any answer."""


class Protocol(TypingProtocol):
    """How a model server is spoken to."""

    name: str

    def encode(self, body: bytes) -> Request:
        """The request for a body as the user's file holds it. Raises ValueError naming what the body lacks."""
        ...

    def check(self, status: int, body: bytes) -> str | None:
        """None when the answer is a correct one; otherwise what is wrong with it, in words."""
        ...

    def answer(self, body: bytes) -> object:
        """The part of a correct answer that must not differ between configurations (ids and timings left out)."""
        ...


class StreamProtocol(Protocol, TypingProtocol):
    """A protocol whose answers may be streams of events (`Request.streams`)."""

    def event(self, data: bytes) -> Literal["token", "other", "end"]:
        """What the data of one event is. Raises ValueError for one that makes the answer a wrong one."""
        ...


class Arrival(TypingProtocol):
    """When requests are due: pure arithmetic, seeded."""

    def next(self, elapsed_s: float) -> float:
        """The instant of the next request, in seconds since the start, given the instant of the one before."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadWindow:
    """One load window. Open loop: `arrival` at `rate_rps`; closed loop: `connections` requests always in flight."""

    arrival: Literal["constant", "poisson", "gamma", "trace", "closed"]
    """How the gaps between requests are drawn; ``trace``: not drawn, `due_s` says when."""
    rate_rps: float = 0.0
    """Of a `profile` or a trace: its mean."""
    duration_s: float
    connections: int
    """Open loop: the most connections; closed loop: just so many."""
    timeout_s: float = 5.0
    seed: int = 0
    profile: tuple[tuple[float, float], ...] = ()
    """Open loop whose rate changes: corners (seconds since the start, requests/s) of a piecewise linear rate, ascending
    in time, two at one instant where it jumps; empty: `rate_rps` throughout."""
    cv: float = 1.0
    """Coefficient of variation of the gaps of ``gamma``: 1 is Poisson, above it requests come in bursts."""
    think_s: float = 0.0
    """Closed loop: mean pause of a user between an answer and the next request, exponential; 0: none."""
    due_s: tuple[float, ...] = ()
    """Trace: when each request is due, in seconds since the start, ascending."""
    picks: tuple[int, ...] = ()
    """Trace: which of the target's requests each is; empty: drawn by weight."""
    share: tuple[int, int] = (0, 1)
    """(k, n): one of n engines that send this window together, counted from 0. It sends every n-th of the requests from
    the k-th on, over its part of the connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How the server of an ``https`` URL is known. Content, not paths: the generator may run on another machine."""

    authorities: str = ""
    """Certificates (PEM) of the authorities to trust; empty: those of the system where the generator runs."""
    server_name: str = ""
    """The name that is asked for (SNI) and that the certificate must bear; empty: the host of the URL."""


SYSTEM_TLS = Tls()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whom to send to and what. Connections are spread evenly over `urls` (one a replica)."""

    urls: tuple[str, ...]
    protocol: str
    requests: tuple[Request, ...]
    cpus: tuple[int, ...] = ()
    """CPUs the generator binds itself to; empty: where the scheduler puts it."""
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What the protocol was made with, beyond its name (for example the model's name)."""
    tls: Tls = SYSTEM_TLS
    """Of the urls that are ``https``."""
    token: str = field(default="", repr=False)
    """Bearer token, added to every request by the generator alone (RFC 6750); empty: none. It is shown nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered to one request."""

    status: int
    body: bytes
    location: str = ""
    """Where a redirect leads, as the server says; empty: it says nothing of it."""


class Unanswered(Exception):
    """No answer came to a request that was sent outside of a window; the text says why.

    `final`: asking again later would not help. `unreachable`: there was nobody to connect to. `lost`: the server broke
    the connection off.
    """

    def __init__(self, text: str, *, final: bool = False, unreachable: bool = False, lost: bool = False) -> None:
        self.final = final
        self.unreachable = unreachable
        self.lost = lost
        super().__init__(text)


class Exchange(TypingProtocol):
    """Sends one request outside of any window."""

    def __call__(self, url: str, request: Request, timeout_s: float) -> Answer:
        """`url` is a replica's, as in `Target.urls`. Raises Unanswered, or GeneratorFailure."""
        ...


class Generator(TypingProtocol):
    """Sends load windows to one target, one after the other, over connections that stay open between them."""

    def run(self, window: LoadWindow) -> Samples:
        """Send one window. Raises GeneratorFailure when the generator itself failed."""
        ...

    def ask(self, url: str, request: Request, timeout_s: float) -> Answer:
        """Send one request from where the load comes from. Raises Unanswered, or GeneratorFailure."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class HoldsAnswers(TypingProtocol):
    """A generator that can hold every answer against those that are known to be right."""

    def hold(self, reference: Reference) -> None:
        """From the next window on. Raises GeneratorFailure when the generator itself failed."""
        ...


class Pipe(TypingProtocol):
    """A running `python -m tuner.load --serve`, wherever it runs: lines go in, and lines come out."""

    def send(self, line: str) -> None:
        """Raises GeneratorFailure when it has ended, with its last words; ConnectionLost when the way to it broke."""
        ...

    def receive(self, patience_s: float) -> bytes:
        """Its next line, without the newline. Raises as `send` does, also when it is silent for too long."""
        ...

    def close(self) -> None:
        """End it. May be called again."""
        ...
