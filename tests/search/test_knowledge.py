"""What a study has taught: enough trials or none of it, what binds, ends of ranges, predictions."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from tests.builders import parameter, space_of
from tests.search.beliefs import Sure
from tuner.search.binding import bounds, edges
from tuner.search.calibration import Widened, widening
from tuner.search.encoding import Encoding
from tuner.search.knowledge import LEAST, Exact, learn
from tuner.search.lattice import lattice
from tuner.search.model import Observation
from tuner.search.prediction import predict
from tuner.space.model import Choices, Configuration, Constraint, IntRange, Objective

WORKERS = parameter("workers", IntRange(low=1, high=4))
CPU = parameter("cpu", Choices(values=("500m", "1", "2")))
NOTHING = parameter("nothing", Choices(values=("a", "b")))
P99 = Constraint(metric="latency_p99", bound=0.1)
MOST = (Objective(metric="throughput", direction="maximize"),)
SPACE = space_of((WORKERS, CPU, NOTHING), objectives=MOST, slo=(P99,))
CORES = {"500m": 0.5, "1": 1.0, "2": 2.0}
SERVER = Sure(
    sd=0.02,
    throughput=lambda values: 100.0 * float(values["workers"]) * CORES[str(values["cpu"])] ** 0.2,
    latency_p99=lambda values: 0.03 * float(values["workers"]),
)
ALL = [
    Configuration(values={"workers": workers, "cpu": cpu, "nothing": "a"})
    for workers, cpu in product((1, 2, 3, 4), CORES)
]
BASELINE, CHOICE = ALL[0], Configuration(values={"workers": 3, "cpu": "2", "nothing": "a"})


def observed(number: int) -> list[Observation]:
    return [
        Observation(
            configuration=one, metrics={metric: function(one.values) for metric, function in SERVER.functions.items()}
        )
        for one in ALL[:number]
    ]


def test_a_study_with_too_few_trials_says_so_and_shows_no_number() -> None:
    found = learn(SPACE, observed(LEAST - 1), SERVER, noise_sd={}, baseline=BASELINE, choice=CHOICE)
    assert found.too_few == f"{LEAST - 1} configurations were measured; which knobs mattered shows from {LEAST} on"
    assert (found.matters, found.steps, found.bounds) == ((), (), ())


def test_restarts_of_one_configuration_are_not_several() -> None:
    once = observed(1) * 20
    assert learn(SPACE, once, SERVER, noise_sd={}, baseline=BASELINE, choice=CHOICE).configurations == 1


def test_what_mattered_and_what_did_not() -> None:
    found = learn(SPACE, observed(12), SERVER, noise_sd={"throughput": np.log(1.05)}, baseline=BASELINE, choice=CHOICE)
    of_throughput = next(one for one in found.matters if one.metric == "throughput")
    assert [one.knob for one in of_throughput.knobs] == ["workers", "cpu", "nothing"]
    assert of_throughput.knobs[0].alone.value > 0.8
    assert of_throughput.knobs[2].alone.value < 0.02
    assert of_throughput.noise == pytest.approx(1.05)
    assert [list(step.knobs) for step in found.steps] == [["workers"], ["cpu"]]
    assert found.steps[0].changes[0].measured == pytest.approx(3.0)


def test_a_metric_that_never_varied_is_left_out() -> None:
    flat = [replace(one, metrics={**one.metrics, "latency_p99": 0.01}) for one in observed(12)]
    found = learn(SPACE, flat, SERVER, noise_sd={}, baseline=BASELINE, choice=CHOICE)
    assert [one.metric for one in found.matters] == ["throughput"]


def test_the_bound_that_binds_is_told_with_what_it_costs() -> None:
    """Three workers take 90 ms and four 120 ms: without the bound a third more could be had."""
    candidates, _ = lattice(SPACE)
    (bound,) = bounds(SPACE.slo, SPACE.objectives, CHOICE, candidates, SERVER)
    assert bound.objective == "throughput"
    assert bound.gain == pytest.approx(4 / 3)
    assert bound.believed.value == pytest.approx(0.09)
    assert bound.probability > 0.99
    (loose,) = bounds((replace(P99, bound=1.0),), SPACE.objectives, CHOICE, candidates, SERVER)
    assert (loose.objective, loose.gain) == (None, None)


def test_a_gain_that_costs_more_in_another_objective_is_none() -> None:
    objectives = (*MOST, Objective(metric="cost", direction="minimize"))
    priced = Sure(**SERVER.functions, cost=lambda values: 0.1 * float(values["workers"]))
    (bound,) = bounds(SPACE.slo, objectives, CHOICE, lattice(SPACE)[0], priced)
    assert bound.gain is None


def test_a_knob_at_the_end_of_its_range_is_told_where_more_would_be_better() -> None:
    best = Configuration(values={"workers": 4, "cpu": "2", "nothing": "a"})
    found = edges(SPACE, best, SERVER, MOST)
    assert [(one.knob, one.value, one.end) for one in found] == [("workers", 4, "greatest"), ("cpu", "2", "greatest")]
    assert edges(SPACE, BASELINE, SERVER, MOST) == ()


def test_costs_are_exact_whatever_is_believed_of_the_rest() -> None:
    beliefs = Exact(
        SERVER, "cost", lambda configurations: np.array([CORES[str(c.values["cpu"])] for c in configurations])
    )
    belief = beliefs.believe("cost", ALL[:3])
    assert np.exp(belief.mean) == pytest.approx([0.5, 1.0, 2.0])
    assert not belief.sd.any()
    assert not beliefs.joint("cost", ALL[:3])[1].any()
    assert beliefs.knows("cost")
    assert beliefs.believe("throughput", ALL).sd[0] == 0.02


def test_beliefs_are_widened_the_more_the_less_was_measured() -> None:
    assert widening(8) > widening(16) > widening(1000) > 1.0
    widened = Widened(SERVER, 2.0)
    assert widened.believe("throughput", ALL).sd[0] == pytest.approx(0.04)
    assert widened.joint("throughput", ALL)[1][0, 0] == pytest.approx(0.0016)


def prediction(configuration: Configuration):  # type: ignore[no-untyped-def]
    return predict(
        configuration,
        beliefs=SERVER,
        noise_sd={"throughput": 0.1},
        metrics=["throughput", "latency_p99", "memory"],
        slo=SPACE.slo,
        lives=0.8,
        encoding=Encoding(SPACE),
        observations=observed(8),
    )


def test_a_prediction_of_what_nobody_tried() -> None:
    found = prediction(Configuration(values={"workers": 4, "cpu": "1", "nothing": "a"}))
    assert list(found.metrics) == ["throughput", "latency_p99"]
    assert found.metrics["throughput"].value == pytest.approx(400.0)
    assert found.starts["throughput"].high > found.metrics["throughput"].high
    assert found.meets == pytest.approx(0.0, abs=1e-6)
    assert found.lives == 0.8
    assert found.nearest is not None
    assert dict(found.nearest.differs) == {"workers": (4, 3)}
    assert 0.0 < found.nearest.distance < 1.0
    assert found.nearest.measured["throughput"] == pytest.approx(300.0)


def test_a_prediction_of_what_was_tried_says_so() -> None:
    found = prediction(ALL[2])
    assert found.nearest is not None
    assert (dict(found.nearest.differs), found.nearest.distance, found.nearest.starts) == ({}, 0.0, 1)
