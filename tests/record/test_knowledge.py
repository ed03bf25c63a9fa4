"""What was learned, in lines: from the plain JSON that the journal holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tuner.record.knowledge import knowledge_lines, prediction_lines
from tuner.report.data import plain
from tuner.search.binding import Bound, Edge
from tuner.search.importance import Importance, Interaction, Share
from tuner.search.knowledge import Knowledge, OfMetric
from tuner.search.prediction import Near, Prediction
from tuner.search.worth import Believed, Change, Step
from tuner.space.model import Configuration

SHARE = Share(value=0.62, low=0.4, high=0.8)
SMALL = Share(value=0.01, low=0.0, high=0.03)
KNOWN = Knowledge(
    configurations=12,
    too_few="",
    matters=(
        OfMetric(
            metric="throughput",
            knobs=(
                Importance(knob="workers", alone=SHARE, in_all=SHARE),
                Importance(knob="memory", alone=SMALL, in_all=SMALL),
            ),
            pairs=(Interaction(knobs=("workers", "cpu"), share=Share(value=0.1, low=0.0, high=0.3)),),
            noise=1.05,
            others={"fANOVA": {"workers": 0.7, "memory": 0.01}},
        ),
    ),
    bounds=(
        Bound(
            metric="latency_p99",
            bound=0.1,
            at_least=False,
            believed=Believed(value=0.09, low=0.08, high=0.105),
            probability=0.88,
            objective="throughput",
            gain=1.25,
        ),
        Bound(
            metric="error_ratio",
            bound=0.001,
            at_least=False,
            believed=Believed(value=1e-4, low=1e-4, high=1.01e-4),
            probability=1.0,
            objective=None,
            gain=None,
        ),
    ),
    edges=(Edge(knob="workers", value=4, end="greatest", objective="throughput", probability=0.97),),
    steps=(
        Step(
            knobs={"workers": (1, 4), "batching": (None, True)},
            changes=(
                Change(
                    metric="throughput",
                    before=Believed(value=100.0, low=90.0, high=110.0),
                    after=Believed(value=155.0, low=140.0, high=170.0),
                    ratio=Believed(value=1.55, low=1.2, high=12.0),
                    measured=1.48,
                ),
                Change(
                    metric="cost",
                    before=Believed(value=0.03, low=0.03, high=0.03),
                    after=Believed(value=0.03, low=0.03, high=0.03),
                    ratio=Believed(value=1.0, low=1.0, high=1.0),
                    measured=1.0,
                ),
            ),
            allowed=False,
        ),
    ),
)


def as_written(value: Any) -> Mapping[str, Any]:
    """As it comes back from the journal."""
    found: Mapping[str, Any] = json.loads(json.dumps(plain(value)))
    return found


def test_too_few_trials_are_one_line() -> None:
    few = Knowledge(configurations=2, too_few="2 configurations were measured; which knobs mattered shows from 6 on")
    assert knowledge_lines(as_written(few), "USD") == [
        "which knobs mattered: 2 configurations were measured; which knobs mattered shows from 6 on"
    ]


def test_all_that_was_learned() -> None:
    move = "workers 1 -> 4, batching nothing -> true"
    assert knowledge_lines(as_written(KNOWN), "EUR") == [
        "what mattered, by the model after 12 configurations: shares of the variance (90 % intervals)",
        "  throughput  workers  ████████████▍         62 % (40-80)",
        "              only together: workers and cpu 10 % (0-30)",
        "              Optuna's fANOVA: workers 70 %",
        "from the baseline to the choice, by what is believed of a quiet machine (90 % intervals):",
        f"  {move}  throughput 100/s -> 155/s, +55 % (+20 % to x 12); measured +48 %  (on the way only: it breaks a rule)",
        "what holds the choice:",
        "  latency_p99 <= 100 ms: believed 90 ms, 80 ms to 105 ms, met with a probability of 88 %; without this bound "
        "throughput could be 25 % better",
        "  error_ratio <= 0.1 %: believed under 0.01 %, met with a probability of > 99 %",
        "  workers=4 is the greatest value offered, and throughput is believed to get better towards it (probability "
        "97 %): a wider range may hold more",
    ]


def test_steps_that_bring_nothing_share_a_line() -> None:
    nothing = Change(
        metric="cost",
        before=Believed(value=0.03, low=0.03, high=0.03),
        after=Believed(value=0.03, low=0.03, high=0.03),
        ratio=Believed(value=1.0, low=1.0, high=1.0),
        measured=None,
    )
    steps = tuple(Step(knobs={f"knob{n}": (n, n + 1)}, changes=(nothing,), allowed=True) for n in range(3))
    lines = knowledge_lines(as_written(replace(KNOWN, steps=(*KNOWN.steps, *steps))), "EUR")
    assert "  nothing to speak of: knob0 0 -> 1; knob1 1 -> 2; knob2 2 -> 3" in lines


def prediction(**changes: Any) -> Mapping[str, Any]:
    values: dict[str, Any] = {
        "configuration": Configuration(values={"workers": 3, "batching": True}),
        "metrics": {
            "throughput": Believed(value=150.0, low=120.0, high=190.0),
            "cost": Believed(value=0.03, low=0.02, high=0.04),
        },
        "starts": {
            "throughput": Believed(value=150.0, low=100.0, high=220.0),
            "cost": Believed(value=0.03, low=0.02, high=0.04),
        },
        "meets": 0.7,
        "lives": 0.95,
        "nearest": Near(
            configuration=Configuration(values={"workers": 2, "batching": True}),
            differs={"workers": (3, 2)},
            distance=0.3,
            measured={"throughput": 110.0},
            starts=2,
        ),
    }
    told = {"said": "workers=3", "rest": "the choice, trial 4", "cost_known": 0.032, "currency": "EUR"}
    return {**as_written(Prediction(**(values | changes))), **told}


def test_a_prediction() -> None:
    assert prediction_lines(prediction()) == [
        "predicted: batching=true workers=3",
        "what workers=3 leaves open is as in the choice, trial 4",
        "nearest that was tried: workers=2, else the same (2 starts), which measured throughput 110/s",
        "believed of a quiet machine (90 % intervals; in brackets where one start of it would measure):",
        "  throughput  150/s, 120/s to 190/s [100/s to 220/s]",
        "  cost        0.032 EUR/h, known",
        "  meets the SLO with a probability of 70 %",
        "  starts and lives with a probability of 95 %",
    ]


def test_a_prediction_of_what_was_tried() -> None:
    near = Near(
        configuration=Configuration(values={"workers": 3, "batching": True}),
        differs={},
        distance=0.0,
        measured={},
        starts=1,
    )
    assert "it was tried: 1 start" in prediction_lines(prediction(nearest=near))
    assert "nothing was tried yet" in prediction_lines(prediction(nearest=None))


def test_where_no_knob_surely_matters_that_is_said() -> None:
    unsure = Share(value=0.4, low=0.05, high=0.9)
    one = OfMetric(
        metric="throughput",
        knobs=(Importance(knob="workers", alone=unsure, in_all=unsure),),
        pairs=(),
        noise=1.0,
    )
    lines = knowledge_lines(as_written(Knowledge(configurations=6, too_few="", matters=(one,))), "USD")
    assert lines[1:3] == [
        "  throughput  workers  ████████              40 % (5-90)",
        "              which matters most is still open",
    ]
