"""Earlier studies in today's terms: what is taken over, what is not, and that it is said why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.builders import parameter, study_start
from tests.study.world import CPU, P99, WORKERS, space_of
from tuner.search.model import Observation
from tuner.space.model import Condition, Configuration, Constraint, IntRange, Prices, SearchSpace
from tuner.space.values import Value
from tuner.study.warm import Terms, earlier_study, from_earlier
from tuner.trials.codec import decode, encode
from tuner.trials.model import EarlierStudy, StudyStart
from tuner.workload.model import RequestSource, WorkloadSpec

THREADS = parameter("threads", IntRange(low=1, high=8))
METRICS = {"throughput": 100.0, "latency_p99": 0.05, "cost": 0.1, "startup": 2.0}
NOTHING = Configuration(values={})


def terms(space: SearchSpace, **changes: Any) -> Terms:
    values: dict[str, Any] = {
        "space": space,
        "rate_rps": 100.0,
        "backend": "process",
        "machine": {"processor": "a"},
        "manifest": "kind: Deployment",
    }
    return Terms(**(values | changes))


def observed(metrics: Mapping[str, float] = METRICS, **values: Value) -> Observation:
    return Observation(configuration=Configuration(values=values), metrics=metrics, at_s=30.0, speed=0.9)


def taken_over(
    *observations: Observation,
    then: Terms | None = None,
    now: Terms | None = None,
    new: Configuration = NOTHING,
    gone: Configuration = NOTHING,
) -> EarlierStudy:
    space = space_of()
    return earlier_study(
        study_start(name="before"),
        observations,
        then=then or terms(space),
        now=now or terms(space),
        new=new,
        gone=gone,
    )


def test_of_the_same_space_everything_is_taken_over() -> None:
    found = taken_over(
        observed(workers=2, cpu="1"),
        Observation(
            configuration=Configuration(values={"workers": 8, "cpu": "500m"}), lived=False, failure="OOMKilled"
        ),
    )
    assert found.told == ()
    assert [dict(one.configuration.values) for one in found.trials] == [
        {"workers": 2, "cpu": "1"},
        {"workers": 8, "cpu": "500m"},
    ]
    assert found.trials[0].metrics == METRICS
    assert (found.trials[0].speed, found.trials[1].lived, found.trials[1].failure) == (0.9, False, "OOMKilled")


def test_what_an_earlier_study_had_taken_over_and_what_is_not_finished_is_left_out() -> None:
    second_hand = replace(observed(workers=2, cpu="1"), source="older")
    under_way = Observation(configuration=Configuration(values={"workers": 2, "cpu": "2"}), lived=None)
    assert taken_over(second_hand, under_way).trials == ()


def test_a_parameter_that_is_new_has_the_value_of_the_manifest_then() -> None:
    now = space_of((WORKERS, CPU, THREADS))
    found = taken_over(
        observed(workers=2, cpu="1"), now=terms(now), new=Configuration(values={"workers": 1, "threads": 4})
    )
    assert dict(found.trials[0].configuration.values) == {"workers": 2, "cpu": "1", "threads": 4}
    assert found.told == ("threads is new: it was 4 in the manifest then",)


def test_of_one_that_is_gone_only_trials_with_the_value_of_today_count() -> None:
    then = space_of((WORKERS, CPU, THREADS))
    found = taken_over(
        observed(workers=2, cpu="1", threads=4),
        observed(workers=3, cpu="1", threads=1),
        then=terms(then),
        gone=Configuration(values={"threads": 1}),
    )
    assert [dict(one.configuration.values) for one in found.trials] == [{"workers": 3, "cpu": "1"}]
    assert found.told == (
        "threads is no longer tuned: trials count where it was 1, as today",
        "1 of 2 trials are left out for that",
    )


def test_values_are_spelt_as_today_and_those_not_offered_today_are_told_all_the_same() -> None:
    found = taken_over(observed(workers=99, cpu="1000m"))
    assert dict(found.trials[0].configuration.values) == {"workers": 99, "cpu": "1"}
    assert found.told == ("values of workers that are not offered today are learned from all the same",)


def test_a_parameter_that_does_not_exist_there_today_is_left_out() -> None:
    only = replace(THREADS, when=Condition(parameter="cpu", values=("2",)))
    now = space_of((WORKERS, CPU, only))
    found = taken_over(observed(workers=2, cpu="1"), now=terms(now), new=Configuration(values={"threads": 4}))
    assert dict(found.trials[0].configuration.values) == {"workers": 2, "cpu": "1"}


def test_at_another_rate_only_what_does_not_depend_on_it_is_used() -> None:
    found = taken_over(observed(workers=2, cpu="1"), now=terms(space_of(), rate_rps=200.0))
    assert set(found.trials[0].metrics) == {"throughput", "cost", "startup"}
    assert found.told == ("the common rate was 100/s, and is 200/s: what was measured at it is not used",)


def test_with_another_slo_throughput_is_not_used() -> None:
    now = space_of(slo=(replace(P99, bound=0.2),))
    found = taken_over(observed(workers=2, cpu="1"), now=terms(now))
    assert set(found.trials[0].metrics) == {"latency_p99", "cost", "startup"}
    assert found.told == ("the SLO was another: throughput, the highest rate that meets it, is not used",)
    same = space_of(slo=(P99, Constraint(metric="error_ratio", bound=0.1)))
    assert taken_over(observed(workers=2, cpu="1"), then=terms(same), now=terms(same)).told == ()


def test_with_other_prices_cost_is_not_used() -> None:
    found = taken_over(observed(workers=2, cpu="1"), now=terms(space_of(prices=Prices(core_hour=1.0))))
    assert "cost" not in found.trials[0].metrics


def test_under_another_load_only_starts_are_learned_from(tmp_path: Path) -> None:
    bodies = []
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
        bodies.append(WorkloadSpec(protocol="http", requests=(RequestSource(path=tmp_path / name),)))
    then, now = (terms(space_of(workload=body)) for body in bodies)
    found = taken_over(observed(workers=2, cpu="1"), then=then, now=now)
    assert set(found.trials[0].metrics) == {"startup"}
    assert found.told[0].startswith("the load was another (requests): only start-up times")
    (tmp_path / "b").write_text("a")
    assert set(taken_over(observed(workers=2, cpu="1"), then=then, now=now).trials[0].metrics) == set(METRICS)


def test_another_machine_or_manifest_is_said() -> None:
    found = taken_over(observed(workers=2, cpu="1"), now=terms(space_of(), machine={"processor": "b"}, manifest="{}"))
    assert found.told == (
        "processor was a, and is b: what contradicts today's trials counts less",
        "the manifest was another: what contradicts today's trials counts less",
    )
    assert set(found.trials[0].metrics) == set(METRICS)


def test_the_first_line_keeps_it_and_it_comes_back_with_its_source() -> None:
    found = taken_over(replace(observed(workers=2, cpu="1"), beyond=frozenset({"throughput"})))
    start = study_start(warm_start=(found,))
    assert decode(StudyStart, encode(start)) == start
    (back,) = from_earlier(start)
    assert back.source == f"before {found.study_id}"
    assert (back.beyond, back.metrics, back.lived) == (frozenset({"throughput"}), METRICS, True)
    assert "warm_start" not in encode(study_start())
