"""What a correct answer is beyond its protocol: statuses, JSON paths, JSON schemas, and what checking them costs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from array import array
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.load.sending import constant, load, one_window, run, statuses, workload_of
from tests.load.servers import Server, answer, chunked
from tuner.errors import InputError, Where
from tuner.load.model import Reference, Request, Target
from tuner.load.process.local import local_generator
from tuner.load.protocols import protocol
from tuner.load.protocols.checked import Checked
from tuner.load.protocols.held import Held
from tuner.load.recording.checks import AnswerChecks
from tuner.load.requests import options, problems, protocol_of, requests
from tuner.measure.samples import DRAWN, UNCHECKED, Status
from tuner.workload.answers import varying
from tuner.workload.model import CheckSpec, PathCheck, WorkloadSpec

REQUEST = Request(method="POST", path="/", headers={}, body=b"{}")


def conditions(*paths: tuple[str, object] | str, schema: object = None) -> str:
    written = [{"path": each} if isinstance(each, str) else {"path": each[0], "equals": each[1]} for each in paths]
    return json.dumps({"paths": written} | ({"schema": schema} if schema is not None else {}))


def to(url: str, **given: str) -> Target:
    return Target(urls=(url,), protocol="http", requests=(REQUEST,), options=given)


@pytest.mark.parametrize(
    ("checked", "body", "problem"),
    [
        (conditions("$.a"), b'{"a": null}', None),
        (conditions("$.a"), b'{"b": 1}', r"nothing at \$\.a"),
        (conditions(("$.a", 1)), b'{"a": 1.0000000001}', None),
        (conditions(("$.a", 1)), b'{"a": true}', "is true, not 1"),
        (conditions(("$.a", "x")), b'{"a": "y"}', 'is "y", not "x"'),
        (conditions(("$.a[*]", 1)), b'{"a": [1, 1, 2]}', "is 2, not 1"),
        (conditions(("$.a[*]", 1)), b'{"a": []}', "nothing at"),
        (conditions(("$.a", {"b": [None]})), b'{"a": {"b": [null]}}', None),
        (conditions(("$.a", None)), b'{"a": 0}', "is 0, not null"),
        (conditions("$.a", "$.b"), b'{"a": 1}', r"nothing at \$\.b"),
        (conditions("$.a"), b"<html>", "not JSON"),
        (conditions("$.a"), b"", "not JSON"),
        (conditions("$.a"), b"[" * 100_000, "not JSON"),
        (conditions(schema={"type": "object", "required": ["a"]}), b'{"a": 1}', None),
        (conditions(schema={"type": "object", "required": ["a"]}), b"{}", r"schema at \$: 'a' is a required property"),
        (conditions(schema={"$defs": {"n": {"type": "number"}}, "items": {"$ref": "#/$defs/n"}}), b"[1, 2]", None),
        (conditions(schema={"$defs": {"n": {"type": "number"}}, "items": {"$ref": "#/$defs/n"}}), b'["a"]', r"\$\[0\]"),
        (conditions(schema={"$ref": "http://127.0.0.1:1/none.json"}), b"{}", "refers to .*which is not in it"),
        (conditions(schema={"$schema": "http://json-schema.org/draft-07/schema#", "const": 1}), b"2", "schema at"),
        (conditions(schema=False), b"{}", "breaks the schema"),
        (conditions(schema={"properties": {"a": {"const": "x" * 5000}}}), b'{"a": 1}', "…"),
    ],
)
def test_what_an_answer_must_hold(checked: str, body: bytes, problem: str | None) -> None:
    found = protocol("http", {"check": checked}).check(200, body)
    if problem is None:
        assert found is None
    else:
        assert found is not None
        assert len(found) < 700
        with pytest.raises(AssertionError, match=problem):
            raise AssertionError(found)


def test_what_the_protocol_asks_is_asked_first() -> None:
    speaker = protocol("seldon", {"check": conditions(("$.strData", "x"))})
    assert speaker.name == "seldon"
    assert speaker.check(500, b"") == "status 500"
    assert "exactly one of" in str(speaker.check(200, b"{}"))
    assert "is" in str(speaker.check(200, b'{"strData": "y"}'))
    assert speaker.check(200, b'{"strData": "x", "meta": {}}') is None
    assert speaker.answer(b'{"strData": "x", "meta": {}}') == {"strData": "x"}
    assert speaker.encode(b'{"strData": "x"}').path == "/api/v1.0/predictions"


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (answer(b'{"a": 1}'), 200),
        (answer(b'{"a": 2}'), Status.WRONG_ANSWER),
        (answer(b"a"), Status.WRONG_ANSWER),
        (answer(b'{"a": 1}', "201 Created"), 200),
        (answer(b'{"a": 2}', "201 Created"), Status.WRONG_ANSWER),
        (answer(b'{"a": 1}', "500 Internal Server Error"), 500),
        (chunked(b'{"a": 1}'), 200),
        (chunked(b'{"a": 2}'), Status.WRONG_ANSWER),
    ],
)
def test_what_is_recorded(reply: bytes, status: int) -> None:
    samples = one_window(Server(reply), to, constant(), check=conditions(("$.a", 1)))
    assert set(statuses(samples)) == {status}


@pytest.mark.parametrize(
    ("expected", "reply", "status"),
    [
        ("404", answer(b"x", "404 Not Found"), 200),
        ("404", answer(b"x"), Status.WRONG_ANSWER),
        ("200,404", answer(b"x"), 200),
        ("202", answer(b"x", "201 Created"), 201),
        ("302", answer(b"", "302 Found"), 200),
        ("200", answer(b"", "503 Service Unavailable"), 503),
    ],
)
def test_expected_statuses(expected: str, reply: bytes, status: int) -> None:
    samples = one_window(Server(reply), to, constant(), status=expected)
    assert set(statuses(samples)) == {status}
    speaker = protocol("http", {"status": expected})
    code = int(reply.split(b" ")[1])
    assert (speaker.check(code, b"") is None) == (status == 200)


def test_equal_answers_are_checked_once_and_different_ones_each_time() -> None:
    speaker = protocol("http", {"check": conditions("$.a")})
    asked: list[bytes] = []

    class Counted:
        name = "counted"
        encode, answer = speaker.encode, speaker.answer

        def check(self, status: int, body: bytes) -> str | None:
            asked.append(body)
            return speaker.check(status, body)

    checks = AnswerChecks(Counted(), 2, origin=[0, 0])
    assert [checks.status(0, 200, b'{"a": 1}') for _ in range(100)] == [200] * 100
    assert len(asked) == 1
    assert [checks.status(1, 200, b'{"a": %d}' % number) for number in range(50)] == [200] * 50
    assert len(asked) == 51
    long = b'{"a": "%s"}' % (b"x" * 20_000)
    assert all(checks.status(1, 200, long + b" " * number) < 0 for number in range(64))
    assert len(asked) == 51  # long ones when the window is over
    checks.forget()
    assert checks.status(0, 200, b'{"a": 1}') == 200
    assert len(asked) == 52


def test_a_schema_is_imported_only_where_there_is_one() -> None:
    script = (
        "import sys; from tuner.load.protocols import protocol; protocol('http', {}); "
        "print('jsonschema' in sys.modules); protocol('http', {'check': '{\"schema\": {}}'}); "
        "print('jsonschema' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


# the workload


def workload(tmp_path: Path, check: CheckSpec, **changes: object) -> WorkloadSpec:
    return workload_of(tmp_path, b"{}", check=check, **changes)


def test_a_workload_with_checks(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"required": ["a"]}')
    check = CheckSpec(
        statuses=(200, 202), paths=(PathCheck(path="$.a", equals="1"), PathCheck(path="$.b")), schema=schema
    )
    spec = workload(tmp_path, check)
    assert problems(spec, Where(file="space.yaml")) == ()
    assert options(spec)["status"] == "200,202"
    speaker = protocol_of(spec)
    assert speaker.check(202, b'{"a": 1, "b": 2}') is None
    assert speaker.check(201, b'{"a": 1, "b": 2}') == "status 201"
    assert speaker.check(200, b'{"b": 2}')
    assert len(requests(spec)) == 1
    assert "check" not in options(workload(tmp_path, CheckSpec()))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no JSON schema"),
        ("[]", "object"),
        ('{"type": "text"}', "not a JSON schema"),
        ('{"pattern": "("}', "not a JSON schema"),
        ("{" * 100_000, "no JSON schema"),
    ],
)
def test_a_schema_that_is_none(tmp_path: Path, content: str, words: str) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(content)
    spec = workload(tmp_path, CheckSpec(schema=schema))
    (problem,) = problems(spec, Where(file="space.yaml"))
    assert str(problem.where) == str(schema)
    assert words in problem.message
    with pytest.raises(InputError):
        requests(spec)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PURGE", "QUERY"])
def test_any_method_and_header_goes_out(tmp_path: Path, method: str) -> None:
    spec = workload(tmp_path, CheckSpec(), method=method, headers={"X-A": "b"}, path="/p?q=1")
    with Server() as server:
        (samples,) = run(
            Target(urls=(server.url,), protocol="http", requests=requests(spec), options=options(spec)), constant()
        )
    assert set(statuses(samples)) == {200}
    assert server.requests[0].startswith(f"{method} /p?q=1 HTTP/1.1\r\n".encode())
    assert b"\r\nX-A: b\r\n" in server.requests[0]
    assert server.requests[0].endswith(b"\r\nContent-Length: 2\r\n\r\n{}")


def test_from_a_shell() -> None:
    with Server(answer(b'{"a": 1}', "202 Accepted")) as server:
        given = ("--url", server.url, "--rate", "50/s", "--duration", "200ms")
        good = load(*given, "--status", "202", "--holds", "$.a=1", "--holds", "$.a")
        bad, mistake = load(*given, "--holds", "$.a=2"), load(*given, "--holds", "a")
    told = json.loads(good.stdout)
    assert told["good"] == told["requests"] > 0
    told = json.loads(bad.stdout)
    assert told["errors"] == {"wrong answer": told["requests"]}
    assert mistake.returncode == 2
    assert "begins with $" in mistake.stderr


# schemas, which are slow

NUMBER = {"properties": {"a": {"type": "number"}}}


def sampled(requests: int = 1, origin: list[int] | None = None) -> AnswerChecks:
    speaker = protocol("http", {"check": conditions("$.a", schema=NUMBER)})
    assert isinstance(speaker, Checked)
    return AnswerChecks(speaker, requests, origin=origin or list(range(requests)), quick=speaker.check_paths)


def settled(checks: AnswerChecks, given: list[int]) -> list[int]:
    column = array("h", given)
    checks.settle(column)
    return column.tolist()


def test_a_sample_is_held_against_the_schema_when_the_window_is_over() -> None:
    checks = sampled()
    bodies = [b'{"a": %d}' % number for number in range(20)]
    bodies[7] = bodies[13] = b'{"a": "text"}'
    bodies[9] = b"{}"
    given = [checks.status(0, 200, body) for body in bodies]
    assert given[0] == 200  # the first one at once
    assert given[9] == Status.WRONG_ANSWER  # paths are always looked at
    assert all(status < 0 for number, status in enumerate(given) if number not in (0, 9))
    found = settled(checks, given)
    assert found == [Status.WRONG_ANSWER if number in (7, 9, 13) else 200 for number in range(20)]
    assert checks.status(0, 200, bodies[-1]) == 200  # known to be right from now on


def test_a_server_that_turns_wrong_and_stays_so_is_wrong_from_there_on() -> None:
    checks = sampled()
    given = [checks.status(0, 200, b'{"a": 1}') for _ in range(50)]
    given += [checks.status(0, 200, b'{"a": "x"}') for _ in range(50)]
    assert settled(checks, given) == [200] * 50 + [Status.WRONG_ANSWER] * 50
    given = [checks.status(0, 200, b'{"a": "x"}') for _ in range(5)]
    assert settled(checks, given) == [Status.WRONG_ANSWER] * 5


def test_a_server_that_is_wrong_from_the_start_is_seen_at_once() -> None:
    checks = sampled()
    assert [checks.status(0, 200, b'{"a": "x"}') for _ in range(5)] == [Status.WRONG_ANSWER] * 5
    assert checks.status(0, 200, b'{"a": 1}') == 200


@pytest.mark.parametrize(("answers", "size"), [(20_000, 1), (4_000, 100_000)])
def test_what_is_too_much_to_check_is_drawn_by_lot_and_the_rest_said_to_be_unchecked(answers: int, size: int) -> None:
    checks = sampled()
    wrong = range(0, answers, 2)  # as two replicas in turn make it: every n-th answer would be all of them, or none

    def body(number: int) -> bytes:
        return b'{"a": %s%s, "n": %d}' % (b" " * size, b'"x"' if number in wrong and number else b"1", number)

    column = array("h", [checks.status(0, 200, body(number)) for number in range(answers)])
    checking, words = checks.settle(column)
    assert checking is not None
    drawn, unchecked = (checking == DRAWN).sum(), (checking == UNCHECKED).sum()
    assert 200 < drawn <= 2000
    assert drawn + unchecked == answers - 1  # the first one was checked at once
    found = np.frombuffer(column, dtype=np.int16)
    assert set(found[checking == UNCHECKED]) == {200}
    assert (found[checking == DRAWN] == Status.WRONG_ANSWER).mean() == pytest.approx(0.5, abs=0.15)
    places = np.flatnonzero(checking == DRAWN)
    assert places.min() < answers * 0.1
    assert places.max() > answers * 0.9
    assert "$.a" in words


def test_all_that_differs_is_checked_where_it_can_be_kept() -> None:
    checks = AnswerChecks(protocol("http", {"check": conditions(("$.score", 0.5))}), 1)
    right = b'{"score": 0.5, "id": %d, "padding": "%s"}'
    wrong = b'{"junk": %d, "padding": "%s"}'
    given = [checks.status(0, 200, (right if n < 20 else wrong) % (n, b"x" * 30_000)) for n in range(220)]
    column = array("h", given)
    checking, words = checks.settle(column)
    assert checking is None
    assert column.tolist() == [200] * 20 + [Status.WRONG_ANSWER] * 200
    assert words == "there is nothing at $.score, which must be 0.5"


# held against the first answers


def held(*first: bytes, name: str = "http", ignore: tuple[str, ...] = (), **changes: object) -> AnswerChecks:
    speaker = protocol(name, {"path": "/"})
    answers = [speaker.answer(body) for body in first]
    reference = Reference(answers=(answers[0],), left_out=(varying(answers),), ignore=ignore)
    checks = AnswerChecks(speaker, 1)
    checks.hold(Held(speaker, reference, [replace(REQUEST, **changes)]))
    return checks


ONE, TWO = b'{"score": 0.5, "id": "a"}', b'{"score": 0.5, "id": "b"}'


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b'{"score": 0.5, "id": "c"}', 200, ""),
        (b'{"id": "c", "score": 0.5000001}', 200, ""),
        (b'{"score": 0.502, "id": "c"}', 200, ""),
        (b'{"score": 0.6, "id": "c"}', Status.UNLIKE, "$.score is 0.6, not 0.5"),
        (b'{"score": NaN, "id": "c"}', Status.NOT_A_NUMBER, "$.score is NaN, not 0.5"),
        (b'{"score": "Infinity", "id": "c"}', Status.NOT_A_NUMBER, '$.score is "Infinity", not 0.5'),
        (b'{"score": 0.5, "id": NaN}', Status.NOT_A_NUMBER, "$.id is NaN"),
        (b'{"score": null, "id": "c"}', Status.UNLIKE, "$.score is null, not 0.5"),
        (b'{"id": "c"}', Status.UNLIKE, "$.score is missing"),
        (b'{"score": 0.5, "id": "c", "error": "out of memory"}', Status.UNLIKE, "$.error is"),
        (b"<html>busy</html>", Status.UNLIKE, "$ is"),
        (b"[" * 10_000, Status.UNLIKE, "$ is"),
    ],
)
def test_an_answer_unlike_the_first_is_a_wrong_one(body: bytes, status: int, words: str) -> None:
    checks = held(ONE, TWO)
    assert [checks.status(0, 200, b'{"score": 0.5, "id": "%d"}' % number) for number in range(99)] == [200] * 99
    assert checks.status(0, 200, body) == status
    checking, told = checks.settle(array("h", [status]))
    assert checking is None
    assert words in told


def test_what_is_ignored_may_come_and_go() -> None:
    checks = held(ONE, ignore=("$..id", "$.debug"))
    assert checks.status(0, 200, b'{"score": 0.5}') == 200
    assert checks.status(0, 200, b'{"score": 0.5, "id": [1], "debug": {"id": 2}}') == 200
    assert checks.status(0, 200, b'{"score": 0.7, "debug": 1}') == Status.UNLIKE


def test_of_a_template_only_nan_is_told() -> None:
    checks = held(ONE, template=b"{{int 0 1}}")
    assert checks.status(0, 200, b'{"score": 0.9}') == 200
    assert checks.status(0, 200, b'{"score": NaN}') == Status.NOT_A_NUMBER


def test_messages_and_streams_are_not_looked_into() -> None:
    assert held(ONE, grpc=True).status(0, 200, b"\x00") == 200
    assert held(ONE, streams=True).status(0, 200, b"data: 1") == 200


@pytest.mark.parametrize("padding", [0, 30_000])
def test_an_answer_that_is_right_but_for_its_id_is_known_without_reading_it(padding: int) -> None:
    def body(number: int, score: bytes = b"0.5", extra: bytes = b"") -> bytes:
        meta = b'"meta": {"puid": "%d", "took": %d.5}' % (number, number)
        return b'{"data": {"ndarray": [%s, "%s"]}, %s%s}' % (score, b"x" * padding, meta, extra)

    checks = held(body(1), body(2), name="seldon")
    for _ in range(2):  # long ones are learnt from when a window is over
        column = array("h", [checks.status(0, 200, body(number)) for number in range(3, 30)])
        checks.settle(column)
        assert set(column) == {200}
    assert checks._skeletons[0]._pieces
    assert checks.status(0, 200, body(31)) == 200
    for wrong in (body(32, b"0.9"), body(33, b"NaN"), body(34, extra=b', "status": {"status": "FAILURE"}')):
        column = array("h", [checks.status(0, 200, wrong)])
        checks.settle(column)
        assert column[0] in (Status.UNLIKE, Status.NOT_A_NUMBER, Status.WRONG_ANSWER)


def test_clocks_and_texts_with_escapes_are_gaps_too() -> None:
    def body(number: int) -> bytes:
        choice = {"index": 0, "message": {"role": "assistant", "content": f'say "{number}"\n'}}
        created = int(time.time()) + number // 20
        return json.dumps({"id": str(number), "created": created, "model": "m", "choices": [choice]}).encode()

    checks = held(body(1), body(2), name="openai")
    assert {checks.status(0, 200, body(number)) for number in range(100)} == {200}
    skeleton = checks._skeletons[0]
    assert skeleton.recognizes(body(1000))
    assert not skeleton.recognizes(body(1000).replace(b'"m"', b'"another"'))
    assert checks.status(0, 200, body(1).replace(b'"choices": [', b'"choices": [{},')) == Status.WRONG_ANSWER


def test_nothing_that_is_checked_is_passed_over() -> None:
    speaker = protocol("http", {"check": conditions(("$.state", "done"))})
    bodies = [b'{"state": "done", "n": %d}' % number for number in range(100)]
    answers = [speaker.answer(body) for body in bodies[:3]] + [{"state": "busy", "n": 0}]
    checks = AnswerChecks(speaker, 1)
    checks.hold(Held(speaker, Reference(answers=(answers[0],), left_out=(varying(answers),)), [REQUEST]))
    assert {checks.status(0, 200, body) for body in bodies} == {200}
    assert checks._skeletons[0]._pieces
    assert checks.status(0, 200, b'{"state": "busy", "n": 7}') == Status.WRONG_ANSWER


def test_a_window_is_held_against_the_first_answers() -> None:
    def reply(number: int, _: bytes) -> bytes:
        return answer(json.dumps({"score": 0.5 if number < 50 else float("nan"), "id": number}).encode())

    with Server(reply) as server, local_generator(to(server.url)) as generator:
        generator.hold(Reference(answers=({"score": 0.5, "id": 1},), ignore=("$.id",)))
        samples = generator.run(constant(rate=400))
    assert statuses(samples) == {200: 50, Status.NOT_A_NUMBER: len(samples) - 50}
    assert samples.wrong == "$.score is NaN, not 0.5"
    assert samples.checking is None


def test_templates_and_a_schema_in_a_window() -> None:
    def reply(number: int, request: bytes) -> bytes:
        return answer(request.partition(b"\r\n\r\n")[2])

    template = b'{"a": {{choice 1 2 3 "\\"x\\""}}, "n": "{{uuid}}"}'
    drawn = Request(method="POST", path="/", headers={}, body=b"{}", template=template)
    with Server(reply) as server:
        target = replace(to(server.url, check=conditions("$.a", schema=NUMBER)), requests=(drawn,))
        (samples,) = run(target, constant(rate=800))
    wrong = sum(b'"a": "x"' in request for request in server.requests)
    assert 20 < wrong < 80
    assert statuses(samples) == {200: 200 - wrong, Status.WRONG_ANSWER: wrong}
