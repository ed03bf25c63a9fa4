"""A trial's life over the real process backend and the real toy server; the load alone is simulated, so that what is
measured is arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.measure.queues import Server, exponential
from tests.measure.test_conditions import conditions
from tests.simulated import SimulatedGenerator
from tuner.backends.process import ProcessBackend
from tuner.backends.process.running import ProcessRunning
from tuner.errors import GeneratorFailure
from tuner.load.control.exchange import exchange
from tuner.load.model import Answer, LoadWindow, Request, Target
from tuner.manifests.render import render
from tuner.measure.conditions import Conditions
from tuner.measure.samples import Samples
from tuner.space.model import Configuration, Constraint
from tuner.targets.inputs import Inputs, read_inputs
from tuner.trials.clock import RealClock
from tuner.trials.folder import StudyFolder
from tuner.trials.life import TrialRunner
from tuner.trials.lookout import Allowance
from tuner.trials.model import Failed, Infeasible, Measured, Proposal, Purpose, Referenced, Stopped, Trial
from tuner.trials.quiet import NoQuiet
from tuner.trials.traffic import Traffic
from tuner.workload.shapes import Spike

TOY = Path(__file__).parent.parent / "servers" / "toy"
FAST, SLOW = Server(exponential(0.004)), Server(exponential(0.300), servers=40)


class Generator(SimulatedGenerator):
    """Its windows are simulated; whatever else is asked is asked of the real server."""

    def ask(self, url: str, request: Request, timeout_s: float) -> Answer:
        return exchange(url, request, timeout_s)


class BrokenGenerator(Generator):
    def run(self, stage: LoadWindow) -> Samples:
        raise GeneratorFailure("the load generator ended with status 1; it said: nothing")


class Bench:
    """Runs single trials in a folder of their own, and remembers what was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = StudyFolder(folder)
        self.stages: list[str] = []
        self.rates: list[float] = []
        self.inputs: Inputs = read_inputs(TOY, "process")

    def runner(
        self, server: object = FAST, *, rate_rps: float | None = 100.0, slo: tuple[Constraint, ...] | None = None
    ) -> TrialRunner:
        generator = Generator(server) if isinstance(server, Server) else server
        space = self.inputs.space
        space = replace(space, slo=space.slo if slo is None else slo)

        @contextmanager
        def generate(_target: Target) -> Iterator[object]:
            yield generator

        return TrialRunner(
            space=space,
            backend=ProcessBackend(space, state_dir=self.folder.root / "state"),
            generator=generate,
            traffic=Traffic.of(space.workload, self.folder.answers),
            folder=self.folder,
            study_id="abcd",
            clock=RealClock(),
            quiet=NoQuiet(),
            on_stage=lambda _number, stage: self.stages.append(stage),
            on_rate=self.rates.append,
            rate_rps=rate_rps,
        )

    def change_workload(self, **changes: object) -> None:
        space = self.inputs.space
        workload = replace(space.workload, **changes)  # type: ignore[arg-type]
        self.inputs = replace(self.inputs, space=replace(space, workload=workload))

    def run(
        self, runner: TrialRunner | None = None, number: int = 0, purpose: Purpose = "search", **values: object
    ) -> Trial:
        configuration = Configuration(values=dict(self.inputs.baseline.values) | values)
        rendered = render(self.inputs.space, self.inputs.manifest, configuration)
        proposal = Proposal(number=number, purpose=purpose, configuration=configuration, rendered=rendered)
        return (runner or self.runner()).run(proposal)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def with_env(bench: Bench, **env: str) -> None:
    """The toy's moods are environment variables the image itself would have set."""
    space = bench.inputs.space
    image = replace(space.local.images[0], env=dict(space.local.images[0].env) | env)
    local = replace(space.local, images=(image,))
    bench.inputs = replace(bench.inputs, space=replace(space, local=local))
    bench.change_workload(ready_timeout_s=3.0)


def test_a_trial_is_measured_to_the_end(bench: Bench) -> None:
    trial = bench.run()
    assert isinstance(trial.outcome, Measured)
    measurement = trial.outcome.measurement
    assert trial.feasible
    assert measurement.throughput_rps is not None
    assert 100 < measurement.throughput_rps.value < 250, measurement.throughput_note
    assert measurement.at_rate.offered_rps == 100
    assert [window.offered_rps for window in measurement.curve if window.offered_rps] == sorted(
        window.offered_rps for window in measurement.curve if window.offered_rps
    )
    assert measurement.requested_cores == 0.5
    assert measurement.cost_per_hour == pytest.approx(0.5 * 0.03 + 64 / 1024 * 0.004)
    assert measurement.cost_per_million == pytest.approx(
        measurement.cost_per_hour / 3600 / measurement.throughput_rps.value * 1e6
    )
    assert bench.folder.manifest(0).read_text() == bench.inputs.manifest.text, "the baseline is deployed byte for byte"
    assert bench.folder.log(0).exists()
    assert bench.stages[:5] == ["deploy", "wait until ready", "verify", "warm-up", "measure at 100/s"]
    assert bench.stages[-1] == "take down"


def test_a_trial_that_has_lost_is_cut_short(bench: Bench) -> None:
    trial = bench.run(bench.runner(SLOW))
    assert isinstance(trial.outcome, Stopped)
    assert [metric for metric, _ in trial.outcome.broken] == ["latency_p99"]
    assert trial.outcome.measurement.throughput_rps is None
    assert "throughput" not in trial.outcome.measurement.metrics(), "nothing stands for what was not measured"
    assert not any(stage.startswith(("probe", "search")) for stage in bench.stages)


class Told:
    """The conditions of every window, whatever the machine does."""

    def __init__(self, told: Conditions) -> None:
        self._told = told

    def stop(self) -> Conditions:
        return self._told


def watched(bench: Bench, monkeypatch: pytest.MonkeyPatch, told: Conditions, server: object = FAST) -> TrialRunner:
    """A runner on a machine that is told how quiet it is, and that has no time to wait for better."""
    monkeypatch.setattr(ProcessRunning, "watch_conditions", lambda _: Told(told))
    runner = bench.runner(server)
    runner.allowance = Allowance(spent_s=1e6)
    return runner


def test_what_was_seen_of_the_machine_stands_beside_what_was_measured(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    measurement = bench.run(watched(bench, monkeypatch, conditions())).measurement
    assert measurement is not None
    assert measurement.speed == 1.0
    assert measurement.disturbance == ""
    assert measurement.search_conditions is not None
    assert measurement.search_conditions.full, "the closed loop wants all there is"
    assert not any("not quiet" in warning for warning in measurement.warnings)


def test_a_trial_without_leave_to_measure_again_looks_at_nothing(bench: Bench) -> None:
    measurement = bench.run().measurement
    assert measurement is not None
    assert measurement.conditions is None
    assert measurement.speed is None


def test_on_a_machine_that_is_not_quiet_no_trial_has_lost_beyond_doubt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy = conditions(others_cores=0.6, own_cores=0.4)
    trial = bench.run(watched(bench, monkeypatch, noisy, SLOW))
    assert isinstance(trial.outcome, Measured), "it is not cut short"
    assert [metric for metric, _ in trial.outcome.broken] == ["latency_p99"]
    measurement = trial.outcome.measurement
    assert measurement.speed == pytest.approx(0.4)
    assert any(warning.startswith("the machine was not quiet") for warning in measurement.warnings)
    assert any(stage.endswith("no time is left to measure it again") for stage in bench.stages)


def test_a_reference_is_measured_at_the_common_rate_alone(bench: Bench) -> None:
    trial = bench.run(purpose="reference")
    assert isinstance(trial.outcome, Referenced)
    assert trial.measurement is None, "it is no candidate"
    assert trial.outcome.measurement.throughput_rps is None
    assert "latency_p99" in trial.outcome.measurement.metrics()
    assert not any(stage.startswith(("probe", "search")) for stage in bench.stages)


def test_the_common_rate_is_derived_once(bench: Bench) -> None:
    runner = bench.runner(rate_rps=None)
    first = bench.run(runner)
    second = bench.run(runner, number=1, workers=2)
    assert len(bench.rates) == 1
    assert first.measurement is not None
    assert second.measurement is not None
    assert first.measurement.at_rate.offered_rps == second.measurement.at_rate.offered_rps == bench.rates[0]
    assert first.measurement.throughput_rps is not None
    assert bench.rates[0] == pytest.approx(first.measurement.throughput_rps.value / 2, rel=0.1)


def test_what_the_machine_does_not_have_is_never_deployed(bench: Bench) -> None:
    trial = bench.run(replicas=400)
    assert isinstance(trial.outcome, Infeasible)
    assert "Insufficient" in trial.outcome.reason
    assert bench.stages == []


@pytest.mark.parametrize(
    ("mood", "kind", "stage"),
    [
        ("crash", "Crashed", "ready"),
        ("never-ready", "NotReady", "ready"),
        ("trickled-health", "NotReady", "ready"),
        ("crash-asked", "Crashed", "verify"),
    ],
)
def test_a_server_that_does_not_get_ready(bench: Bench, mood: str, kind: str, stage: str) -> None:
    with_env(bench, TOY_FAIL=mood)
    outcome = bench.run().outcome
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.stage, outcome.blame) == (kind, stage, "configuration")
    assert "as asked" in outcome.logs or kind != "Crashed"


def test_a_server_that_says_it_is_loading_is_waited_for_and_that_is_its_startup(bench: Bench) -> None:
    with_env(bench, TOY_FAIL="loading")
    trial = bench.run()
    assert isinstance(trial.outcome, Measured)
    assert trial.outcome.measurement.startup_s > 0.5
    assert [stage for stage in bench.stages if "loading" in stage] == [
        'wait while it is loading: http 503 \'{"error": "the model is loading"}\''
    ]


def test_an_answer_unlike_the_baselines(bench: Bench) -> None:
    assert isinstance(bench.run().outcome, Measured)
    with_env(bench, TOY_FAIL="wrong-answer")
    outcome = bench.run(bench.runner(), number=1, workers=2).outcome
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.stage) == ("WrongAnswer", "verify")
    assert "differently from the baseline" in outcome.reason


def test_a_broken_generator_is_not_the_servers_fault(bench: Bench) -> None:
    outcome = bench.run(bench.runner(BrokenGenerator(FAST))).outcome
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.blame) == ("GeneratorFailed", "environment")


def test_a_late_generator_yields_no_number(bench: Bench) -> None:
    outcome = bench.run(bench.runner(Generator(FAST, late_s=0.5))).outcome
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.blame) == ("Untrusted", "environment")
    assert "late" in outcome.reason


def test_an_interrupt_takes_everything_down(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = bench.runner()

    def interrupt(_number: int, stage: str) -> None:
        if stage == "verify":
            raise KeyboardInterrupt

    monkeypatch.setattr(runner, "on_stage", interrupt)
    with pytest.raises(KeyboardInterrupt):
        bench.run(runner)
    assert ProcessBackend(None, state_dir=bench.folder.root / "state").clean() == ()


def test_an_open_duration_ends_as_soon_as_the_verdict_is_certain(bench: Bench) -> None:
    bench.change_workload(duration_s=2.0, most_s=60.0)
    slo = (Constraint(metric="latency_p90", bound=0.5),)
    at_rate = bench.run(bench.runner(slo=slo)).measurement.at_rate
    assert at_rate.ended.startswith("ended after ")
    assert "the verdict was certain: latency_p90" in at_rate.ended
    assert at_rate.requests < 60 * 100


def test_what_disturbed_the_window_is_told(bench: Bench) -> None:
    class Stalling(Generator):
        def run(self, stage: LoadWindow) -> Samples:
            seen = super().run(stage)
            over = np.ceil(seen.finished_s)
            return replace(seen, finished_s=np.where(over - seen.finished_s < 0.08, over, seen.finished_s))

    bench.change_workload(duration_s=10.0)
    measurement = bench.run(bench.runner(Stalling(Server(exponential(0.001))))).measurement
    assert measurement is not None
    assert any("periodic stalls of " in said for said in measurement.warnings)


def test_users_of_a_closed_loop_need_no_common_rate(bench: Bench) -> None:
    bench.change_workload(arrival="closed", think_s=0.05, rate_rps=None)
    trial = bench.run(bench.runner(rate_rps=None))
    assert isinstance(trial.outcome, Measured | Stopped)
    measurement = trial.outcome.measurement
    assert measurement.at_rate.offered_rps == 0
    assert bench.rates == []
    assert "measure closed:think=0.05s" in bench.stages
    assert measurement.at_rate not in measurement.curve, "users who think do not show how the rate tells on latency"


def test_a_rate_that_changes_is_no_point_of_the_curve(bench: Bench) -> None:
    spike = Spike(base=1.0, peak=2.0, after_s=2.0, for_s=1.0, relative=True)
    bench.change_workload(shape=spike, duration_s=5.0)
    trial = bench.run()
    assert isinstance(trial.outcome, Measured | Stopped)
    measurement = trial.outcome.measurement
    assert measurement.at_rate.offered_rps == pytest.approx(120)
    assert measurement.at_rate.warm_up_s == 0, "a changing load is not cut"
    assert measurement.at_rate not in measurement.curve
    assert "measure poisson spike:1x..2x,after=2s,for=1s" in bench.stages
