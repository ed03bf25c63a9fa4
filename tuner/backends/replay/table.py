"""A recorded table as the source of a replay: restarts are drawn from the rows of one configuration."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from statistics import median

from tuner.backends.replay.columns import Contents, read
from tuner.backends.replay.model import Key, Start, key
from tuner.errors import InputError
from tuner.files import read_input
from tuner.space.domain import extremes
from tuner.space.model import Configuration, FloatRange, IntRange, Parameter, SearchSpace
from tuner.space.size import size
from tuner.space.values import Value, operand, same

SAMPLE = "sample"
"""What a table says that holds but a sample of the space: then the nearest row that was not used yet is told."""
_TRUE = ("true", "yes", "nearest")
_FALSE = ("", "false", "no")
_LOOKED_AT = 5_000
"""Up to so many configurations of a space are counted to say how much of it a table has."""


class Table:
    """Implements `tuner.backends.replay.model.Source` for the rows of one file."""

    def __init__(self, contents: Contents, space: SearchSpace, *, seed: int, file: Path, digest: str = "") -> None:
        """Raises InputError where the table says of itself what it cannot."""
        said = contents.said.get(SAMPLE, "").lower()
        if said not in (*_TRUE, *_FALSE):
            raise InputError.at(file, f"sample: {said!r} is neither true nor false", "write `# sample: true`, or none")
        self._contents = contents
        self._space = space
        self._file = file
        self._digest = digest
        self._sample = said in _TRUE
        self._rows: dict[Key, list[Start]] = defaultdict(list)
        for start in contents.starts:
            self._rows[key(start.configuration)].append(start)
        self._seed = seed
        self._told: dict[Key, int] = defaultdict(int)
        self._stands_for: dict[Key, Key] = {}
        """By what was asked for, the rows that stand for it, where the table is a sample."""
        self._never = {name for name, rows in self._rows.items() if all(row.ending == "infeasible" for row in rows)}
        self._unused = dict.fromkeys(name for name in self._rows if name not in self._never)
        durations = [start.duration_s for start in contents.starts if start.duration_s is not None]
        self._usual_s = median(durations) if durations else 0.0

    @classmethod
    def open(cls, file: Path, space: SearchSpace, seed: int) -> Table:
        """Raises InputError with every problem of the file."""
        contents = read(file, space.parameters)
        return cls(contents, space, seed=seed, file=file, digest=sha256(read_input(file)).hexdigest()[:12])

    def infeasible(self, configuration: Configuration) -> str | None:
        """Of a sample without looking for the nearest row: thousands of candidates are asked for."""
        asked = key(configuration)
        if asked in self._never:
            return self._rows[asked][0].reason or f"{self._file.name} says so"
        if self._sample:
            left = asked in self._stands_for or self._unused
            return None if left else f"every row of {self._file.name} stands for another configuration already"
        if asked not in self._rows:
            values = " ".join(f"{name}={value}" for name, value in configuration.values.items())
            return f"{self._file.name} has no row of {values}"
        return None

    def start(self, configuration: Configuration) -> Start:
        asked = key(configuration)
        if self._sample:
            near = self._nearest(asked, configuration)
            if near is None:
                raise KeyError(f"no row is left for {dict(configuration.values)}")
            self._stands_for[asked] = near
            self._unused.pop(near, None)
        found = self._next(self._stands_for.get(asked, asked))
        if key(found.configuration) == asked:
            return found
        return replace(found, stands_for=configuration)

    def take_up(self, configurations: Sequence[Configuration]) -> None:
        for configuration in configurations:
            if self.infeasible(configuration) is None:
                self.start(configuration)

    def pass_time(self, seconds: float) -> None:
        """Rows have the machine of their own time."""

    @property
    def usual_s(self) -> float:
        return self._usual_s

    def describe(self) -> Mapping[str, str]:
        named = {f"table {name}": text for name, text in self._contents.said.items() if text}
        return {"table": f"{self._file.name}, {self._digest}", **named}

    def foreseen(self) -> tuple[str, ...]:
        rows, kinds = len(self._contents.starts), len(self._rows)
        found = [
            f"{self._file.name} has {rows:,} rows of {kinds:,} configurations; nothing is started, no load is sent"
        ]
        if self._sample:
            found.append("the table is a sample: the nearest row that was not used stands for what it does not hold")
        elif (missing := self._missing()) is not None and missing > 0:
            found.append(f"{missing:,} configurations of the space have no row: they count as what cannot run here")
        if self._contents.unknown:
            names = ", ".join(self._contents.unknown)
            found.append(f"columns that are neither a parameter nor a metric are passed over: {names}")
        return tuple(found)

    def _missing(self) -> int | None:
        """How many configurations of the space it has no row of; None: not counted."""
        from tuner.space.size import configurations

        counted = size(self._space)
        if counted is None or counted.count > _LOOKED_AT:
            return None
        return sum(key(configuration) not in self._rows for configuration in configurations(self._space))

    def _next(self, name: Key) -> Start:
        """Each row once, before the first is told again."""
        rows = [start for start in self._rows[name] if start.ending != "infeasible"]
        if len(rows) > 1:
            order = random.Random(f"{self._seed} {sorted(map(str, name))}")  # noqa: S311 -- repeatable, no secret
            order.shuffle(rows)
        told = self._told[name]
        self._told[name] += 1
        return rows[told % len(rows)]

    def _nearest(self, asked: Key, configuration: Configuration) -> Key | None:
        if asked in self._stands_for:
            return self._stands_for[asked]
        if asked in self._unused:
            return asked
        return min(
            self._unused,
            key=lambda name: self._distance(configuration, self._rows[name][0].configuration),
            default=None,
        )

    def _distance(self, one: Configuration, other: Configuration) -> float:
        return sum(
            _apart(parameter, one.values.get(parameter.name), other.values.get(parameter.name))
            for parameter in self._space.parameters
        )


def _apart(parameter: Parameter, one: Value | None, other: Value | None) -> float:
    """0 to about 1: numbers by their place in the domain (in the logarithm where it spans a decade), others 0 or 1."""
    if one is None or other is None:
        return float((one is None) != (other is None))
    if same(one, other):
        return 0.0
    ends = (one, other, *extremes(parameter.domain))
    numbers = [operand(value) for value in ends]
    if any(isinstance(number, bool | str) for number in numbers):
        return 1.0
    a, b, low, high = (float(number) for number in numbers if not isinstance(number, bool | str))
    domain = parameter.domain
    log = low > 0 and min(a, b) > 0 and (high >= 10 * low or (isinstance(domain, IntRange | FloatRange) and domain.log))
    if log:
        a, b, low, high = (math.log(number) for number in (a, b, low, high))
    return abs(a - b) / (high - low) if high > low else 1.0
