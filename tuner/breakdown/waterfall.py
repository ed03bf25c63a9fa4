"""The client's and the servers' parts of the latency side by side, and what neither accounts for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tuner.breakdown import components as client
from tuner.breakdown.components import Component, Quantile, server_timings
from tuner.breakdown.counters import Increase
from tuner.breakdown.known_metrics import OUTERMOST_FIRST, Part, ServerSide, recognize
from tuner.measure.samples import Samples
from tuner.units import format_seconds

Source = Literal["client", "server", "header", "difference"]
"""Who told: the load generator's own clock, a server's metrics, its ``Server-Timing``, or nobody: what remains."""

_MATCHES = 0.01
"""Counts of both sides that differ by less, relative to the client's, are of the same requests."""
_ROUNDING = 1e-9
"""Sums of the same numbers in another order differ by less."""
_TOTAL = "total"
_ANSWERING = ("wait", "receive")
"""The client's parts in which the servers' lie."""
_CLIENT_SPAN, _UNACCOUNTED = "the client from send to last byte", "network, and what no side accounts for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One bar. Rows follow each other in the order of happening; `depth` says within what they lie."""

    name: str
    depth: int
    source: Source
    mean_s: float | None
    """What it adds to a mean request. None: the two sides contradict each other here, as a note says."""
    share: float | None
    """Of the mean latency, 0 to 1."""
    begin_s: float | None
    """Where in a mean request it begins, as far as that is known; None: not known."""
    p50: Quantile | None = None
    """None: not known, as for differences and counters."""
    p99: Quantile | None = None
    count: float | None = None
    """Observations behind it; None for a difference."""
    told_by: str = ""
    """The metric's name, where a server told it."""
    adds_up: bool = True
    """False: it lies within or across its neighbours, such as the time to the first token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLength:
    """A queue's mean length when requests came to it."""

    server: str
    name: str
    mean: float
    told_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How many requests both sides counted in the window."""

    server: str
    told: float
    sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """Where the latency went. Plain values only: `dataclasses.asdict` makes JSON of it."""

    latency: Component | None
    """From the scheduled instant to the last byte; None: nothing was answered, and there are no rows."""
    rows: tuple[Row, ...]
    lengths: tuple[PartLength, ...] = ()
    matches: tuple[Match, ...] = ()
    notes: tuple[str, ...] = ()
    """Contradictions, restarts, and what could not be read."""


def waterfall(samples: Samples, increase: Increase | None = None, *, model: str | None = None) -> Waterfall:
    """Lay the parts of one window's requests side by side.

    `increase` is what servers counted between a scrape right before the window and one right after its last answer;
    None: nothing was scraped. `model` is the one that was asked for, where a server tells of several; None: the
    busiest. All answered requests of the window count, its beginning and failed ones among them, as servers count too.

    Servers nest: a proxy's time holds the time of the server behind it, and all of them lie within the client's wait
    and receive. What an outer span has beyond the sum of its parts is shown as a difference. Where that would be
    negative the two sides did not see the same, so there is no figure and a note instead.
    """
    latencies = client.latency(samples)
    if not len(latencies):
        return Waterfall(latency=None, rows=(), notes=increase.notes if increase is not None else ())
    whole = client.component("latency", latencies, float(latencies.mean()))
    drawing = _Drawing(whole.mean_s)
    parts = client.components(samples)
    drawing.client(parts)
    drawing.first_token(client.first_token(samples), parts)
    remote_s = sum(part.mean_s for part in parts if part.name in _ANSWERING)
    begin_s = sum(part.mean_s for part in parts if part.name not in _ANSWERING)
    sides = recognize(increase) if increase is not None else ()
    chain, others = _chain(sides, model)
    drawing.notes += increase.notes if increase is not None else ()
    headers = server_timings(samples)
    sent = int(np.isfinite(samples.sent_s).sum())
    if chain:
        drawing.chain(chain, begin_s, remote_s)
        drawing.match(chain, sent)
    elif not headers and increase is not None and increase.urls:
        drawing.notes.append(_nothing_known(increase))
    drawing.headers(headers, None if chain else (begin_s, remote_s))
    drawing.others(others)
    return Waterfall(
        latency=whole,
        rows=tuple(drawing.rows),
        lengths=tuple(drawing.lengths),
        matches=tuple(drawing.matches),
        notes=tuple(drawing.notes),
    )


class _Drawing:
    """Gathers the rows; all spans are of a mean request."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self.rows: list[Row] = []
        self.lengths: list[PartLength] = []
        self.matches: list[Match] = []
        self.notes: list[str] = []

    def client(self, parts: Sequence[Component]) -> None:
        begin_s = 0.0
        for part in parts:
            self.rows.append(_client_row(part, begin_s))
            begin_s += part.mean_s

    def first_token(self, first: Component | None, parts: Sequence[Component]) -> None:
        """Beside the client's parts: it lies in their wait and receive, and begins with the send."""
        if first is not None:
            sent_s = sum(part.mean_s for part in parts if part.name not in _ANSWERING)
            self.rows.append(_client_row(first, sent_s, depth=1, adds_up=False))

    def chain(self, chain: Sequence[ServerSide], begin_s: float, span_s: float) -> None:
        """From the client's span inwards: what is not accounted for, then the server, its parts, the server behind it.

        Where within its span a server begins is not known: it is drawn in the middle, as if both ways took the same.
        """
        outer, what, depth = _CLIENT_SPAN, _UNACCOUNTED, 1
        for place, side in enumerate(chain):
            total = side.part("total")
            told_s = sum(side.per_request(part) for part in side.parts if part.role in ("stage", "downstream"))
            own_s = side.per_request(total) if total is not None else told_s
            rest_s = self._rest(what, depth, span_s, own_s, outer, _title(side))
            begin_s += (rest_s or 0.0) / 2
            if total is not None:
                self._add(_title(side), depth, total, side, begin_s)
                depth += 1
            behind = self._within(side, depth, begin_s, own_s, is_last=place + 1 == len(chain))
            if behind is None:
                outer, what, span_s = side.server, f"{side.server} itself", own_s
            else:
                outer, what = f"{side.server}'s call to it", f"between {side.server} and the server behind it"
                begin_s, span_s = behind
                depth += 1

    def _within(
        self, side: ServerSide, depth: int, begin_s: float, own_s: float, *, is_last: bool
    ) -> tuple[float, float] | None:
        """Draw a server's parts; returns begin and span of its call to the server behind it, where it tells that."""
        at_s, behind = begin_s, None
        for part in sorted(side.parts, key=lambda part: part.role == "downstream"):
            if part.role not in ("stage", "downstream"):
                continue
            mean_s = side.per_request(part)
            if part.role == "downstream":
                if side.part("total") is not None:  # what the proxy itself does comes before and after the call
                    at_s += self._itself(side, depth, own_s - (at_s - begin_s), mean_s) / 2
                behind = (at_s, mean_s)
            self._add(_name(side, part), depth, part, side, at_s)
            at_s += mean_s
        if behind is None and at_s > begin_s and is_last and side.part("total") is not None:
            self._itself(side, depth, own_s, at_s - begin_s)
        self._beside(side, depth, begin_s)
        return behind

    def _itself(self, side: ServerSide, depth: int, own_s: float, parts_s: float) -> float:
        rest_s = self._rest(f"{side.server} itself", depth, own_s, parts_s, _title(side), "its parts")
        return rest_s or 0.0

    def _beside(self, side: ServerSide, depth: int, begin_s: float | None) -> None:
        for part in side.parts:
            if part.role in ("milestone", "timer"):
                begins = begin_s if part.role == "milestone" else None
                self._add(_name(side, part), depth, part, side, begins, adds_up=False)
            elif part.role == "length":
                self.lengths.append(PartLength(server=side.server, name=part.name, mean=part.mean, told_by=part.metric))

    def headers(self, told: Sequence[Component], span: tuple[float, float] | None) -> None:
        """`Server-Timing`; `span` is the client's from send to last byte, None where metrics tell of it already."""
        total = next((part for part in told if part.name.lower() == _TOTAL), None)
        begin_s = None
        if total is not None and span is not None:
            rest_s = self._rest(_UNACCOUNTED, 1, span[1], total.mean_s, _CLIENT_SPAN, "Server-Timing's total")
            begin_s = span[0] + (rest_s or 0.0) / 2
        for part in sorted(told, key=lambda part: part is not total):
            is_total = part is total
            row = _client_row(
                part,
                begin_s if is_total else None,
                depth=1 if is_total or total is None else 2,
                adds_up=is_total and span is not None,
            )
            name = f"Server-Timing: {part.name}"
            self.rows.append(replace(row, name=name, source="header", told_by="Server-Timing header"))

    def others(self, sides: Sequence[ServerSide]) -> None:
        """Servers and models that are not in the line of the one that was asked for."""
        for side in sides:
            total = side.part("total")
            if total is not None:
                self._add(_title(side), 1, total, side, None, adds_up=False)
            for part in side.parts:
                if part.role in ("stage", "downstream"):
                    self._add(_name(side, part), 1 + int(total is not None), part, side, None, adds_up=False)
            self._beside(side, 1 + int(total is not None), None)

    def match(self, chain: Sequence[ServerSide], sent: int) -> None:
        """Did the two sides count the same requests? Timers are the model's own affair, and count what it likes."""
        for side in chain:
            if all(part.role == "timer" for part in side.parts):
                continue
            self.matches.append(Match(server=_title(side), told=side.requests, sent=sent))
            gap = side.requests - sent
            if abs(gap) <= max(1.0, _MATCHES * sent):
                continue
            why = (
                "others ask it too, or it calls itself several times a request: its figures are of all of them"
                if gap > 0
                else "not every replica was read, requests failed before they came to it, or it began to count anew"
            )
            self.notes.append(f"{_title(side)} counted {side.requests:.0f} requests where {sent} were sent: {why}")

    def _add(
        self, name: str, depth: int, part: Part, side: ServerSide, begin_s: float | None, *, adds_up: bool = True
    ) -> None:
        mean_s = side.per_request(part) if adds_up else part.mean
        self.rows.append(
            Row(
                name=name,
                depth=depth,
                source="server",
                mean_s=mean_s,
                share=self._share(mean_s),
                begin_s=begin_s,
                p50=part.p50,
                p99=part.p99,
                count=part.count,
                told_by=part.metric,
                adds_up=adds_up,
            )
        )

    def _rest(self, name: str, depth: int, span_s: float, parts_s: float, outer: str, inner: str) -> float | None:
        """What a span has beyond its parts; None, and a note, where the parts are more than it."""
        rest: float | None = max(0.0, span_s - parts_s)
        if parts_s > span_s * (1.0 + _ROUNDING):
            self.notes.append(
                f"inconsistent: {inner} took {format_seconds(parts_s)} of a mean request, more than the "
                f"{format_seconds(span_s)} of {outer}, which holds it: they did not see the same requests, overlap, or "
                "one of the clocks is coarse"
            )
            rest = None
        self.rows.append(
            Row(name=name, depth=depth, source="difference", mean_s=rest, share=self._share(rest), begin_s=None)
        )
        return rest

    def _share(self, mean_s: float | None) -> float | None:
        return mean_s / self._latency_s if mean_s is not None and self._latency_s > 0.0 else None


def _client_row(part: Component, begin_s: float | None, *, depth: int = 0, adds_up: bool = True) -> Row:
    return Row(
        name=part.name,
        depth=depth,
        source="client",
        mean_s=part.mean_s,
        share=part.share,
        begin_s=begin_s,
        p50=part.p50,
        p99=part.p99,
        count=part.count,
        adds_up=adds_up,
    )


def _chain(sides: Sequence[ServerSide], model: str | None) -> tuple[list[ServerSide], list[ServerSide]]:
    """The proxies in their order and the one model server behind them; and all others."""
    proxies = [side for side in sides if side.server in OUTERMOST_FIRST]
    servers = [side for side in sides if side.server not in OUTERMOST_FIRST]
    asked = [side for side in servers if model is not None and side.model == model] or servers
    ranked = sorted(asked, key=lambda side: (side.part("total") is None, side.part("stage") is None))
    chain = proxies + [side for side in ranked[:1] if not _only_timers(side)]
    return chain, [side for side in servers if side not in chain]


def _only_timers(side: ServerSide) -> bool:
    return all(part.role in ("timer", "milestone", "length") for part in side.parts)


def _title(side: ServerSide) -> str:
    """A proxy's calls may name their model, and it is of none."""
    return f"{side.server} ({side.model})" if side.model and side.server not in OUTERMOST_FIRST else side.server


def _name(side: ServerSide, part: Part) -> str:
    """Beneath its server's own row a part need not name it."""
    return part.name if side.part("total") is not None else f"{side.server}: {part.name}"


def _nothing_known(increase: Increase) -> str:
    moved = sorted({name for name, _ in (*increase.distributions, *increase.counters)})
    where = ", ".join(increase.urls)
    if not moved:
        return (
            f"{where}: tells no times of requests (seldon's microservice tells only what the model's own metrics() do)"
        )
    shown = ", ".join(moved[:5]) + (", ..." if len(moved) > 5 else "")
    return f"{where}: none of its metrics is of a server known here (docs/components.md); it counted {shown}"
