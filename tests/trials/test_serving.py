"""A server brought up: what is done in which order, what is verified, and what is told when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.measure.queues import Server, exponential
from tests.simulated import USAGE, WORKLOAD, SimulatedGenerator, SimulatedRunning
from tuner.backends.model import Deployment, Difference, Running
from tuner.errors import StoreFailure, TrialFailure
from tuner.load.model import Answer, Reference, Request, Target
from tuner.load.protocols import protocol
from tuner.manifests.model import PodSet, Rendered
from tuner.trials.serving import Served, deployed
from tuner.trials.traffic import ExpectedAnswers, Traffic

PODS = PodSet(kind="Deployment", name="toy", replicas=1, containers=(), serving="toy", port=80)
DEPLOYMENT = Deployment(study="s", trial=0, rendered=Rendered(text="", objects=()), pods=PODS)
REQUESTS = tuple(Request(method="GET", path=path, headers={}, body=b"") for path in ("/a", "/b"))


class Generator(SimulatedGenerator):
    """The server behind it answers with the path and `said`."""

    said = b" is well"

    def ask(self, url: str, request: Request, timeout_s: float) -> Answer:
        return Answer(status=200, body=request.path.encode() + self.said)


class World(SimulatedRunning):
    """A backend and what it deploys; remembers what became of it."""

    def __init__(self) -> None:
        super().__init__(USAGE)
        self.happened: list[str] = []
        self.generator = Generator(Server(exponential(0.004)))
        self.found: tuple[Difference, ...] = ()

    @contextmanager
    def deploy(self, _: Deployment) -> Iterator[World]:
        try:
            yield self
        finally:
            self.happened.append("(gone)")

    def generator_cpus(self) -> tuple[int, ...]:
        return (3,)

    @contextmanager
    def generate(self, to: Target) -> Iterator[Generator]:
        self.happened.append(f"(generator on {to.cpus})")
        yield self.generator

    def wait_ready(self, deadline_s: float) -> float:
        return 2.5

    def differences(self) -> tuple[Difference, ...]:
        return self.found

    def logs(self, tail: int) -> str:
        return "what it said"

    def served(self, traffic: Traffic) -> AbstractContextManager[Served]:
        def on_end(running: Running) -> None:
            self.happened.append(f"(log: {running.logs(1)})")

        return deployed(self, DEPLOYMENT, traffic, self.generate, on_stage=self.happened.append, on_end=on_end)


def traffic_of(answers: Path | None = None) -> Traffic:
    return Traffic(
        workload=WORKLOAD, protocol=protocol("http", {}), requests=REQUESTS, expected=ExpectedAnswers(answers)
    )


@pytest.fixture
def world() -> World:
    return World()


AT_THE_END = ["(log: what it said)", "take down", "(gone)"]


def failure(world: World, traffic: Traffic) -> TrialFailure:
    with pytest.raises(TrialFailure) as raised, world.served(traffic):
        pass
    assert world.happened[-3:] == AT_THE_END
    assert raised.value.logs == "what it said"
    return raised.value


def test_it_is_brought_up_in_order_and_gone_at_the_end(world: World) -> None:
    with world.served(traffic_of()) as served:
        assert (served.running, served.generator, served.startup_s) == (world, world.generator, 2.5)
        world.happened.append("(measured)")
    up = ["deploy", "(generator on (3,))", "wait until ready", "verify"]
    assert world.happened == [*up, "(measured)", *AT_THE_END]


def test_an_interrupt_loses_no_log_and_leaves_nothing(world: World) -> None:
    with pytest.raises(KeyboardInterrupt), world.served(traffic_of()):
        raise KeyboardInterrupt
    assert world.happened[-3:] == AT_THE_END


def test_what_fails_under_load_tells_what_the_server_said(world: World) -> None:
    with pytest.raises(TrialFailure) as raised, world.served(traffic_of()):
        raise TrialFailure(stage="measure", kind="Crashed", reason="it died")
    assert raised.value.logs == "what it said"


def test_what_runs_must_be_what_was_rendered(world: World) -> None:
    world.found = (Difference(what="cpu", asked="2", found="1"),)
    told = failure(world, traffic_of())
    assert (told.kind, told.stage) == ("ConfigurationDiffers", "verify")
    assert str(told) == "what runs is not what was rendered: cpu is 1, asked for 2"


def test_answers_must_be_those_of_the_first_start_also_after_a_restart_of_the_tuner(
    world: World, tmp_path: Path
) -> None:
    kept = tmp_path / "answers.json"
    for _ in range(2):
        with world.served(traffic_of(kept)):
            pass
    world.generator.said = b" is ill"
    told = failure(world, traffic_of(kept))
    assert (told.kind, told.stage) == ("WrongAnswer", "verify")
    assert "answers request 1 differently from the baseline" in str(told)
    with world.served(traffic_of()):
        pass


def test_what_is_new_in_each_answer_is_learnt_and_said_and_the_generator_told(world: World, tmp_path: Path) -> None:
    class Numbered(Generator):
        score = "0.5"
        asked = 0
        held: Reference | None = None

        def ask(self, url: str, request: Request, timeout_s: float) -> Answer:
            self.asked += 1
            body = f'{{"score": {self.score}, "at": {{"n": {self.asked}}}, "host": "a"}}'
            return Answer(status=200, body=body.encode())

        def hold(self, reference: Reference) -> None:
            self.held = reference

    world.generator = generator = Numbered(Server(exponential(0.004)))
    kept = tmp_path / "answers.json"
    with world.served(traffic_of(kept)) as served:
        pass
    assert generator.asked == 3 * len(REQUESTS)
    told = "these parts of the answers are not compared, since they are new in each, or times: $.at.n"
    assert served.notes == (told,)
    assert told in world.happened
    assert generator.held is not None
    assert generator.held.left_out == ((("at", "n"),), (("at", "n"),))
    with world.served(traffic_of(kept)) as served:  # as after a restart of the tuner
        pass
    assert (served.notes, generator.asked) == ((), 4 * len(REQUESTS))
    generator.score = '0.5, "new": 1'
    assert "$.new is 1, and was not there before; if it may differ between right answers" in str(
        failure(world, traffic_of(kept))
    )
    generator.score = "NaN"
    assert str(failure(world, traffic_of(kept))).endswith("from the baseline: $.score is NaN, not 0.5")


def test_what_the_user_ignores_is_not_compared_and_must_be_there(world: World) -> None:
    expected = ExpectedAnswers(ignore=("$.host", "$.nothing"))
    notes = expected.record([[{"host": "a", "score": 0.5}]])
    assert notes == ("check.ignore names $.nothing, and there is nothing in the first answers",)
    expected.compare("url", [{"host": "b", "score": 0.5}])
    with pytest.raises(
        TrialFailure, match=r"\$\.score is 1, not 0\.5; if it may differ .* check\.ignore: \[\$\.score\]"
    ):
        expected.compare("url", [{"host": "b", "score": 1}])


def test_nan_in_the_first_answers_is_said() -> None:
    expected = ExpectedAnswers()
    (note,) = expected.record([[{"score": float("nan")}]])
    assert note == "the first answers hold NaN or an infinity, at $.score: taken for right"
    expected.compare("url", [{"score": float("nan")}])


def test_answers_kept_by_an_earlier_version_are_read(tmp_path: Path) -> None:
    kept = tmp_path / "answers.json"
    kept.write_text('[{"score": 0.5}]')
    ExpectedAnswers(kept).compare("url", [{"score": 0.5}])


def test_answers_that_cannot_be_read_are_told_with_their_file(tmp_path: Path) -> None:
    kept = tmp_path / "answers.json"
    kept.write_text("{")
    with pytest.raises(StoreFailure, match=r"answers\.json: the recorded answers cannot be read .* delete it"):
        ExpectedAnswers(kept)
