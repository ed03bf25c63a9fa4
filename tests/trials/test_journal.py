"""The journal against real files: exact round trips, torn ends, damage, a full disk, two processes."""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import builders
from tests.builders import study_start
from tuner.errors import InputError, StoreFailure
from tuner.space.model import Configuration
from tuner.trials.codec import CodecError, decode, encode
from tuner.trials.journal import Journal, read
from tuner.trials.model import Event, Failed, Infeasible, Interrupted, Measured, Stopped, StudyStart, Trial

START = study_start()
CONFIGURATION = Configuration(values={"workers": 2, "cpu": "500m", "preload": True, "ratio": 0.1})


def trial(number: int = 0, reason: str = "it exited with status 1") -> Trial:
    outcome = Failed(stage="ready", kind="Crashed", reason=reason, logs="Traceback ✗\n")
    began = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
    return builders.trial(number, outcome, CONFIGURATION, started_at=began, duration_s=12.5, overhead_s=0.25)


def events(path: Path) -> list[tuple[str, Any]]:
    return [(event.kind, dict(event.data)) for event in read(path).events]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study" / "journal.jsonl"


# round trips

PLAIN = {
    bool: st.booleans(),
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(max_size=5),
    type(None): st.none(),
    datetime: st.datetimes(timezones=st.just(UTC)),
}


def any_of(wanted: Any) -> st.SearchStrategy[Any]:
    """Whatever a type allows: of a noun, every field."""
    if is_dataclass(wanted):
        return st.builds(wanted, **{name: any_of(hint) for name, hint in get_type_hints(wanted).items()})
    parts = get_args(wanted)
    kind = get_origin(wanted)
    if kind is Literal:
        return st.sampled_from(parts)
    if kind in (Union, UnionType):
        return st.one_of(*map(any_of, parts))
    if kind is Mapping:
        return st.dictionaries(*map(any_of, parts), max_size=2)
    if kind is tuple and Ellipsis in parts:
        return st.lists(any_of(parts[0]), max_size=2).map(tuple)
    if kind is tuple:
        return st.tuples(*map(any_of, parts))
    return PLAIN[wanted]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(any_of(Trial))
def test_a_trial_reads_back_as_it_was_written(one: Trial) -> None:
    written = json.dumps(encode(one), allow_nan=False)
    back = decode(Trial, json.loads(written))
    assert back == one
    assert json.dumps(encode(back)) == written, "types too: 1, 1.0 and true are equal, but not the same"


@pytest.mark.parametrize("recorded", sorted((Path(__file__).parent / "recorded").iterdir()), ids=lambda file: file.stem)
def test_a_recorded_journal_is_read_and_what_this_version_wrote_is_written_the_same(recorded: Path, path: Path) -> None:
    contents = read(recorded)
    kinds = [type(one.outcome) for one in contents.trials]
    assert kinds == [Measured, Measured, Stopped, Infeasible, Failed, Interrupted]
    with Journal.open(path) as journal:
        journal.begin(contents.start)
        for event in contents.events:
            journal.append(event.kind, event.data)
        for one in contents.trials:
            journal.finish(one)
    assert read(path) == contents
    if recorded.stem != "first_version":  # its lines lack the fields that came later
        assert path.read_bytes() == recorded.read_bytes()


def test_the_first_line_reads_back_as_it_was_written() -> None:
    assert decode(StudyStart, json.loads(json.dumps(encode(START)))) == START


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_refused_and_nothing_is_written(bad: float, path: Path) -> None:
    with Journal.open(path) as journal:
        journal.begin(START)
        before = path.read_bytes()
        with pytest.raises(CodecError, match=f"duration_s: {bad!r} is not a finite number"):
            journal.finish(replace(trial(), duration_s=bad))
        with pytest.raises(ValueError, match="JSON"):
            journal.append("rate", {"rate_rps": bad})
        assert path.read_bytes() == before
        journal.finish(trial())
    assert read(path).trials == (trial(),)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.pop("number"), "number"),
        (lambda data: data.update(extra=1), "a Trial has no extra"),
        (lambda data: data.update(number="1"), "number: '1' is not a int"),
        (lambda data: data.update(number=True), "number: True is not a whole number"),
        (lambda data: data["outcome"].update({"is": "Lost"}), "outcome: 'Lost' is none of Measured"),
        (lambda data: data.update(purpose="fun"), "purpose: 'fun' is none of 'baseline'"),
    ],
)
def test_what_is_no_trial_is_refused_by_name(change: Callable[[dict[str, Any]], None], words: str) -> None:
    data = encode(trial())
    change(data)
    with pytest.raises(CodecError, match=words):
        decode(Trial, data)


# the file


def test_what_was_written_is_read_while_it_is_open_and_after(path: Path) -> None:
    with Journal.open(path) as journal:
        assert journal.start is None
        journal.begin(START)
        journal.append("rate", {"rate_rps": 120.0})
        journal.finish(trial(0))
        journal.finish(trial(1))
        while_open = read(path)
        assert journal.contents() == while_open
    assert while_open == read(path)
    assert while_open.start == START
    assert while_open.trials == (trial(0), trial(1))
    assert while_open.events == (Event(kind="rate", data={"rate_rps": 120.0}),)
    with Journal.open(path) as journal:
        assert journal.contents() == while_open
        journal.append("ended", {"because": "all"})
    assert [kind for kind, _ in events(path)] == ["rate", "ended"]


def test_every_line_is_json_of_its_own(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.begin(START)
        journal.finish(trial(reason="two\nlines\r\u2028 and \x1c more"))
    lines = path.read_text().split("\n")
    assert lines.pop() == ""
    assert [(json.loads(line)["n"], json.loads(line)["kind"]) for line in lines] == [(0, "start"), (1, "trial")]
    assert read(path).trials[0].outcome == trial(reason="two\nlines\r\u2028 and \x1c more").outcome


def test_a_second_start_and_reserved_names_are_refused(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.begin(START)
        with pytest.raises(ValueError, match="holds the study 'iris' already"):
            journal.begin(START)
        with pytest.raises(ValueError, match="cannot be called 'trial'"):
            journal.append("trial", {})


def three_lines(path: Path) -> bytes:
    with Journal.open(path) as journal:
        journal.begin(START)
        journal.finish(trial(0))
        journal.finish(trial(1))
    return path.read_bytes()


def test_cut_anywhere_it_opens_with_every_whole_line_and_goes_on(tmp_path: Path) -> None:
    whole = three_lines(tmp_path / "whole.jsonl")
    ends = [index + 1 for index, byte in enumerate(whole) if byte == ord("\n")]
    for cut in [0, 1, 25, ends[0] - 1, *ends, ends[0] + 1, ends[0] + 200, ends[1] - 1, ends[2] - 2, ends[2] - 1]:
        path = tmp_path / f"cut{cut}.jsonl"
        path.write_bytes(whole[:cut])
        lines = sum(end <= cut for end in ends)
        if lines:
            assert len(read(path).trials) == lines - 1
        else:
            with pytest.raises(InputError, match="holds no study"):
                read(path)
        with Journal.open(path) as journal:
            assert len(journal.trials) == max(0, lines - 1)
            assert path.read_bytes() == whole[: ([0, *ends])[lines]]
            if journal.start is None:
                journal.begin(START)
            journal.append("note", {"cut": cut})
        assert events(path) == [("note", {"cut": cut})]
        torn = path.with_name(path.name + ".torn")
        rest = whole[([0, *ends])[lines] : cut]
        assert (torn.read_bytes() if torn.exists() else b"") == rest


@pytest.mark.parametrize("tail", [b"\0" * 500, b"\0" * 50 + b"\n", b'{"n":3,"kind":"tri', b"\xff\xfe"])
def test_garbage_at_the_end_is_cut_off(tail: bytes, path: Path) -> None:
    whole = three_lines(path)
    path.write_bytes(whole + tail)
    assert len(read(path).trials) == 2
    with Journal.open(path) as journal:
        assert len(journal.trials) == 2
    assert path.read_bytes() == whole


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(place: float, bit: int, tmp_path: Path) -> None:
    kept = tmp_path / "whole.jsonl"
    whole = kept.read_bytes() if kept.exists() else three_lines(kept)
    damaged = bytearray(whole)
    damaged[int(place * len(whole))] ^= 1 << bit
    path = tmp_path / "damaged.jsonl"
    path.write_bytes(damaged)
    line = whole[: int(place * len(whole))].count(b"\n") + 1
    with pytest.raises(StoreFailure, match=rf"damaged\.jsonl:{line}: "):
        read(path)


@pytest.mark.parametrize("tail", [b"\xff\xfe\n\n", b"a note of mine\n", b'{"n":3}\n{"n":4}'])
def test_more_than_a_torn_line_is_kept(tail: bytes, path: Path) -> None:
    whole = three_lines(path)
    path.write_bytes(whole + tail)
    for use in (read, Journal.open):
        with pytest.raises(StoreFailure, match=r"journal\.jsonl:4: the line is damaged"):
            use(path)
    assert path.read_bytes() == whole + tail


@pytest.mark.parametrize("lines", [1, 3])
def test_other_ends_of_lines_are_named(lines: int, path: Path) -> None:
    whole = b"".join(three_lines(path).splitlines(keepends=True)[:lines]).replace(b"\n", b"\r\n")
    path.write_bytes(whole)
    for use in (read, Journal.open):
        with pytest.raises(StoreFailure, match=r"journal\.jsonl:1: its lines end in CR LF.*sed -i"):
            use(path)
    assert path.read_bytes() == whole


def test_a_later_format_is_told_with_the_version_that_wrote_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tuner.trials import journal as module

    with monkeypatch.context() as later:
        later.setattr(module, "FORMAT", 7)
        with Journal.open(path) as journal:
            journal.begin(replace(START, tuner_version="9.1"))
    for use in (read, Journal.open):
        with pytest.raises(
            StoreFailure, match=r"jsonl:1: a journal of format 7, which tuner 9\.1 wrote; this is tuner "
        ):
            use(path)


def test_a_lost_line_is_noticed(path: Path) -> None:
    first, _, last = three_lines(path).splitlines(keepends=True)
    path.write_bytes(first + last)
    with pytest.raises(StoreFailure, match=r"journal\.jsonl:2: line 2 \(trial\) of a journal stands here"):
        read(path)


def test_another_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("do not lose me\n")
    with pytest.raises(StoreFailure, match=r"notes\.txt:1: this is not a journal"):
        Journal.open(path)
    assert path.read_text() == "do not lose me\n"


def test_a_line_of_another_version_is_named(path: Path) -> None:
    from tuner.trials import journal as module

    path.parent.mkdir()
    path.write_bytes(module._line(0, "start", {**encode(START), "mood": "fine"}))
    with pytest.raises(StoreFailure, match=r"journal\.jsonl:1: .*a StudyStart has no mood"):
        read(path)


def test_no_journal_is_the_users_mistake(path: Path) -> None:
    with pytest.raises(InputError, match=r"journal\.jsonl: there is no journal"):
        read(path)


# the lock


HOLD = "import sys, pathlib; from tuner.trials.journal import Journal; Journal.open(pathlib.Path(sys.argv[1])); print(1, flush=True); input()"


def test_only_one_process_has_it_open_and_the_other_is_told_which(path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"1\n"
            with pytest.raises(InputError, match=f"process {child.pid} is running this study"):
                Journal.open(path)
        finally:
            child.kill()
    Journal.open(path).close()


def test_closing_lets_the_next_one_in(path: Path) -> None:
    first = Journal.open(path)
    with pytest.raises(InputError, match=f"process {os.getpid()} "):
        Journal.open(path)
    first.close()
    first.close()
    Journal.open(path).close()


# a full disk


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: a write is cut short there, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 1, 40])
def test_a_full_disk_is_told_and_leaves_the_journal_whole(room: int, path: Path) -> None:
    with Journal.open(path) as journal:
        journal.begin(START)
        journal.finish(trial(0))
        before = path.read_bytes()
        with (
            room_for(len(before) + room),
            pytest.raises(StoreFailure, match=r"journal\.jsonl: \d+ bytes could not be written"),
        ):
            journal.finish(trial(1))
        assert path.read_bytes() == before
        assert journal.trials == (trial(0),)
        journal.finish(trial(1))
    assert read(path).trials == (trial(0), trial(1))


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFailure, match=r"file/journal\.jsonl: cannot be opened for writing"):
        Journal.open(tmp_path / "file" / "journal.jsonl")
