"""Where the load comes from: what was asked for, what there is, and what is told when the two differ."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.load.servers import Server
from tuner.backends.process import ProcessBackend
from tuner.errors import BackendFailure, ConnectionLost, InputError
from tuner.load.arrivals import schedule
from tuner.load.model import LoadWindow, Request, Target
from tuner.load.process.local import ProcessPipe, local_generator
from tuner.load.process.piped import PipedGenerator
from tuner.load.process.several import SeveralGenerator
from tuner.trials.load_source import IMAGE, load_source

REQUEST = Request(method="GET", path="/p", headers={}, body=b"")
STAGE = LoadWindow(arrival="constant", rate_rps=200, duration_s=0.1, connections=2)


class Hosting(ProcessBackend):
    """A backend with a place for load, which is this machine; `failure`: it cannot be used."""

    def __init__(self, failure: str = "") -> None:
        super().__init__(None)
        self.failure = failure
        self.open: list[str] = []

    @contextmanager
    def host_load(self, *, study: str, image: str, cpus: int, study_name: str = "") -> Iterator[Host]:
        if self.failure:
            raise BackendFailure(self.failure)
        self.open.append(f"{study} {image}, CPUs: {cpus}")
        yield Host()
        self.open.clear()


class Host:
    def start(self) -> ProcessPipe:
        return ProcessPipe()


class Broken:
    """A pipe that breaks at the first thing said."""

    def send(self, line: str) -> None:
        raise ConnectionLost("the connection to the load generator broke")

    def receive(self, patience_s: float) -> bytes:
        raise AssertionError

    def close(self) -> None:
        return


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.mark.parametrize("place", [None, "cluster"])
def test_it_comes_from_the_backends_place(told: list[str], place: str | None) -> None:
    backend = Hosting()
    with load_source(backend, study="s", place=place, image=None, notice=told.append) as source:
        assert (source.place, source.image, source.cpus) == ("cluster", IMAGE, 1)
        assert backend.open == [f"s {IMAGE}, CPUs: 1"]
        with Server() as server:
            target = Target(urls=(server.url,), protocol="http", requests=(REQUEST,))
            with source.generator(target) as generator:
                assert len(generator.run(STAGE)) == 20
    assert backend.open == []
    assert told == []


def test_it_comes_from_here_where_that_is_wanted(told: list[str]) -> None:
    with load_source(Hosting(), study="s", place="here", image="x", notice=told.append) as source:
        assert (source.place, source.image, source.generator) == ("here", None, local_generator)


def test_it_comes_from_here_where_the_place_cannot_be_used_and_nothing_was_asked_for(told: list[str]) -> None:
    backend = Hosting("the image cannot be had")
    with load_source(backend, study="s", place=None, image=None, notice=told.append) as source:
        assert source.place == "here"
    (said,) = told
    assert "the image cannot be had" in said
    assert "--load-image" in said
    with (
        pytest.raises(BackendFailure, match="the image cannot be had"),
        load_source(backend, study="s", place="cluster", image=None, notice=told.append),
    ):
        pass


@pytest.mark.parametrize("place", [None, "cluster"])
def test_several_cpus_are_an_engine_each(told: list[str], place: str | None) -> None:
    backend = Hosting()
    with (
        load_source(backend, study="s", place=place, image=None, cpus=2, notice=told.append) as source,
        Server() as one,
    ):
        assert (source.cpus, backend.open) == (2, [f"s {IMAGE}, CPUs: 2"])
        target = Target(urls=(one.url,), protocol="http", requests=(REQUEST,))
        with source.generator(target) as generator:
            assert isinstance(generator, SeveralGenerator)
            assert generator.run(STAGE).scheduled_s == pytest.approx(schedule(STAGE), abs=1e-6)
        assert one.connections == 2
    assert told == []


def test_several_cpus_are_to_be_had_nowhere_else(told: list[str]) -> None:
    places = [(Hosting(), "here"), (ProcessBackend(None), None)]
    for backend, place in places:
        with (
            pytest.raises(InputError, match=r"--load-cpus: 2 CPUs are for a load generator inside a cluster"),
            load_source(backend, study="s", place=place, image=None, cpus=2, notice=told.append),
        ):
            pass
    with (
        pytest.raises(BackendFailure, match="no node has them"),
        load_source(Hosting("no node has them"), study="s", place=None, image=None, cpus=2, notice=told.append),
    ):
        pass


def test_a_backend_without_a_place_has_none(told: list[str]) -> None:
    backend = ProcessBackend(None)
    with load_source(backend, study="s", place=None, image=None, notice=told.append) as source:
        assert source.place == "here"
    assert told == []
    with (
        pytest.raises(InputError, match=r"--load: the process backend has no cluster"),
        load_source(backend, study="s", place="cluster", image=None, notice=told.append),
    ):
        pass


def test_a_pipe_that_broke_is_replaced_once_for_each_order() -> None:
    with Server() as server:
        target = Target(urls=(server.url,), protocol="http", requests=(REQUEST,))
        pipes: list[Broken | ProcessPipe] = [Broken(), ProcessPipe()]
        with PipedGenerator(target, lambda: pipes.pop(0)) as generator:
            assert len(generator.run(STAGE)) == 20
        with PipedGenerator(target, Broken) as generator, pytest.raises(ConnectionLost):
            generator.run(STAGE)


def test_of_several_all_are_replaced_when_one_pipe_broke() -> None:
    with Server() as server:
        target = Target(urls=(server.url,), protocol="http", requests=(REQUEST,))
        pipes: list[Broken | ProcessPipe] = [ProcessPipe(), Broken(), ProcessPipe(), ProcessPipe()]
        with SeveralGenerator(target, lambda: pipes.pop(0), 2) as generator:
            assert len(generator.run(STAGE)) == 20
        assert pipes == []
