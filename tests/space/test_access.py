"""How servers are reached, what a correct answer is, and streams, as a search space says them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.space.written import whole, written
from tuner.errors import InputError, Where
from tuner.space.digest import input_digest
from tuner.space.file.read import read
from tuner.space.model import SearchSpace
from tuner.targets.inputs import read_inputs
from tuner.workload.model import Bearer, CheckSpec, PathCheck, TlsSpec


def access(folder: Path, line: str) -> Path:
    return written(folder, "protocol: http", "request: a.json", line)


def space(folder: Path, line: str) -> SearchSpace:
    return whole(access(folder, line))


def test_a_token_is_found_in_a_variable_or_in_a_file(tmp_path: Path) -> None:
    where = Where(file=str(tmp_path / "space.yaml"), line=7)
    by_env = space(tmp_path, "auth: {bearer: {env: TOKEN}}").workload.auth
    by_file = space(tmp_path, "auth: {bearer: {file: not/there/yet}}").workload.auth
    assert by_env == Bearer(env="TOKEN", where=where)
    assert by_file == Bearer(file=tmp_path / "not/there/yet", where=where)
    assert space(tmp_path, "seed: 1").workload.auth is None


@pytest.mark.parametrize(
    "auth",
    [
        "{bearer: s3cr3t}",
        "{bearer: {env: s3cr3t-with-dashes}}",
        "{bearer: {token: s3cr3t}}",
        "{bearer: [s3cr3t]}",
        "{bearer: {env: A, file: b}}",
        "{basic: {user: a}}",
    ],
)
def test_what_is_no_place_of_a_token_is_not_shown(tmp_path: Path, auth: str) -> None:
    _, problems = read(access(tmp_path, f"auth: {auth}"))
    assert problems
    assert {problem.where.line for problem in problems} == {7}
    assert "s3cr3t" not in str(problems)


def test_tls_of_the_system_or_of_a_given_authority(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-")
    assert space(tmp_path, "tls: true").workload.tls == TlsSpec()
    assert space(tmp_path, "tls: false").workload.tls is None
    assert space(tmp_path, "tls: {server_name: a.example}").workload.tls == TlsSpec(server_name="a.example")
    assert space(tmp_path, "tls: {ca: ca.pem}").workload.tls == TlsSpec(ca=tmp_path / "ca.pem")


@pytest.mark.parametrize("tls", ["yes", "[ca.pem]", "ca.pem"])
def test_tls_that_makes_no_sense(tmp_path: Path, tls: str) -> None:
    _, (problem,) = read(access(tmp_path, f"tls: {tls}"))
    assert "not true or a mapping" in problem.message


@pytest.mark.parametrize(
    ("check", "spec"),
    [
        ("{status: 202}", CheckSpec(statuses=(202,))),
        ("{status: [200, 404, 200]}", CheckSpec(statuses=(200, 404))),
        ("{json: {path: $.a}}", CheckSpec(paths=(PathCheck(path="$.a"),))),
        ("{json: [{path: $.a, equals: x}]}", CheckSpec(paths=(PathCheck(path="$.a", equals='"x"'),))),
        ("{json: [{path: $.a, equals: null}]}", CheckSpec(paths=(PathCheck(path="$.a", equals="null"),))),
        ("{json: [{path: $.a, equals: 1.5}]}", CheckSpec(paths=(PathCheck(path="$.a", equals="1.5"),))),
        (
            "{json: [{path: $.a, equals: {b: [true, 2]}}]}",
            CheckSpec(paths=(PathCheck(path="$.a", equals='{"b": [true, 2]}'),)),
        ),
    ],
)
def test_checks(tmp_path: Path, check: str, spec: CheckSpec) -> None:
    assert space(tmp_path, f"check: {check}").workload.check == spec


@pytest.mark.parametrize(
    ("check", "ignore"),
    [("{ignore: $.id}", ("$.id",)), ('{ignore: ["$..id", $.at, $.at]}', ("$..id", "$.at")), ("{ignore: []}", ())],
)
def test_what_may_differ_between_answers(tmp_path: Path, check: str, ignore: tuple[str, ...]) -> None:
    assert space(tmp_path, f"check: {check}").workload.check == CheckSpec(ignore=ignore)


def test_what_may_differ_is_a_path(tmp_path: Path) -> None:
    _, (problem,) = read(access(tmp_path, "check: {ignore: [id]}"))
    assert "'id' is not a JSONPath" in problem.message


def test_the_schema_is_part_of_what_was_asked(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text("{}")
    asked = space(tmp_path, "check: {schema: schema.json}")
    before = input_digest(asked)
    schema.write_text('{"type": "object"}')
    assert input_digest(asked) != before


def test_bounds_on_streams_need_a_stream(tmp_path: Path) -> None:
    def chat(body: str) -> Path:
        return written(tmp_path, "protocol: openai", "request: a.json", slo="ttft_p99: 1s", body=body)

    with pytest.raises(
        InputError, match=r"space.yaml: no request asks for a stream, of which ttft_p99 would be measured"
    ):
        read_inputs(chat('{"messages": []}'), "process")
    inputs = read_inputs(chat('{"messages": [], "stream": true}'), "process")
    assert inputs.traffic.requests[0].streams
