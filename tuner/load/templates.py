"""Request bodies with random parts, so that no cache answers for the model. Seeded, and nothing in them is evaluated.

    {{int 0 100}}          a whole number, both ends included
    {{float 0 1}}          a number of six significant digits; {{float 0 1 2}}: with two decimals
    {{uuid}}               a random UUID (version 4)
    {{choice a b "c d"}}   one of these words

Everything else in the file is sent as it is; ``{{choice {{}}`` writes two braces.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from uuid import UUID

from tuner.errors import Mistake
from tuner.printable import cut

BODIES = 8192
"""Most bodies that are drawn of one template for one load window."""
_MOST_BYTES = 1 << 25
_MOST_PARTS = 400_000
"""Drawing so many random parts takes some tenths of a second."""

_PLACEHOLDER = re.compile(rb"\{\{(.*?)\}\}", re.DOTALL)
_KINDS = "{{int LOW HIGH}}, {{float LOW HIGH}}, {{uuid}} or {{choice A B ...}}"

_Draw = Callable[[Random], bytes]


class TemplateError(Mistake):
    """A placeholder that is none, and in which line of the template."""

    def __init__(self, line: int, message: str, fix: str) -> None:
        self.line = line
        super().__init__(message, fix)


@dataclass(frozen=True, slots=True)
class Template:
    """Made by `parse_template`."""

    texts: tuple[bytes, ...]
    """What stands before, between and after the placeholders: one more than there are of those."""
    draws: tuple[_Draw, ...]

    @property
    def bodies(self) -> int:
        """How many are drawn for a window: at most 8192, and as few as fit into 32 MiB and some tenths of a second."""
        length = sum(len(text) for text in self.texts) + 16 * len(self.draws)
        fit = min(_MOST_BYTES // max(1, length), _MOST_PARTS // max(1, len(self.draws)))
        return max(2, min(BODIES, fit)) if self.draws else 1

    def render(self, random: Random) -> bytes:
        parts = [self.texts[0]]
        for draw, text in zip(self.draws, self.texts[1:], strict=True):
            parts.append(draw(random))
            parts.append(text)
        return b"".join(parts)


def parse_template(content: bytes) -> Template:
    """Raises TemplateError for a placeholder that is none."""
    texts: list[bytes] = []
    draws: list[_Draw] = []
    end = 0
    for match in _PLACEHOLDER.finditer(content):
        texts.append(content[end : match.start()])
        end = match.end()
        try:
            draws.append(_draw(match[1]))
        except Mistake as mistake:
            line = content.count(b"\n", 0, match.start()) + 1
            shown = cut(match[0].decode(errors="replace"), 80)
            raise TemplateError(line, f"{shown}: {mistake.message}", mistake.fix) from None
    return Template((*texts, content[end:]), tuple(draws))


def _draw(text: bytes) -> _Draw:
    try:
        kind, *words = shlex.split(text.decode())
    except ValueError as error:
        if text.strip():
            raise Mistake(str(error), f"close what is open, or write {_KINDS}") from None
        raise Mistake("it is empty", f"write {_KINDS}") from None
    match kind:
        case "int":
            return _int(words)
        case "float":
            return _float(words)
        case "uuid" if not words:
            return lambda random: str(UUID(int=random.getrandbits(128), version=4)).encode()
        case "choice" if words:
            choices = [word.encode() for word in words]
            return lambda random: random.choice(choices)
    raise Mistake("not a placeholder", f"write {_KINDS}")


def _int(words: list[str]) -> _Draw:
    try:
        low, high = (int(word) for word in words)
    except ValueError:
        raise Mistake("it needs two whole numbers", "write for example {{int 0 100}}") from None
    if low > high:
        raise Mistake(f"{low} is above {high}", "write the smaller one first")
    return lambda random: b"%d" % random.randint(low, high)


def _float(words: list[str]) -> _Draw:
    try:
        low, high = (float(word) for word in words[:2])
        (decimals,) = words[2:] or [""]
        form = f"%.{int(decimals)}f".encode() if decimals else b"%.6g"
    except ValueError:
        raise Mistake("it needs two numbers, and decimals if need be", "write for example {{float 0 1}}") from None
    if not (low <= high and abs(low) < 1e300 and abs(high) < 1e300 and 0 <= int(decimals or 0) <= 17):
        raise Mistake("the first number must not be above the second, and decimals are 0 to 17", "write {{float 0 1}}")
    return lambda random: form % random.uniform(low, high)
