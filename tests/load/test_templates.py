"""Bodies with random parts: what is drawn, that it is drawn anew, and that a server's cache is not hit."""

from __future__ import annotations

import json
import re
from collections import Counter, OrderedDict
from dataclasses import replace
from pathlib import Path
from random import Random
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.sending import closed, constant, run, statuses
from tests.load.servers import Server, answer
from tuner.errors import Where
from tuner.load.engine.variants import Variants
from tuner.load.model import Request, Target
from tuner.load.process.local import LocalGenerator
from tuner.load.requests import options, problems, requests
from tuner.load.templates import BODIES, TemplateError, parse_template
from tuner.space.file.read import read
from tuner.workload.model import RequestSource, WorkloadSpec

TEMPLATE = (
    b'{"id": "{{uuid}}", "n": {{int -5 5}}, "x": [{{float 0 1}}, {{float -1e3 1e3 2}}], "c": "{{choice a b "c d"}}"}'
)


def request(template: bytes = TEMPLATE, weight: float = 1.0) -> Request:
    return Request(method="POST", path="/", headers={}, body=b"{}", template=template, weight=weight)


def to(url: str, *sent: Request) -> Target:
    return Target(urls=(url,), protocol="http", requests=sent)


def body_of(sent: bytes) -> bytes:
    head, _, body = sent.partition(b"\r\n\r\n")
    assert int(re.findall(rb"Content-Length: (\d+)", head)[0]) == len(body)
    return body


# what is drawn


@given(st.integers())
def test_what_is_drawn_of_each_placeholder(seed: int) -> None:
    drawn = json.loads(parse_template(TEMPLATE).render(Random(seed)))
    assert UUID(drawn["id"]).version == 4
    assert -5 <= drawn["n"] <= 5
    assert 0 <= drawn["x"][0] <= 1
    assert -1000 <= drawn["x"][1] <= 1000
    assert round(drawn["x"][1], 2) == drawn["x"][1]
    assert drawn["c"] in ("a", "b", "c d")


def test_every_value_is_drawn_and_equal_seeds_draw_equal_bodies() -> None:
    template = parse_template(b"{{int 1 3}}{{choice x y}}")
    drawn = Counter(template.render(Random(seed)) for seed in range(600))
    assert set(drawn) == {b"1x", b"1y", b"2x", b"2y", b"3x", b"3y"}
    assert min(drawn.values()) > 50
    assert template.render(Random(7)) == template.render(Random(7))


@pytest.mark.parametrize(
    ("content", "drawn"),
    [
        (b"", b""),
        (b"plain { } }} {", b"plain { } }} {"),
        (b"{{choice {{}}", b"{{"),
        (b"{{  int   7 7 }}", b"7"),
        (b"{{float 2 2}}|{{float 2 2 3}}", b"2|2.000"),
        (b"{{choice \xc3\xa9}}", "é".encode()),
        (b"{{choice\n a}}", b"a"),
        (b"\xff{{int 1 1}}\x00", b"\xff1\x00"),
    ],
)
def test_all_else_is_sent_as_it_is(content: bytes, drawn: bytes) -> None:
    assert parse_template(content).render(Random(0)) == drawn


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"{{}}", 1, "empty"),
        (b"a\nb {{name}}", 2, "not a placeholder; write {{int LOW HIGH}}"),
        (b"{{int 1}}", 1, "two whole numbers"),
        (b"{{int 1 2 3}}", 1, "two whole numbers"),
        (b"{{int 0.5 2}}", 1, "two whole numbers"),
        (b"{{int 5 1}}", 1, "5 is above 1"),
        (b"{{float 1}}", 1, "two numbers"),
        (b"{{float a 1}}", 1, "two numbers"),
        (b"{{float 1 0}}", 1, "above"),
        (b"{{float 0 inf}}", 1, "above"),
        (b"{{float nan 1}}", 1, "above"),
        (b"{{float 0 1 99}}", 1, "above"),
        (b"{{uuid 4}}", 1, "not a placeholder"),
        (b"{{choice}}", 1, "not a placeholder"),
        (b"{{choice 'a}}", 1, "close what is open"),
        (b"{{__import__('os').system('x')}}", 1, "not a placeholder"),
        (b"\n\n{{\xff}}", 3, "codec"),
    ],
)
def test_a_placeholder_that_is_none(content: bytes, line: int, words: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(words)) as refused:
        parse_template(content)
    assert refused.value.line == line


@given(st.binary(max_size=40))
def test_no_text_raises_anything_else(inner: bytes) -> None:
    try:
        parse_template(b"{{" + inner + b"}}").render(Random(0))
    except TemplateError:
        return


def test_as_many_bodies_as_are_cheap() -> None:
    assert parse_template(b"{{uuid}}").bodies == BODIES
    assert parse_template(b"x" * (1 << 20) + b"{{uuid}}").bodies == 31
    assert 100 < parse_template(b"{{float 0 1}}," * 1000).bodies < 1000
    assert parse_template(b"nothing").bodies == 1


# what is sent


def test_variants_of_one_request_follow_in_turn() -> None:
    plain = Request(method="GET", path="/", headers={}, body=b"")
    variants = Variants([request(b"{{uuid}}"), plain])
    drawn = variants.draw(3)
    assert variants.differ
    assert len(drawn) == len(variants.origin) == BODIES + 1
    assert len({each.body for each in drawn}) == BODIES + 1
    assert drawn[-1] is plain
    assert [each.body for each in variants.draw(3)] == [each.body for each in drawn]
    assert variants.draw(4)[0].body != drawn[0].body
    assert variants.draw(3, 1)[0].body != drawn[0].body
    assert list(variants.spread([0, 1, 0, 0, 1])) == [0, BODIES, 1, 2, BODIES]
    assert list(variants.spread([0])) == list(range(BODIES))
    assert list(variants.spread([1])) == [BODIES]


def test_without_templates_all_stays_as_it_was() -> None:
    plain = [Request(method="GET", path=f"/{n}", headers={}, body=b"") for n in range(3)]
    variants = Variants(plain)
    picks = (2, 0, 1)
    assert not variants.differ
    assert variants.draw(1) == plain
    assert variants.spread(picks) is picks


def test_no_body_is_sent_twice_and_each_window_has_its_own() -> None:
    stages = [constant(rate=400), replace(constant(rate=400), seed=2), replace(closed(duration=0.1), seed=3)]
    with Server(lambda number, sent: answer(body_of(sent))) as server:
        windows = run(to(server.url, request()), *stages)
    bodies = [json.loads(body_of(sent)) for sent in server.requests]
    assert all(set(statuses(window)) == {200} for window in windows)
    assert len(bodies) == sum(len(window) for window in windows)
    assert len({body["id"] for body in bodies}) == len(bodies)


def test_equal_seeds_send_equal_windows_whatever_the_weights() -> None:
    sent = (request(weight=3.0), Request(method="POST", path="/fixed", headers={}, body=b"fixed"))
    with Server() as server:
        run(to(server.url, *sent), constant(rate=1000))
        run(to(server.url, *sent), constant(rate=1000))
    assert Counter(server.requests[:250]) == Counter(server.requests[250:])
    drawn = [each for each in server.requests[:250] if b"uuid" not in each and b"POST / " in each]
    assert len(drawn) / 250 == pytest.approx(0.75, abs=0.1)
    assert len(set(drawn)) == len(drawn)


def test_a_cache_that_keeps_the_latest_answers_is_never_hit() -> None:
    cache: OrderedDict[bytes, bool] = OrderedDict()
    hits = []

    def reply(number: int, sent: bytes) -> bytes:
        body = body_of(sent)
        hits.append(body in cache)
        cache[body] = True
        if len(cache) > 64:
            cache.popitem(last=False)
        return answer(body)

    # of a kilobyte's worth of random parts there are few bodies, which a window goes through several times
    few = request(b"{{float 0 1}}" * 4000)
    assert parse_template(few.template).bodies == 100
    with Server(reply) as server:
        (samples,) = run(to(server.url, few), constant(rate=500, duration=0.6))
    assert set(statuses(samples)) == {200}
    assert len(samples) == 300
    assert not any(hits)


def test_answers_that_differ_are_checked_each() -> None:
    def reply(number: int, sent: bytes) -> bytes:
        wrong = json.loads(body_of(sent))["n"] == 5
        return answer(b'{"strData": "%d"}' % number if not wrong else b"{}")

    with Server(reply) as server:
        (samples,) = run(replace(to(server.url, request()), protocol="seldon"), constant(rate=1000, duration=0.3))
    wrong = sum(json.loads(body_of(sent))["n"] == 5 for sent in server.requests)
    assert statuses(samples) == {200: 300 - wrong, 1: wrong}
    assert wrong > 5


def test_bodies_are_drawn_where_the_load_comes_from() -> None:
    with Server() as server, LocalGenerator(to(server.url, request())) as generator:
        samples = generator.run(constant())
        generator.ask(server.url, request(), 5.0)
    assert statuses(samples) == {200: 50}
    assert len({body_of(sent) for sent in server.requests}) == 51
    assert body_of(server.requests[-1]) == b"{}"


def test_the_server_is_told_the_length_of_each_body() -> None:
    with Server() as server:
        run(to(server.url, request(b'"{{choice a ' + b"b" * 300 + b'}}"')), constant())
    assert {len(body_of(sent)) for sent in server.requests} == {3, 302}


# the workload


def workload(path: Path, protocol: str = "http") -> WorkloadSpec:
    return WorkloadSpec(protocol=protocol, requests=(RequestSource(path=path, template=True),))  # type: ignore[arg-type]


def test_a_workload_with_a_template(tmp_path: Path) -> None:
    path = tmp_path / "body.json"
    path.write_bytes(b'{"strData": "{{uuid}}"}')
    spec = workload(path, "seldon")
    assert problems(spec, Where(file="space.yaml")) == ()
    (made,) = requests(spec)
    assert made.template == path.read_bytes()
    assert UUID(json.loads(made.body)["strData"])
    assert requests(spec) == (made,)  # the body that configurations are compared by is always the same
    assert options(spec) == {"method": "POST"}


@pytest.mark.parametrize(
    ("protocol", "content", "line", "words"),
    [
        ("http", b"{\n{{number}}}", 2, "{{number}}: not a placeholder"),
        ("http", b"{}", 0, "without placeholders"),
        ("seldon", b'{"strData": {{choice 1 "x}}}', 1, "No closing quotation"),
        ("seldon", b'{"strData": {{choice 1 x}}}', 0, "not JSON"),
        ("seldon", b'{"{{choice strData text}}": 1}', 0, "exactly one of"),
    ],
)
def test_a_template_that_cannot_be_sent(tmp_path: Path, protocol: str, content: bytes, line: int, words: str) -> None:
    path = tmp_path / "body.json"
    path.write_bytes(content)
    (problem,) = problems(workload(path, protocol), Where(file="space.yaml"))
    assert (problem.where.file, problem.where.line) == (str(path), line)
    assert words in problem.message
    assert problem.fix


def test_a_template_in_a_search_space(tmp_path: Path) -> None:
    (tmp_path / "deployment.yaml").write_text("")
    (tmp_path / "body.json").write_bytes(TEMPLATE)
    (tmp_path / "space.yaml").write_text(
        "name: a\nmanifest: deployment.yaml\nparameters: {w: {int: [1, 2], set: env/W}}\nobjectives: {cost: minimize}\n"
        "workload: {protocol: http, request: [{file: body.json, template: true}, body.json]}\n"
    )
    space, found = read(tmp_path)
    assert found == ()
    assert space is not None
    assert [source.template for source in space.workload.requests] == [True, False]


def test_drawing_is_spread_evenly() -> None:
    drawn = np.array([float(parse_template(b"{{float 0 1}}").render(Random(seed))) for seed in range(2000)])
    assert drawn.mean() == pytest.approx(0.5, abs=0.03)
    assert np.histogram(drawn, bins=4, range=(0, 1))[0].min() > 400
