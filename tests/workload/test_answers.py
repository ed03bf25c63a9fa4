"""When two answers are the same, and what no two right answers have in common."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.workload.answers import UNDER_LOAD, clocks, difference, ignored, not_finite_at, tree, varying
from tuner.workload.json_path import parse_path, spelled

NAN = float("nan")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def token() -> str:
    return str(uuid.uuid4())


def seldon() -> Any:
    return {
        "data": {"names": ["a", "b"], "ndarray": [[0.1, 0.9]]},
        "meta": {"puid": token(), "requestPath": {"m": "i"}},
    }


def kserve() -> Any:
    outputs = [{"name": "predict", "shape": [1], "datatype": "INT64", "data": [2]}]
    return {"model_name": "iris", "model_version": None, "id": token(), "parameters": None, "outputs": outputs}


def mlserver() -> Any:
    outputs = [
        {"name": "p", "shape": [1, 2], "datatype": "FP64", "parameters": {"content_type": "np"}, "data": [0.1, 2]}
    ]
    return {"model_name": "iris", "id": token(), "parameters": {}, "outputs": outputs}


def tensorflow() -> Any:
    return {"predictions": [[0.1, 0.9], [0.3, 0.7]]}


def torchserve() -> Any:
    return {"tabby": 0.43, "tiger_cat": 0.3, "lynx": 0.1}


def vllm() -> Any:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}
    return {
        "id": f"chatcmpl-{token()}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": "m",
        "choices": [choice],
        "usage": {"prompt_tokens": 9, "total_tokens": 12},
    }


def tgi() -> Any:
    tokens = [{"id": 7, "text": "Pa", "logprob": -0.1}, {"id": 9, "text": "ris", "logprob": -0.2}]
    return {"generated_text": "Paris", "details": {"finish_reason": "length", "seed": None, "tokens": tokens}}


def triton() -> Any:
    outputs = [{"name": "OUTPUT0", "datatype": "FP32", "shape": [1, 2], "data": [1.5, 2.5]}]
    return {"id": token(), "model_name": "simple", "model_version": "1", "outputs": outputs}


def bentoml() -> Any:
    return [
        {"label": "POSITIVE", "score": 0.98, "trace": token()},
        {"label": "NEGATIVE", "score": 0.5, "trace": token()},
    ]


def fastapi() -> Any:
    return {"score": 0.5, "request_id": token(), "at": time.time(), "latency_ms": time.perf_counter() % 1}


SHAPES = [
    (seldon, ["$.meta.puid"]),
    (kserve, ["$.id"]),
    (mlserver, ["$.id"]),
    (tensorflow, []),
    (torchserve, []),
    (vllm, ["$.id"]),
    (tgi, []),
    (triton, ["$.id"]),
    (bentoml, ["$[0].trace", "$[1].trace"]),
    (fastapi, ["$.request_id", "$.at", "$.latency_ms"]),
]


@pytest.mark.parametrize(("server", "new"), SHAPES, ids=lambda each: getattr(each, "__name__", ""))
def test_what_is_new_in_each_answer_of_a_server_is_left_out_and_nothing_else(server: Any, new: list[str]) -> None:
    answers = [server() for _ in range(3)]
    places = varying(answers)
    names = [spelled(place) for place in places]
    assert [name for name in names if name != "$.created"] == new  # its seconds may turn meanwhile
    left_out = tree(places)
    assert difference(answers[0], server(), left_out) is None
    for place in _leaves(answers[0]):
        wrong = json.loads(json.dumps(server()))
        _put(wrong, place, "wrong")
        is_left_out = any(place[: len(each)] == each for each in places)
        found = difference(answers[0], wrong, left_out)
        assert (found is None) == (is_left_out or _at(answers[0], place) == "wrong"), place


def _leaves(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict) and value:
        return [leaf for key, below in value.items() for leaf in _leaves(below, (*at, key))]
    if isinstance(value, list) and value:
        return [leaf for index, below in enumerate(value) for leaf in _leaves(below, (*at, index))]
    return [at]


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


def _put(value: Any, place: tuple[Any, ...], what: object) -> None:
    _at(value, place[:-1])[place[-1]] = what


@pytest.mark.parametrize(
    ("answers", "places"),
    [
        ([{"a": 1}, {"a": 1}], []),
        ([{"a": 1}, {"a": 2}, {"a": 3}], ["$.a"]),
        ([{"a": 1}, {"a": 1, "cached": True}], ["$.cached"]),
        ([{"a": [1, 2]}, {"a": [1, 2, 3]}], ["$.a"]),  # its length
        ([{"a": [1, 2]}, {"a": [3, 4]}], ["$.a"]),
        ([{"a": [1, 2]}, {"a": [1, 4]}], ["$.a[1]"]),
        ([{"a": [{"id": 1, "s": 5}]}, {"a": [{"id": 2, "s": 5}]}], ["$.a[0].id"]),
        (["one", "two"], ["$"]),
        ([{"a": None}, {"a": "x"}], ["$.a"]),
        ([{"a": 0.5}, {"a": 0.5 + 1e-9}], []),
    ],
)
def test_what_differs_between_right_answers(answers: list[object], places: list[str]) -> None:
    assert [spelled(place) for place in varying(answers)] == places


@pytest.mark.parametrize(
    ("expected", "found", "words"),
    [
        ({"a": 1}, {"a": 1.0000000001}, None),
        ({"a": 1}, {"a": True}, "$.a is true, not 1"),
        ({"a": [1]}, {"a": [1, 2]}, "$.a has 2 items, not 1"),
        ({"a": {"b": 1}}, {"a": {}}, "$.a.b is missing"),
        ({}, {"b c": 1}, "$['b c'] is 1, and was not there before"),
        ({"a": 0.5}, {"a": NAN}, "$.a is NaN, not 0.5"),
        ({"a": 0.5}, {"a": "-Infinity"}, '$.a is "-Infinity", not 0.5'),
        ({"a": NAN}, {"a": NAN}, None),
        ({"day": "2020-01-01"}, {"day": "2020-01-02"}, '$.day is "2020-01-02"'),
        ({"a": "x" * 500}, {"a": "y" * 500}, "…"),
        ({"a": 10**400}, {"a": 1.5}, "$.a is 1.5"),
    ],
)
def test_a_difference_in_words(expected: object, found: object, words: str | None) -> None:
    different = difference(expected, found)
    assert (different is None) == (words is None)
    if different is not None and words is not None:
        assert words in different.text
        assert len(different.text) < 300
        assert different.not_finite == ("NaN" in words or "Infinity" in words)


def test_a_clock_that_goes_on_is_no_difference() -> None:
    now = time.time()
    for at in (lambda s: int(s), lambda s: s * 1e3, lambda s: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(s))):
        assert difference({"t": at(now - 3600)}, {"t": at(now)}) is None
        assert difference({"t": at(now)}, {"t": at(now - 400 * 86400)}) is not None


def test_clocks_are_found_where_they_stand() -> None:
    now = time.time()
    answer = {"created": int(now), "a": [{"day": time.strftime("%Y-%m-%d", time.gmtime(now)), "n": 7}], "ms": now * 1e3}
    assert [spelled(place) for place in clocks(answer)] == ["$.created", "$.a[0].day", "$.ms"]
    assert clocks({"score": 0.5, "year": 2020, "day": "2020-01-01", "text": "tomorrow", "big": 10**400}) == ()


def test_under_load_numbers_may_be_rounded_as_batches_do_it() -> None:
    assert difference([0.123], [0.1236], None, UNDER_LOAD) is None
    assert difference([0.123], [0.13], None, UNDER_LOAD) is not None
    assert difference([0.123], [0.1236]) is not None


def test_nan_is_told_even_where_nothing_is_compared() -> None:
    left_out = tree([("a",)])
    assert difference({"a": 1}, {"a": {"b": ["x"]}}, left_out) is None
    found = difference({"a": 1}, {"a": {"b": [NAN]}}, left_out)
    assert found is not None
    assert (found.not_finite, found.text) == (True, "$.a.b[0] is NaN")
    assert difference({"a": NAN}, {"a": {"b": [NAN]}}, left_out) is None
    assert (not_finite_at({"x": [1, float("inf")]}), not_finite_at([1])) == ("$.x[1]", "")


def test_paths_name_what_is_ignored_in_either_answer() -> None:
    paths = [parse_path("$..id"), parse_path("$.debug")]
    a, b = {"id": 1, "x": [{"id": 2}]}, {"x": [{"id": 3}], "debug": {}}
    assert difference(a, b) is not None
    assert difference(a, b, tree(ignored(paths, a, b))) is None


@given(JSON)
def test_an_answer_is_like_itself(value: object) -> None:
    assert difference(value, json.loads(json.dumps(value))) is None
    assert varying([value, value, value]) == ()


@given(JSON, JSON, JSON)
def test_what_varies_explains_every_difference_among_the_answers(a: object, b: object, c: object) -> None:
    left_out = tree(varying([a, b, c]))
    for x in (a, b, c):
        for y in (a, b, c):
            assert difference(x, y, left_out) is None


@given(JSON)
def test_a_place_is_spelled_so_that_the_path_finds_it(value: object) -> None:
    for place in parse_path("$..*").places(value):
        assert parse_path(spelled(place)).places(value) == [place]
