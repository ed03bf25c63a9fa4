from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.errors import InputError, Where
from tuner.load.protocols import protocol
from tuner.load.requests import options, problems, protocol_of, requests
from tuner.workload.answers import same_answer
from tuner.workload.model import RequestSource, WorkloadSpec

OPTIONS = {"model": "iris"}
TENSOR = {"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}
BODIES = {
    "seldon": {"data": {"ndarray": [[1.0]]}},
    "v2": {"inputs": [TENSOR]},
    "tensorflow": {"instances": [[1.0]]},
    "http": {"anything": 1},
    "openai": {"model": "m", "messages": [{"role": "user", "content": "x"}]},
}
STREAM = (
    b'data: {"object": "chat.completion.chunk", "model": "m", "choices": [{"delta": {"role": "assistant"}}]}\n\n'
    b'data: {"object": "chat.completion.chunk", "model": "m", "choices": [{"delta": {"content": "a"}}]}\n\n'
    b'data: {"object": "chat.completion.chunk", "model": "m", "choices": [], "usage": {}}\n\n'
    b"data: [DONE]\n\n"
)
NAMES = tuple(BODIES)
"""The protocols whose messages are JSON; those of gRPC are tested elsewhere."""
ANSWERS: dict[str, list[object]] = {
    "seldon": [
        {"data": {"names": ["a"], "tensor": {"shape": [1], "values": [1]}}, "meta": {"puid": "p"}},
        {"strData": "x", "meta": {}},
        {"jsonData": None},
        {"status": {"status": "SUCCESS"}, "binData": "eA=="},
    ],
    "v2": [{"id": "7", "model_name": "iris", "outputs": [{**TENSOR, "parameters": {}}]}],
    "tensorflow": [{"predictions": [1.0]}, {"outputs": {"y": [1.0]}}],
    "http": [{"anything": 2}],
    "openai": [{"id": "7", "object": "x", "choices": [{"message": {}}]}, {"id": "7", "choices": [{"text": ""}]}],
}
WRONG: dict[str, list[bytes]] = {
    "seldon": [
        b"",
        b"null",
        b"[]",
        b'{"meta": {}}',
        b'{"data": {}}',
        b'{"data": [1]}',
        b'{"strData": "a", "jsonData": 1}',
        b'{"status": {"status": "FAILURE", "info": "x"}, "data": {"ndarray": []}}',
    ],
    "v2": [
        b"",
        b"{}",
        b'{"outputs": []}',
        b'{"outputs": [1]}',
        b'{"outputs": [{"name": "x"}]}',
        b'{"error": "no model", "outputs": []}',
    ],
    "tensorflow": [b"", b"{}", b'{"error": "x", "predictions": []}'],
    "openai": [
        b"",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [1]}',
        b'{"choices": [{"index": 0}]}',
        b'{"error": {"message": "no"}, "choices": []}',
        STREAM.replace(b"data: [DONE]\n\n", b""),
        STREAM.replace(b'"content"', b'"nothing"'),
        STREAM.replace(b'"usage"', b'"error": {"code": 1}, "usage"'),
        STREAM.replace(b'"choices"', b'"chances"'),
        b"data: {\n\n",
    ],
}


@pytest.mark.parametrize("name", NAMES)
def test_a_body_goes_out_as_it_is(name: str) -> None:
    body = json.dumps(BODIES[name]).encode()
    request = protocol(name, OPTIONS).encode(body)
    assert protocol(name).name == name
    assert request.body == body
    assert request.method == "POST"
    assert request.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("seldon", "/api/v1.0/predictions"),
        ("v2", "/v2/models/iris/infer"),
        ("tensorflow", "/v1/models/iris:predict"),
        ("http", "/"),
        ("openai", "/v1/chat/completions"),
    ],
)
def test_the_usual_path_and_another(name: str, path: str) -> None:
    body = json.dumps(BODIES[name]).encode()
    assert protocol(name, OPTIONS).encode(body).path == path
    assert protocol(name, {"path": "/other"}).encode(body).path == "/other"


@pytest.mark.parametrize(("name", "answer"), [(name, answer) for name in NAMES for answer in ANSWERS[name]])
def test_a_correct_answer(name: str, answer: object) -> None:
    body = json.dumps(answer).encode()
    assert protocol(name).check(200, body) is None
    assert "puid" not in str(protocol(name).answer(body))
    assert "id" not in str(protocol(name).answer(body)).split("'")
    json.dumps(protocol(name).answer(body))
    assert protocol(name).check(500, body) == "status 500"


@pytest.mark.parametrize(("name", "body"), [(name, body) for name, bodies in WRONG.items() for body in bodies])
def test_a_wrong_answer_is_told_in_words(name: str, body: bytes) -> None:
    problem = protocol(name).check(200, body)
    assert problem
    assert len(problem) < 600


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(body=st.binary(max_size=40) | st.recursive(st.none() | st.integers(), st.lists).map(json.dumps).map(str.encode))
def test_no_answer_is_beyond_a_check(name: str, body: bytes) -> None:
    problem = protocol(name).check(200, body)
    assert problem is None or isinstance(problem, str)
    if problem is None:
        protocol(name).answer(body)


def test_deep_nesting_is_a_wrong_answer_not_a_crash() -> None:
    assert protocol("seldon").check(200, b"[" * 100_000)
    assert protocol("http").answer(b"[" * 100_000) == "[" * 100_000


def test_plain_http_answers_are_always_fit_for_json() -> None:
    http = protocol("http")
    assert http.answer(b'{"a": 1}') == {"a": 1}
    assert http.answer(b"plain") == "plain"
    assert http.answer(b"\xff") == {"base64": "/w=="}
    assert http.check(204, b"") is None
    assert http.check(404, b"") == "status 404"


@pytest.mark.parametrize(
    ("name", "given_options", "body", "words"),
    [
        ("seldon", {}, b"x", "not JSON"),
        ("seldon", {}, b"[1]", "JSON array"),
        ("seldon", {}, b'"a"', "JSON string"),
        ("seldon", {}, b'{"inputs": []}', "exactly one of data"),
        ("v2", {}, b"{}", "model's name"),
        ("v2", OPTIONS, b'{"inputs": [{"name": "x"}]}', "lacks shape, datatype, data"),
        ("tensorflow", {}, b"{}", "model's name"),
        ("tensorflow", OPTIONS, b"{}", "either instances or inputs"),
        ("http", {"method": "CONNECT"}, b"", "CONNECT"),
        ("openai", {}, b"{}", "either messages or prompt"),
        ("openai", {}, b'{"prompt": "a", "messages": []}', "either messages or prompt"),
        ("openai", {}, b'{"prompt": "a", "stream": 1}', "true or false"),
    ],
)
def test_a_body_the_protocol_cannot_send(name: str, given_options: dict[str, str], body: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        protocol(name, given_options).encode(body)


def test_an_unknown_protocol() -> None:
    with pytest.raises(ValueError, match="use one of seldon, v2, tensorflow, http, openai"):
        protocol("telegram")


def workload(*paths: Path, **changes: object) -> WorkloadSpec:
    sources = tuple(RequestSource(path=path, weight=index + 1.0) for index, path in enumerate(paths))
    return WorkloadSpec(**{"protocol": "seldon", "requests": sources, **changes})  # type: ignore[arg-type]


def test_requests_are_read_with_their_weights_and_headers(tmp_path: Path) -> None:
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    a.write_text('{"strData": "a"}')
    b.write_text('{"strData": "b"}')
    first, second = requests(workload(a, b, headers={"X-Key": "v", "Accept": "*/*"}))
    assert (first.weight, second.weight) == (1.0, 2.0)
    assert first.body == b'{"strData": "a"}'
    assert first.headers == {"Content-Type": "application/json", "Accept": "*/*", "X-Key": "v"}
    assert problems(workload(a, b), Where(file="space.yaml")) == ()


def test_every_bad_request_file_is_a_problem(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    found = problems(workload(bad, tmp_path / "none.json"), Where(file="space.yaml", line=7))
    assert [str(problem.where) for problem in found] == [str(bad), "space.yaml:7"]
    assert "exactly one of data" in found[0].message
    assert "No such file" in found[1].message
    with pytest.raises(InputError):
        requests(workload(bad))


def test_a_header_that_breaks_the_framing_is_a_problem(tmp_path: Path) -> None:
    body = tmp_path / "a.json"
    body.write_text('{"strData": "a"}')
    (problem,) = problems(workload(body, headers={"A": "b\r\nC: d"}), Where(file="space.yaml"))
    assert "not a header line" in problem.message


def test_the_options_of_a_workload() -> None:
    spec = workload(protocol="v2", model="iris", method="GET")
    assert options(spec) == {"model": "iris", "method": "GET"}
    assert protocol_of(spec).name == "v2"


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ({"a": [1, 2.0]}, {"a": [1.0000001, 2]}, True),
        ({"a": 1}, {"a": 1.00001}, False),
        ({"a": 1}, {"b": 1}, False),
        ([1], [1, 1], False),
        (0.0, 1e-17, True),
        (1e-3, 2e-3, False),
        (float("nan"), float("nan"), True),
        (float("nan"), 1.0, False),
        (float("inf"), float("inf"), True),
        (True, 1, False),
        (False, 0.0, False),
        (True, True, True),
        ("1", 1, False),
        ("a", "a", True),
        (None, None, True),
        (None, 0, False),
        ([], {}, False),
        (10**400, 10**400, True),
        (10**400, 1.0, False),
    ],
)
def test_same_answers(a: object, b: object, same: bool) -> None:
    assert same_answer(a, b) is same
    assert same_answer(b, a) is same


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=20))
def test_an_answer_is_the_same_as_itself_and_as_its_json(value: object) -> None:
    assert same_answer(value, value)
    assert same_answer(value, json.loads(json.dumps(value)))
