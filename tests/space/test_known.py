"""Known configurations: what the file may say, how the manifest fills what is left open, every mistake's message."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import parameter, space_of
from tests.space.written import written
from tuner.errors import Mistake, Where
from tuner.space.domain import own
from tuner.space.file.read import read
from tuner.space.known import filled, known, problems
from tuner.space.model import Choices, Condition, Configuration, FloatRange, IntRange, Known, SearchSpace
from tuner.space.rules import parse_rule
from tuner.space.values import Value

HERE = Where(file="space.yaml", line=7)
WORKERS = parameter("workers", IntRange(low=1, high=4))
CPU = parameter("cpu", Choices(values=("500m", "1")))
BATCHING = parameter("batching", Choices(values=(True, False)))
BATCH = parameter("batch", IntRange(low=1, high=8), when=Condition(parameter="batching", values=(True,)))
SPACE = space_of((WORKERS, CPU, BATCHING, BATCH), rules=(parse_rule("not (workers == 4 and cpu == 500m)", HERE),))
TODAY = Configuration(values={"workers": 1, "cpu": "500m", "batching": False})


def test_the_file_says_them_in_any_spelling_of_a_value(tmp_path: Path) -> None:
    file = written(tmp_path, "protocol: http", "request: a.json")
    file.write_text(file.read_text() + "known: [{workers: 2}, {workers: 1}]\n")
    space, found = read(file)
    assert found == ()
    assert space is not None
    assert [dict(one.values) for one in space.known] == [{"workers": 2}, {"workers": 1}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("known: [{workers: 9}]", "12: known: '9' is not a value of workers; use a whole number from 1 to 2"),
        ("known: [{workers: .inf}]", "12: known: '.inf' is not a value of workers; use a whole number from 1 to 2"),
        ("known: [{workers: }]", "12: known: empty is not a value of workers; use a whole number from 1 to 2"),
        ("known: [{workers: [1]}]", "12: known: a list is not a value of workers; use a whole number from 1 to 2"),
        ("known: [{wokers: 1}]", "12: known: unknown parameter 'wokers'; did you mean 'workers'?"),
        ("known: [{}]", "12: a known configuration is an empty mapping, not values of parameters; write for example"),
        ("known: [3]", "12: a known configuration is '3', not values of parameters; write for example {workers: 4}"),
        ("known: 3", "12: known is '3', not a list; write each on a line of its own after '- ', for example"),
        (
            "known: [{workers: 2}]\nrules: [workers < 2]",
            "12: known: workers=2 breaks the rule workers < 2; correct it, or loosen the rule",
        ),
    ],
)
def test_mistakes_in_the_file_are_told_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path, "protocol: http", "request: a.json")
    lines = len(file.read_text().splitlines())
    file.write_text(f"{file.read_text()}{text}\n")
    _, found = read(file)
    assert len(found) == 1
    assert str(found[0]).startswith(f"{file}:{lines + 1}{message.removeprefix('12')}")


def test_what_is_left_open_is_as_in_the_manifest() -> None:
    space = with_known({"workers": 3}, {"batching": True, "batch": 4})
    first, second = known(space, TODAY)
    assert dict(first.values) == {"workers": 3, "cpu": "500m", "batching": False}
    assert dict(second.values) == {"workers": 1, "cpu": "500m", "batching": True, "batch": 4}
    assert list(problems(space, TODAY)) == []


def test_the_same_configuration_said_twice_is_one() -> None:
    assert len(known(with_known({"workers": 3}, {"workers": 3, "cpu": "500m"}), TODAY)) == 1


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"batch": 4}, "batch does not exist there: only where batching is True; leave batch out"),
        (
            {"batching": True},
            "batch is left open, and has no value in what it is filled from; add batch: a whole number",
        ),
        ({"workers": 4}, "cpu=500m, workers=4 breaks the rule not (workers == 4 and cpu == 500m); correct it"),
    ],
)
def test_mistakes_that_show_beside_the_manifest(said: dict[str, Value], message: str) -> None:
    with pytest.raises(Mistake) as raised:
        filled(SPACE, said, TODAY)
    assert str(raised.value).startswith(message)
    assert [str(one) for one in problems(with_known(said), TODAY)] == [f"space.yaml:7: known: {raised.value}"]


def test_a_value_of_the_manifest_that_is_not_offered_has_to_be_said() -> None:
    today = Configuration(values={"workers": 9, "cpu": "500m", "batching": False})
    with pytest.raises(
        Mistake, match="workers is left open, and 9 of the manifest is not offered; add workers: a whole"
    ):
        filled(SPACE, {"cpu": "1"}, today)
    assert filled(SPACE, {"cpu": "1", "workers": 2}, today).values["workers"] == 2


@pytest.mark.parametrize(
    ("domain", "value", "found"),
    [
        (Choices(values=("500m", "1")), "1000m", "1"),
        (Choices(values=("500m", "1")), 0.5, "500m"),
        (Choices(values=(True, False)), True, True),
        (Choices(values=(True, False)), "true", None),
        (IntRange(low=1, high=4), "3", 3),
        (IntRange(low=1, high=4), 2.0, 2),
        (IntRange(low=1, high=4), 2.5, None),
        (IntRange(low=1, high=4), True, None),
        (IntRange(low=1, high=4), 5, None),
        (FloatRange(low=0.0, high=1.0, step=0.1), "0.3", 0.3),
        (FloatRange(low=0.0, high=1.0), "x", None),
    ],
)
def test_a_domain_has_its_own_spelling_of_a_value(
    domain: Choices | IntRange | FloatRange, value: Value, found: Value | None
) -> None:
    assert own(domain, value) == found
    assert type(own(domain, value)) is type(found)


def with_known(*points: dict[str, Value]) -> SearchSpace:
    return space_of(
        SPACE.parameters, rules=SPACE.rules, known=tuple(Known(values=point, where=HERE) for point in points)
    )
