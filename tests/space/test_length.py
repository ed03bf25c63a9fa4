from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.space.written import written
from tuner.errors import InputError
from tuner.space.file.read import read as read_space
from tuner.workload.arrivals import with_arrivals
from tuner.workload.length import Length, parse_length
from tuner.workload.model import WorkloadSpec


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder: Path, *keys: str) -> tuple[Length, list[str]]:
    written(folder, "protocol: http", "request: a.json", "seed: 0", *keys)
    space, problems = read_space(Path("space.yaml"))
    assert space is not None
    load = space.workload
    return Length(least_s=load.duration_s, most_s=load.most_s, within=load.within), [str(p) for p in problems]


def test_a_duration_is_fixed_or_open(folder: Path) -> None:
    assert read(folder, "duration: 5s") == (Length(least_s=5.0), [])
    assert read(folder, "duration: {least: 3s, most: 1m}") == (Length(least_s=3.0, most_s=60.0), [])
    open_length = Length(least_s=3.0, most_s=30.0, within=0.05)
    assert read(folder, "duration: {least: 3s, most: 30s, within: 5%}") == (open_length, [])


def test_what_is_missing_is_told_with_its_line(folder: Path) -> None:
    length, problems = read(folder, "duration:", "  least: 3s")
    assert length == Length(least_s=5.0), "the usual one, to check the rest by"
    assert problems == [
        "space.yaml:9: 'most' is missing; write duration: {least: 3s, most: 30s}, or a plain duration: 5s"
    ]


def test_the_command_lines_spelling() -> None:
    assert parse_length("500ms") == Length(least_s=0.5)
    assert parse_length("3s..30s") == Length(least_s=3.0, most_s=30.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("30s..3s", "ends before it begins; write the shorter first"),
        ("0s", "is no time to measure; write for example"),
        ("3s..", "is not a duration; write for example"),
        ("5", "has no unit; write for example"),
    ],
)
def test_what_is_no_length(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_length(text)


def test_a_duration_of_the_command_line_replaces_both_ends() -> None:
    open_length = WorkloadSpec(protocol="http", requests=(), duration_s=3.0, most_s=30.0, within=0.05)
    kept = with_arrivals(open_length, arrival=None, shape=None, rate_rps=None, duration_s=None)
    assert (kept.duration_s, kept.most_s, kept.within) == (3.0, 30.0, 0.05)
    fixed = with_arrivals(open_length, arrival=None, shape=None, rate_rps=None, duration_s=5.0)
    assert (fixed.duration_s, fixed.most_s) == (5.0, None)
    longer = with_arrivals(fixed, arrival=None, shape=None, rate_rps=None, duration_s=5.0, most_s=60.0)
    assert (longer.duration_s, longer.most_s) == (5.0, 60.0)


def test_a_shape_has_one_length() -> None:
    workload = replace(WorkloadSpec(protocol="http", requests=()), rate_rps=10.0)
    with pytest.raises(InputError, match="a shape has one length, not a least and a most"):
        with_arrivals(workload, arrival=None, shape="ramp:1x..2x,over=5s", rate_rps=None, duration_s=10.0, most_s=20.0)
