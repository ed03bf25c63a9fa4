"""Reading a file of values for the chart: what each is, with the line it stands on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import InputError, Mistake, Problem, Where
from tuner.files import read_input
from tuner.manifests.seldon_benchmark.chart import BY_KEY, DELIMITER, VALUES, Value
from tuner.nearest import nearest
from tuner.space.document import Mapping, Node, Scalar, parse

_HELMS_OWN = "global"
"""Every chart may be given values under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One of the chart's values."""

    key: str
    texts: tuple[str, ...]
    """As the chart's template sees it; several of a list. Empty: nothing is given, and the chart's default is nothing."""
    where: Where
    by_user: bool
    """False: the chart's default."""

    @property
    def text(self) -> str:
        """The only one, or the first."""
        return self.texts[0] if self.texts else ""

    @property
    def varies(self) -> bool:
        return len(self.texts) > 1

    def problem(self, message: str, fix: str) -> Problem:
        where = self.where if self.by_user else Where(file=self.where.file)
        return Problem(where=where, message=f"{self.key}: {message}", fix=fix)


@dataclass(frozen=True, slots=True)
class ChartValues:
    """All of them, by key."""

    given: dict[str, Given]

    def __getitem__(self, key: str) -> Given:
        return self.given[key]


def read(path: Path) -> tuple[ChartValues, list[Problem]]:
    """The values of a file over the chart's defaults, and what is wrong with the file. Raises InputError where nothing
    can be read of it.
    """
    try:
        text = read_input(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        fix = "name a file of values for Seldon's chart seldon-benchmark-workflow"
        raise InputError.at(path, f"cannot be read: {reason}", fix) from None
    root, found = parse(text, str(path))
    if root is None:
        raise InputError(found)
    if not isinstance(root, Mapping):
        raise InputError([Mistake(f"the file holds {root}, not a mapping", "begin with workflow:").at(root.where)])
    problems = list(found)
    scalars = dict(_scalars(root, "", problems))
    whole = Where(file=str(path))
    delimiter = _text(scalars[DELIMITER]) if DELIMITER in scalars else BY_KEY[DELIMITER].default
    if not delimiter:
        problems.append(
            Mistake(f"{DELIMITER}: empty, so that nothing is split", 'write "|"').at(scalars[DELIMITER].where)
        )
        delimiter = BY_KEY[DELIMITER].default
    given = {}
    for value in VALUES:
        node = scalars.get(value.key)
        texts = _split(value, value.default if node is None else _text(node), delimiter)
        by_user = node is not None
        one = Given(key=value.key, texts=texts, where=node.where if node else whole, by_user=by_user)
        if one.varies and not all(texts):
            what = f"an empty value among {len(texts)}"
            problems.append(one.problem(what, f"remove the {delimiter!r} that nothing stands beside"))
            one = Given(key=value.key, texts=tuple(filter(None, texts)), where=one.where, by_user=by_user)
        given[value.key] = one
    return ChartValues(given), problems


def _split(value: Value, text: str, delimiter: str) -> tuple[str, ...]:
    if not text:
        return ()
    if not value.column:
        return (text,)
    return tuple(part.strip() for part in text.split(delimiter))


def _scalars(node: Mapping, prefix: str, problems: list[Problem]) -> Iterator[tuple[str, Scalar]]:
    for name, below in node.items():
        key = f"{prefix}{name}"
        if key == _HELMS_OWN:
            continue
        if key in BY_KEY:
            if isinstance(below, Scalar):
                yield key, below
            elif not (isinstance(below, Mapping) and not below):
                problems.append(_no_text(key, below))
        elif any(known.startswith(f"{key}.") for known in BY_KEY):
            if isinstance(below, Mapping):
                yield from _scalars(below, f"{key}.", problems)
            elif not (isinstance(below, Scalar) and below.value is None):
                message = f"{key} is {below}, not a mapping"
                problems.append(Mistake(message, "write the values below it, or remove it").at(node.keys_at[name]))
        else:
            message = f"the chart has no value {key!r}, and leaves it out without a word"
            problems.append(Mistake(message, nearest(key, BY_KEY)).at(node.keys_at[name]))


def _no_text(key: str, node: Node) -> Problem:
    fix = 'write it as the chart has it: one value, or several in one text, such as "1|2"'
    return Mistake(f"{key} is {node}", fix).at(node.where)


def _text(scalar: Scalar) -> str:
    """As Helm prints it."""
    if scalar.value is None:
        return ""
    if isinstance(scalar.value, bool):
        return "true" if scalar.value else "false"
    return scalar.text
