from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.space.written import whole
from tests.space.written import written as written_space
from tuner.errors import InputError
from tuner.space.file.read import read
from tuner.workload.arrivals import described, with_arrivals
from tuner.workload.intensity import Intensity
from tuner.workload.model import RequestSource, WorkloadSpec
from tuner.workload.shapes import (
    EXAMPLES,
    Gaps,
    OnOff,
    Ramp,
    Rated,
    ShapeError,
    Spike,
    Steps,
    Trace,
    parse_arrival,
    parse_shape,
    spelled,
)
from tuner.workload.trace import read_trace

RAMP = Ramp(start=10.0, end=500.0, over_s=30.0)


def no_trace(file: str) -> Trace:
    raise AssertionError(f"{file} is no trace")


def shape(text: str) -> Rated | Trace:
    return parse_shape(text, no_trace)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ramp:10/s..500/s,over=30s", RAMP),
        (" ramp:600/m..0.5k/s , over=30s", RAMP),
        ("ramp:0.5x..2x,over=1m", Ramp(start=0.5, end=2.0, over_s=60.0, relative=True)),
        ("steps:50..100/s..200/s,each=10s", Steps(rates=(50.0, 100.0, 200.0), each_s=10.0)),
        ("spike:100/s..500/s,after=10s,for=500ms", Spike(base=100.0, peak=500.0, after_s=10.0, for_s=0.5)),
        ("on_off:200/s..0/s,off_for=3s,on_for=2s", OnOff(on=200.0, off=0.0, on_for_s=2.0, off_for_s=3.0)),
    ],
)
def test_the_compact_spelling(text: str, expected: Rated) -> None:
    assert shape(text) == expected
    assert shape(spelled(expected)) == expected


positive = st.floats(0.001, 1e6, allow_subnormal=False).map(lambda value: float(f"{value:.6g}"))


@given(st.lists(positive, min_size=2, max_size=5, unique=True), positive, st.booleans())
def test_what_is_spelled_reads_back(rates: list[float], time_s: float, relative: bool) -> None:
    time_s = float(f"{time_s:.3g}")
    for made in (
        Ramp(start=rates[0], end=rates[1], over_s=time_s, relative=relative),
        Steps(rates=tuple(rates), each_s=time_s, relative=relative),
        Spike(base=rates[0], peak=rates[1], after_s=time_s, for_s=time_s, relative=relative),
        OnOff(on=rates[0], off=rates[1], on_for_s=time_s, off_for_s=time_s, relative=relative),
    ):
        assert shape(spelled(made)) == made


@pytest.mark.parametrize("made", [shape(EXAMPLES[kind]) for kind in ("ramp", "steps", "spike", "on_off")])
def test_the_corners_of_a_shape_are_a_rate_over_its_whole_length(made: Rated) -> None:
    corners = made.corners(made.length_s)
    assert corners[0][0] == 0.0
    assert made.least_s <= made.length_s
    assert Intensity(corners).mean(made.length_s) > 0.0


def test_on_and_off_go_on_in_turns_as_long_as_the_window_lasts() -> None:
    rate = Intensity(OnOff(on=200.0, off=20.0, on_for_s=2.0, off_for_s=3.0).corners(21.0)).rate
    assert rate([0.0, 1.9, 2.0, 4.9, 5.0, 7.0, 20.5]).tolist() == [200, 200, 20, 20, 200, 20, 200]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rmp:1/s..2/s,over=3s", "no shape is called 'rmp'; did you mean 'ramp'?"),
        ("ramp", "'ramp' names no rates; write for example ramp:10/s..500/s,over=30s"),
        ("trace:", "'trace:' names no file"),
        ("ramp:1/s,over=3s", "ramp has 2 rates"),
        ("ramp:1/s..2/s", "ramp lacks 'over'"),
        ("ramp:1/s..2/s,ovr=3s", "ramp has no 'ovr=3s'; did you mean 'over'?"),
        ("ramp:1/s..2/s,over=3s,over=4s", "ramp has two 'over'"),
        ("ramp:1/s..2/s,over=3", "over of ramp: '3' has no unit"),
        ("ramp:1/s..2/s,over=0s", "'0s' is no time"),
        ("ramp:1/s..2x,over=3s", "mixes rates (100/s) and multiples"),
        ("ramp:-1/s..2/s,over=3s", "'-1/s' is not a rate"),
        ("ramp:nan..2/s,over=3s", "'nan' is not a rate"),
        ("ramp:5/s..5/s,over=3s", "does not change its rate: 5 and 5"),
        ("steps:0/s..0/s,each=1s", "does not change"),
    ],
)
def test_what_is_wrong_with_a_shape_is_said(text: str, said: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(said)):
        shape(text)


@given(st.text(max_size=40))
def test_any_text_is_a_shape_or_refused_in_words(text: str) -> None:
    for kind in ("", "ramp:", "steps:", "on_off:1/s.."):
        with suppress(ShapeError):  # any other exception is a bug
            parse_shape(kind + text, lambda file: Trace(path=Path(file), due_s=(0.0, 1.0)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("poisson", Gaps()),
        ("constant", Gaps(arrival="constant")),
        ("gamma:cv=2.5", Gaps(arrival="gamma", cv=2.5)),
        ("closed", Gaps(arrival="closed")),
        ("closed:think=200ms", Gaps(arrival="closed", think_s=0.2)),
    ],
)
def test_arrivals(text: str, expected: Gaps) -> None:
    assert parse_arrival(text) == expected


@pytest.mark.parametrize(
    "text", ["gama", "gamma", "gamma:cv=0", "gamma:cv=x", "gamma:k=2", "poisson:cv=2", "closed:x=1", ""]
)
def test_arrivals_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="; "):
        parse_arrival(text)


# Traces ---------------------------------------------------------------------------------------------------------------


def written(folder: Path, text: str, name: str = "t.csv") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_a_trace_in_csv(tmp_path: Path) -> None:
    file = written(tmp_path, "user, time ,payload\na,1700000000.5,b.json\nb,1700000000.75,1\nc,1700000001.5,a.json\n")
    found = read_trace(file, ["a.json", "b.json"])
    assert (found.due_s, found.payloads, found.length_s) == ((0.0, 0.25, 1.0), (1, 1, 0), 1.0)
    assert spelled(found) == "trace:t.csv"


def test_a_trace_in_json_lines(tmp_path: Path) -> None:
    lines = '{"time": "2025-01-31T12:00:00Z"}\n\n{"time": "2025-01-31T12:00:00.5+00:00", "user": 3}\n{"time": "2025-01-31T12:00:02"}\n'
    found = read_trace(written(tmp_path, lines, "t.jsonl"), ["a.json"])
    assert (found.due_s, found.payloads) == ((0.0, 0.5, 2.0), ())


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", "", "t.csv:1: the heading '' has no 'time'"),
        ("t.csv", "when\n1\n", "has no 'time'; begin with time,payload"),
        ("t.csv", "time\n1\n", "lasts no time"),
        ("t.csv", "time\n1\n1\n", "lasts no time"),
        ("t.csv", "time\n2\n1\n", "t.csv:3: time '1' is before"),
        ("t.csv", "time\n1\nsoon\n", "t.csv:3: time is 'soon', not an instant"),
        ("t.csv", "time\n1\nnan\n", "t.csv:3: time is 'nan'"),
        ("t.csv", "time,payload\n1,a.json\n2,\n", "1 of 2 requests have no payload"),
        ("t.csv", "time,payload\n1,a.json\n2,b.json\n", "t.csv:3: payload 'b.json' is none of"),
        ("t.jsonl", "[1, 2]\n", "t.jsonl:1: '[1, 2]' is no JSON object"),
        ("t.jsonl", '{"time": true}\n{"time": 2}\n', "t.jsonl:1: time is True"),
        ("t.txt", "1\n2\n", "a trace is no .txt"),
    ],
)
def test_what_is_wrong_with_a_trace_is_said_with_its_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        read_trace(written(tmp_path, text, name), ["a.json"])


def test_a_trace_wrong_in_every_line_is_not_reported_in_every_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        read_trace(written(tmp_path, "time\n" + "x\n" * 1000), [])
    assert len(refused.value.problems) == 10


def test_a_trace_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_trace(tmp_path / "t.csv", [])


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=50).map(sorted).filter(lambda times: times[-1] > times[0]))
def test_a_trace_is_exact_to_the_last_digit(tmp_path_factory: pytest.TempPathFactory, times: list[float]) -> None:
    file = written(tmp_path_factory.mktemp("trace"), "time\n" + "\n".join(map(repr, times)) + "\n")
    assert read_trace(file, []).due_s == tuple(time - times[0] for time in times)


# In a workload --------------------------------------------------------------------------------------------------------

WORKLOAD = WorkloadSpec(protocol="http", requests=(RequestSource(path=Path("a.json")),), rate_rps=100.0)


def said(workload: WorkloadSpec = WORKLOAD, **options: object) -> WorkloadSpec:
    given = {"arrival": None, "shape": None, "rate_rps": None, "duration_s": None, **options}
    return with_arrivals(workload, **given)  # type: ignore[arg-type]


def test_the_command_line_says_instead() -> None:
    assert said() == WORKLOAD
    bursts = said(arrival="gamma:cv=3")
    assert (bursts.arrival, bursts.cv, bursts.rate_rps) == ("gamma", 3.0, 100.0)
    assert said(rate_rps=5.0, duration_s=2.0).duration_s == 2.0
    ramped = said(shape="ramp:10/s..500/s,over=30s")
    assert (ramped.shape, ramped.duration_s, ramped.rate_rps) == (RAMP, 30.0, 255.0)
    multiples = said(shape="spike:1x..3x,after=10s,for=5s")
    assert (multiples.rate_rps, multiples.duration_s) == (100.0, 25.0)


def test_what_is_given_replaces_what_contradicts_it() -> None:
    ramped = said(shape="ramp:10/s..500/s,over=30s")
    assert said(ramped, rate_rps=50.0).shape is None
    assert said(ramped, arrival="constant").shape == RAMP
    users = said(ramped, arrival="closed:think=1s")
    assert (users.shape, users.think_s) == (None, 1.0)
    assert said(users, shape="ramp:10/s..500/s,over=30s").arrival == "poisson"
    assert said(ramped, shape="spike:1x..3x,after=10s,for=5s").rate_rps is None, "a ramp's mean is no common rate"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"arrival": "gama"}, "--arrival: 'gama' is no way to arrive; did you mean 'gamma'?"),
        ({"shape": "ramp"}, "--shape: 'ramp' names no rates"),
        ({"shape": "ramp:1/s..2/s,over=9s", "rate_rps": 5.0}, "--rate: the shape has rates of its own"),
        ({"shape": "ramp:1/s..2/s,over=9s", "duration_s": 5.0}, "--duration: the shape takes 9 s"),
        ({"shape": "ramp:1/s..2/s,over=9s", "arrival": "closed"}, "--shape: a closed loop has no shape"),
        ({"arrival": "closed", "rate_rps": 5.0}, "--rate: a closed loop has no rate"),
        ({"shape": "trace:nowhere.csv"}, "nowhere.csv: the trace cannot be read"),
    ],
)
def test_what_contradicts_itself_is_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=re.escape(text)):
        said(**options)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InputError) as refused:
        said(arrival="gama", shape="ramp")
    assert len(refused.value.problems) == 2


def space_file(folder: Path, keys: str) -> Path:
    return written_space(folder, f"{{protocol: seldon, request: [a.json, b.json], {keys}}}")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("arrival: gamma, cv: 2, rate: 100/s", "gamma:cv=2"),
        ("arrival: closed, think: 200ms", "closed:think=0.2s"),
        ("shape: {ramp: {from: 10/s, to: 500/s, over: 30s}}", "poisson ramp:10/s..500/s,over=30s"),
        ("shape: {steps: {rates: [50/s, 100/s], each: 10s}}", "poisson steps:50/s..100/s,each=10s"),
        ("shape: {spike: {from: 1x, to: 3x, after: 10s, for: 5s}}", "poisson spike:1x..3x,after=10s,for=5s"),
        (
            "arrival: constant, shape: {on_off: {on: 9, off: 1, on_for: 2s, off_for: 3s}}",
            "constant on_off:9/s..1/s,on_for=2s,off_for=3s",
        ),
        ("shape: 'ramp:10/s..500/s,over=30s'", "poisson ramp:10/s..500/s,over=30s"),
        ("shape: {trace: t.csv}", "trace:t.csv"),
    ],
)
def test_a_search_space_says_how_requests_arrive(tmp_path: Path, keys: str, expected: str) -> None:
    written(tmp_path, "time,payload\n0,a.json\n1,b.json\n2,b.json\n", "t.csv")
    assert described(whole(space_file(tmp_path, keys)).workload) == expected


def test_a_trace_that_is_not_there_in_the_compact_spelling(tmp_path: Path) -> None:
    _, problems = read(space_file(tmp_path, "shape: 'trace:nowhere.csv'"))
    assert [problem.message for problem in problems] == ["the trace cannot be read: No such file or directory"]


def test_a_shape_with_rates_of_its_own_sets_the_common_rate_and_the_duration(tmp_path: Path) -> None:
    space = whole(space_file(tmp_path, "shape: {ramp: {from: 10/s, to: 500/s, over: 30s}}"))
    assert (space.workload.rate_rps, space.workload.duration_s) == (255.0, 30.0)
