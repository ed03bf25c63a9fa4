"""Answers of a load held against the right ones: those that were given before the load began."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.load.model import Protocol, Reference, Request
from tuner.workload.answers import (
    UNDER_LOAD,
    Difference,
    LeftOut,
    difference,
    ignored,
    not_finite_at,
    tree,
)
from tuner.workload.json_path import Place, parse_path


class Held:
    """Says how an answer differs from the right one to the same request.

    Of a request drawn from a template, whose answers follow what was drawn, only NaN and infinities are told. Messages
    of gRPC are not looked into, for this runs where protobuf is not; nor are streams.
    """

    def __init__(self, speaker: Protocol, reference: Reference, requests: Sequence[Request]) -> None:
        """`requests`: those that the reference has the answers to."""
        self._speaker = speaker
        self._ignore = [parse_path(path) for path in reference.ignore]
        self._answers = reference.answers
        self._requests = requests
        self._left_out: list[LeftOut | None] = []
        for index, answer in enumerate(reference.answers):
            learned = reference.left_out[index] if reference.left_out else ()
            self._left_out.append(tree((*learned, *ignored(self._ignore, answer))))

    def __call__(self, request: int, body: bytes) -> Difference | None:
        """`request`: its index in `requests`. The body is one that `Protocol.check` found correct."""
        asked = self._requests[request]
        if asked.grpc or asked.streams:
            return None
        expected, left_out = self._answers[request], self._left_out[request]
        try:
            found = self._speaker.answer(body)
            if asked.template:
                return self._infinite(expected, found)
            different = difference(expected, found, left_out, UNDER_LOAD)
            if different is not None and self._ignore:
                places: list[Place] = [*ignored(self._ignore, expected, found)]
                different = difference(expected, found, _with(left_out, places), UNDER_LOAD)
        except RecursionError:
            return Difference(place=(), text="the answer is nested too deeply to be compared")
        return different

    def _infinite(self, expected: object, found: object) -> Difference | None:
        place = not_finite_at(found)
        if not place or not_finite_at(expected):
            return None
        return Difference(place=(), text=f"{place} is no finite number", not_finite=True)


def _with(left_out: LeftOut | None, places: Sequence[Place]) -> LeftOut | None:
    return tree((*_places(left_out), *places))


def _places(left_out: LeftOut | None) -> tuple[Place, ...]:
    if left_out is None:
        return ()
    if not left_out:
        return ((),)
    return tuple((key, *below) for key, rest in left_out.items() for below in _places(rest))
