"""A right answer in JSON less the parts that are new in each: what equals it in all the rest is right, too.

To compare bytes takes a hundredth of the time that it takes to read JSON and look through it.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, cast

from tuner.workload.answers import LeftOut, clocks, tree, varying
from tuner.workload.json_path import Place

_VALUE = re.compile(rb'"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*"|-?\d[\d.eE+-]*|true|false|null')
_BLANK = re.compile(r"[ \t\r\n]*")
_STAND_INS = ("?", -1, 0.5, None, True)
_EXAMPLES = 3
_MOST_GAPS = 64
_TRIALS = 64
"""So many bodies decide whether a skeleton is worth to be looked at: a quarter of them have to match."""


class Skeletons:
    """Learns, of each request, what is new in each answer, and recognizes answers that are right but for that.

    `is_right` judges a body; it is asked whether an answer stays right whatever stands in a part that is new in each,
    so that nothing is passed over which anybody looks at.
    """

    def __init__(self, is_right: Callable[[bytes], bool]) -> None:
        self._is_right = is_right
        self._examples: list[bytes] = []
        self._pieces: list[bytes] = []
        """Of a right body, before, between and after the gaps; empty: nothing is known."""
        self._tried = self._matched = 0
        self._is_given_up = False

    def recognizes(self, body: bytes) -> bool:
        """Whether it is right beyond doubt; False says nothing."""
        pieces = self._pieces
        if not pieces or not body.startswith(pieces[0]):
            return self._told(matches=False)
        at = len(pieces[0])
        for piece in pieces[1:]:
            value = _VALUE.match(body, at)
            if value is None or not body.startswith(piece, value.end()):
                return self._told(matches=False)
            at = value.end() + len(piece)
        return self._told(matches=at == len(body))

    def learn(self, body: bytes) -> None:
        """Of a body that is right and was not recognized."""
        if self._is_given_up or self._pieces:
            return
        self._examples.append(body)
        if len(self._examples) == _EXAMPLES:
            self._pieces = self._learned(self._examples)
            self._is_given_up = not self._pieces
            self._examples.clear()

    def _told(self, *, matches: bool) -> bool:
        if self._pieces:
            self._matched += matches
            self._tried += 1
            if self._tried == _TRIALS and self._matched * 4 < _TRIALS:
                self._pieces, self._is_given_up = [], True
        return matches

    def _learned(self, bodies: list[bytes]) -> list[bytes]:
        try:
            texts = [body.decode() for body in bodies]
            values = [json.loads(text) for text in texts]
            new = tuple(dict.fromkeys((*varying(values), *clocks(values[-1]))))
            if not 0 < len(new) <= _MOST_GAPS:
                return []
            gaps = [place for place in new if place and self._may_be_anything(values[-1], place)]
            spans = sorted(_spans(texts[-1], tree(gaps)))
        except (ValueError, RecursionError, KeyError, IndexError, TypeError):
            return []
        pieces, at = [], 0
        for start, end in spans:
            pieces.append(texts[-1][at:start].encode())
            at = end
        return [*pieces, texts[-1][at:].encode()] if spans else []

    def _may_be_anything(self, value: object, place: Place) -> bool:
        for stand_in in _STAND_INS:
            changed: Any = copy.deepcopy(value)
            node = changed
            for key in place[:-1]:
                node = node[key]
            node[place[-1]] = stand_in
            if not self._is_right(json.dumps(changed).encode()):
                return False
        return True


def _spans(text: str, left_out: LeftOut | None) -> Iterator[tuple[int, int]]:
    """Where in a JSON text the plain values stand that are left out."""
    decoder = json.JSONDecoder()

    def after(at: int) -> int:
        return cast("re.Match[str]", _BLANK.match(text, at)).end()

    def skip(at: int) -> int:
        return int(decoder.raw_decode(text, at)[1])

    def walk(at: int, places: LeftOut | None) -> Iterator[tuple[int, int]]:
        if places is None:
            return
        if not places:
            if text[at] not in "{[":
                yield at, skip(at)
            return
        is_object, at, index = text[at] == "{", after(at + 1), 0
        while text[at] not in "}]":
            key: str | int = index
            if is_object:
                key, at = scanstring(text, at + 1)
                at = after(after(at) + 1)
            yield from walk(at, places.get(key))
            at, index = after(skip(at)), index + 1
            if text[at] == ",":
                at = after(at + 1)

    return walk(after(0), left_out)
