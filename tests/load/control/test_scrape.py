"""Metrics read from real servers: one of our own, seldon-core-microservice, and MLServer where it is installed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.breakdown.expositions import executor
from tests.load.servers import Server, answer
from tests.servers.mlserver import needs_mlserver, twice
from tests.servers.pods import deployment_of, pods_of, toy_space
from tuner.backends.model import Running, TellsMetrics
from tuner.backends.process import ProcessBackend
from tuner.breakdown.counters import difference
from tuner.breakdown.known_metrics import recognize
from tuner.breakdown.waterfall import waterfall
from tuner.errors import InputError
from tuner.load.control.scrape import addresses, scrape
from tuner.load.model import Answer, LoadWindow, Request, Target, Unanswered
from tuner.load.process.local import LocalGenerator
from tuner.manifests.model import Container, MetricsPort, ReadinessProbe
from tuner.space.model import LocalImage

NOBODY = "http://127.0.0.1:1/metrics"


def metrics(text: str) -> bytes:
    return answer(text.encode(), headers="X-Kind: metrics\r\n")


def test_every_address_is_read_and_one_that_cannot_be_says_why() -> None:
    def reply(number: int, request: bytes) -> bytes:
        if request.startswith(b"GET /metrics?model=a HTTP/1.1"):
            return metrics(executor(3))
        if request.startswith(b"GET /long "):
            return metrics("x 1\n" * 1_100_000)
        if request.startswith(b"GET /page "):
            return metrics("<html>" + "no metrics" * 1000 + "</html>")
        return answer(b"gone", "404 Not Found")

    with Server(reply) as server:
        urls = (f"{server.url}/metrics?model=a", f"{server.url}/page", f"{server.url}/other", NOBODY)
        good, page, missing, nobody = scrape(urls, 5.0)
        (long,) = scrape([f"{server.url}/long"], 5.0)
    assert long.problem == "its metrics could not be read: they are longer than 4 MiB"
    assert good.problem == ""
    assert len(good.distributions) == 4
    assert page.problem.startswith("its metrics could not be read: not Prometheus text:")
    assert len(page.problem) < 200
    assert missing.problem == "its metrics could not be read: status 404"
    assert "refused" in nobody.problem
    assert [one.url for one in (good, page, missing, nobody)] == list(urls)


def test_a_url_without_a_path_is_asked_for_the_usual_one() -> None:
    def reply(number: int, request: bytes) -> bytes:
        return metrics(executor(1)) if request.startswith(b"GET /metrics ") else answer(b"", "404 Not Found")

    with Server(reply) as server:
        (found,) = scrape((server.url,))
    assert found.problem == ""


def test_it_may_be_asked_from_where_the_load_comes_from() -> None:
    asked = []

    def ask(url: str, request: Request, timeout_s: float) -> Answer:
        asked.append((url, request.method, request.path, timeout_s))
        if url == "http://10.0.0.2:6000":
            raise Unanswered("no route to host")
        return Answer(status=200, body=executor(2).encode())

    urls = ("http://10.0.0.1:6000/prometheus", "http://10.0.0.2:6000/prometheus")
    one, other = scrape(urls, 2.0, ask)
    assert one.problem == ""
    assert other.problem == "its metrics could not be read: no route to host"
    assert asked == [(url.removesuffix("/prometheus"), "GET", "/prometheus", 2.0) for url in urls]
    assert scrape(()) == ()
    assert len(scrape(urls * 2, 2.0, ask)) == 2


def test_bytes_that_are_no_text_are_no_metrics() -> None:
    (found,) = scrape(("http://x/metrics",), 1.0, lambda url, request, timeout_s: Answer(status=200, body=b"\xff\xfe"))
    assert found.problem.startswith("its metrics could not be read: ")


def test_addresses_are_looked_at_before_anything_is_started() -> None:
    good = "http://127.0.0.1:6000/metrics"
    assert addresses((good, good), "--metrics") == (good,)
    with pytest.raises(InputError) as caught:
        addresses((good, "localhost:6000", "http://h:x/", "ftp://h/", "http://me:pw@h/metrics", ""), "--metrics")
    assert len(caught.value.problems) == 5
    text = str(caught.value)
    assert "'localhost:6000' is not of the form http://HOST:PORT/PATH; write it like http://127.0.0.1" in text
    assert "pw" not in text


def test_a_secret_in_an_address_is_not_shown() -> None:
    (found,) = scrape(("http://127.0.0.1:1/metrics?token=abc",), 1.0)
    assert "abc" not in repr(found)


MODEL = """
class Doubler:
    def predict(self, X, names=None, meta=None):
        return 2 * X

    def metrics(self):
        return [{"type": "TIMER", "key": "lookup", "value": 0.5}, {"type": "COUNTER", "key": "seen", "value": 1}]
"""
BODY = json.dumps({"data": {"ndarray": [[1, 2]]}}).encode()
REQUEST = Request(method="POST", path="/api/v1.0/predictions", headers={"Content-Type": "application/json"}, body=BODY)


needs_seldon = pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="seldon-core needs numpy < 2, which Python 3.13 has no wheel of"
)


def doubler(folder: Path, model: str, *ports: tuple[str, int], **env: str) -> tuple[LocalImage, Container]:
    """Seldon's microservice with the class `Doubler` of this source."""
    (folder / "Doubler.py").write_text(model)
    image = LocalImage(command=("seldon-core-microservice", "Doubler", "--service-type", "MODEL"), folder=folder)
    return image, Container(
        name="classifier",
        image="example/doubler:1",
        env={"GUNICORN_WORKERS": "1", "GUNICORN_THREADS": "2", "SELDON_LOG_LEVEL": "WARNING", **env},
        ports=(("http", 9000), *ports),
        probe=ReadinessProbe(http_path="/health/status", port=9000),
        requests={"cpu": "100m", "memory": "256Mi"},
        limits={"cpu": "2", "memory": "512Mi"},
    )


@contextmanager
def _seldon(folder: Path, replicas: int, model: str) -> Iterator[Running]:
    image, container = doubler(folder, model, ("metrics", 6000))
    told = MetricsPort(container="classifier", port=6000, path="/metrics")
    pods = replace(pods_of(container, replicas=replicas), metrics=(told,))
    with ProcessBackend(toy_space(image, overcommit=True), folder / "state").deploy(deployment_of(pods)) as running:
        running.wait_ready(100)
        yield running


@needs_seldon
def test_every_replica_of_a_real_seldon_microservice_tells_what_its_model_times(tmp_path: Path) -> None:
    with _seldon(tmp_path, 2, MODEL) as running:
        assert isinstance(running, TellsMetrics)
        urls = running.metrics_urls()
        assert len(urls) == 2
        target = Target(urls=running.endpoint.urls, protocol="seldon", requests=(REQUEST,))
        with LocalGenerator(target) as generator:
            before = scrape(urls, ask=generator.ask)
            samples = generator.run(LoadWindow(arrival="constant", rate_rps=50.0, duration_s=0.4, connections=2))
            after = scrape(urls, ask=generator.ask)
    increase = difference(before, after)
    assert increase.urls == urls
    (side,) = recognize(increase)
    (lookup,) = side.parts
    assert (side.server, lookup.name, lookup.role) == ("seldon microservice", "lookup", "timer")
    assert lookup.count == len(samples) == 20
    assert lookup.mean == pytest.approx(0.0005)
    assert {name for name, _ in increase.counters} == {"seen"}
    found = waterfall(samples, increase)
    assert [row.name for row in found.rows if row.source == "server"] == ["seldon microservice: lookup"]


INFER = json.dumps({"inputs": [{"name": "x", "shape": [2], "datatype": "FP64", "data": [1, 2]}]}).encode()


@needs_mlserver
def test_a_real_mlserver_tells_its_requests_and_the_inference_in_them(tmp_path: Path) -> None:
    image, container = twice(tmp_path, metrics=8082)
    pods = replace(
        pods_of(container), port=8080, metrics=(MetricsPort(container="server", port=8082, path="/metrics"),)
    )
    request = Request(
        method="POST", path="/v2/models/twice/infer", headers={"Content-Type": "application/json"}, body=INFER
    )
    with ProcessBackend(toy_space(image, overcommit=True), tmp_path / "state").deploy(deployment_of(pods)) as running:
        running.wait_ready(100)
        assert isinstance(running, TellsMetrics)
        urls = running.metrics_urls()
        target = Target(urls=running.endpoint.urls, protocol="v2", requests=(request,), options={"model": "twice"})
        with LocalGenerator(target) as generator:
            before = scrape(urls, ask=generator.ask)
            samples = generator.run(LoadWindow(arrival="constant", rate_rps=50.0, duration_s=0.4, connections=2))
            after = scrape(urls, ask=generator.ask)
    assert (samples.status == 200).all()
    (side,) = recognize(difference(before, after))
    assert (side.server, side.model, side.requests) == ("MLServer", "twice", 20)
    total, inference = side.part("total"), side.part("stage")
    assert total is not None
    assert inference is not None
    assert 0 < inference.mean <= total.mean
    assert waterfall(samples, difference(before, after)).notes == ()
