"""What every load generator must do. A test class inherits this and gives the fixtures and the three hooks."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager

import numpy as np
import pytest

from tuner.errors import GeneratorFailure
from tuner.load.model import Generator, LoadWindow, Request, Target, Unanswered

REQUEST = Request(
    method="POST",
    path="/api/v1.0/predictions",
    headers={"Content-Type": "application/json"},
    body=b'{"data": {"ndarray": [[1, 2, 3]]}}',
)
STAGE = LoadWindow(arrival="constant", rate_rps=200, duration_s=0.2, connections=2, seed=3)


class GeneratorConformance:
    """Loads two toy servers (`tests/servers/toy.py`)."""

    @pytest.fixture
    def urls(self) -> tuple[str, ...]:
        """Two replicas, as the generator reaches them."""
        raise NotImplementedError

    def generator(self, target: Target) -> AbstractContextManager[Generator]:
        raise NotImplementedError

    def kill(self, generator: Generator) -> None:
        """End the generator's process with SIGKILL."""
        raise NotImplementedError

    def left_behind(self) -> list[str]:
        """The generators that still run."""
        raise NotImplementedError

    def target(self, *urls: str) -> Target:
        return Target(urls=urls, protocol="seldon", requests=(REQUEST,))

    def test_windows_go_over_the_same_connections_to_all_replicas(self, urls: tuple[str, ...]) -> None:
        with self.generator(self.target(*urls)) as generator:
            first, second = generator.run(STAGE), generator.run(STAGE)
        assert len(first) == len(second) == 40
        assert (first.status == 200).all()
        assert (first.connects, second.connects) == (2, 0)
        assert np.bincount(second.replica, minlength=2).min() >= 10
        assert self.left_behind() == []

    def test_a_long_window_comes_back_whole(self, urls: tuple[str, ...]) -> None:
        # more than one part of what is read back; most of it is never sent, which spares the servers
        stage = LoadWindow(arrival="constant", rate_rps=25_000, duration_s=1.0, connections=2, timeout_s=0.05)
        with self.generator(self.target(*urls)) as generator:
            samples = generator.run(stage)
        assert len(samples) == 25_000
        assert np.allclose(np.diff(samples.scheduled_s), 1 / 25_000)

    def test_one_request_comes_back_with_its_whole_answer(self, urls: tuple[str, ...]) -> None:
        lost = Request(method="GET", path="/nowhere", headers={}, body=b"")
        with self.generator(self.target(*urls)) as generator:
            answers = [generator.ask(url, REQUEST, 5.0) for url in urls]
            refused = generator.ask(urls[0], lost, 5.0)
            with pytest.raises(Unanswered, match="refused"):
                generator.ask("http://127.0.0.1:1", REQUEST, 5.0)
            assert len(generator.run(STAGE)) == 40
        assert [json.loads(answer.body)["data"]["ndarray"] for answer in answers] == [[[13]], [[13]]]
        assert refused.status == 404

    def test_a_refused_stage_is_told_and_the_next_one_runs(self, urls: tuple[str, ...]) -> None:
        refused = LoadWindow(arrival="constant", rate_rps=0.0, duration_s=0.1, connections=1)
        with self.generator(self.target(*urls)) as generator:
            with pytest.raises(GeneratorFailure, match="cannot be offered"):
                generator.run(refused)
            assert len(generator.run(STAGE)) == 40

    def test_a_target_that_cannot_be_sent_to_ends_it_with_its_reason(self) -> None:
        with self.generator(self.target("ftp://x")) as generator:
            for _ in range(2):
                with pytest.raises(GeneratorFailure, match=r"status 3; it said: .*ftp://x.*http://host:port"):
                    generator.run(STAGE)

    def test_one_that_was_killed(self, urls: tuple[str, ...]) -> None:
        with self.generator(self.target(*urls)) as generator:
            generator.run(STAGE)
            self.kill(generator)
            with pytest.raises(GeneratorFailure, match="by signal 9"):
                generator.run(STAGE)

    def test_it_ends_in_the_middle_of_all_when_it_is_closed(self, urls: tuple[str, ...]) -> None:
        with self.generator(self.target(*urls)) as generator:
            generator.ask(urls[0], REQUEST, 5.0)
            generator.close()
            generator.close()
        assert self.left_behind() == []
