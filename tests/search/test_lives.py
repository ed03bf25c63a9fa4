"""What starts and lives: likely by its neighbours, and certain where more or less of something only makes it worse."""

from __future__ import annotations

import numpy as np
import pytest

from tests.builders import parameter, space_of
from tuner.search.candidates import Candidates
from tuner.search.encoding import Encoding
from tuner.search.lives import Lives
from tuner.search.model import Observation
from tuner.space.model import Choices, Configuration, IntRange, SearchSpace
from tuner.space.values import Value

SPACE = space_of(
    [
        parameter("workers", IntRange(low=1, high=8), "env/GUNICORN_WORKERS"),
        parameter("kind", Choices(values=("sync", "gthread")), "args/--worker-class"),
        parameter("pods", IntRange(low=1, high=3), "replicas"),
        parameter("cpu", Choices(values=("500m", "1", "2", "4")), "limits/cpu", "requests/cpu"),
        parameter("memory", Choices(values=("256Mi", "512Mi", "1Gi", "2Gi")), "limits/memory", "requests/memory"),
    ]
)
MIDDLE: dict[str, Value] = {"workers": 4, "kind": "sync", "pods": 2, "cpu": "1", "memory": "512Mi"}


def at(**changes: Value) -> Configuration:
    return Configuration(values=MIDDLE | changes)


def died(failure: str, **changes: Value) -> Observation:
    return Observation(configuration=at(**changes), lived=False, failure=failure)


def lived(**changes: Value) -> Observation:
    return Observation(configuration=at(**changes))


def known(*observations: Observation, space: SearchSpace = SPACE) -> Lives:
    return Lives.fit(Encoding(space), observations)


def doomed(lives: Lives, **changes: Value) -> bool:
    return bool(lives.doomed([at(**changes)])[0])


def test_all_live_until_one_died() -> None:
    lives = known(lived(), Observation(configuration=at(workers=8), lived=None))
    assert lives.probability([at(), at(workers=8)]).tolist() == [1.0, 1.0]
    assert lives.pruned(Candidates(SPACE).listed) == {}


def test_what_died_of_memory_dies_with_less_and_with_more_workers() -> None:
    lives = known(died("OOMKilled"), lived(memory="2Gi"))
    assert doomed(lives)
    assert doomed(lives, memory="256Mi")
    assert doomed(lives, workers=8)
    assert doomed(lives, memory="256Mi", workers=5)
    assert not doomed(lives, memory="1Gi")
    assert not doomed(lives, workers=3)
    assert not doomed(lives, kind="gthread", memory="256Mi")
    assert not doomed(lives, pods=1)
    assert lives.probability([at(memory="256Mi")]).tolist() == [0.0]
    assert lives.pruned(Candidates(SPACE).listed) == {"OOMKilled, and it has no more memory": 2 * 5}


def test_what_found_no_room_finds_none_for_more() -> None:
    lives = known(died("Unschedulable"))
    assert doomed(lives, cpu="2", pods=3, memory="2Gi", workers=1, kind="gthread")
    assert not doomed(lives, cpu="500m")
    assert not doomed(lives, pods=1)
    assert not doomed(lives, memory="256Mi", cpu="4")
    assert lives.pruned(Candidates(SPACE).listed) == {"Unschedulable, and it asks for no less": 8 * 2 * 2 * 3 * 3}


def test_more_threads_need_no_less_memory() -> None:
    threads = parameter("threads", IntRange(low=1, high=8), "env/GUNICORN_THREADS")
    memory = parameter("memory", Choices(values=("256Mi", "512Mi")), "limits/memory")
    lives = known(
        Observation(
            configuration=Configuration(values={"threads": 4, "memory": "256Mi"}), lived=False, failure="OOMKilled"
        ),
        space=space_of([threads, memory]),
    )
    others = [Configuration(values={"threads": number, "memory": "256Mi"}) for number in (3, 5)]
    assert lives.doomed(others).tolist() == [False, True]


def test_where_nothing_says_what_is_asked_for_no_room_tells_of_nothing_else() -> None:
    """A table of elsewhere may call a variable cpu: more of it need not be more of a machine."""
    space = space_of([parameter("cpu", IntRange(low=1, high=4)), parameter("workers", IntRange(low=1, high=4))])
    death = Observation(
        configuration=Configuration(values={"cpu": 2, "workers": 2}), lived=False, failure="Unschedulable"
    )
    assert not known(death, space=space).doomed(Candidates(space).listed).any()


@pytest.mark.parametrize("failure", ["Infeasible", "Crashed", "NotReady", "WrongAnswer"])
def test_of_other_deaths_nothing_is_certain(failure: str) -> None:
    lives = known(died(failure))
    assert not lives.doomed(Candidates(SPACE).listed).any()
    assert 0.0 < lives.probability([at()])[0] < 0.5


def test_one_that_lived_though_it_was_worse_off_takes_the_certainty_away() -> None:
    lives = known(died("OOMKilled"), lived(memory="256Mi", workers=6))
    assert not lives.doomed(Candidates(SPACE).listed).any()


def test_without_a_memory_of_its_own_nothing_is_certain() -> None:
    space = space_of([parameter("workers", IntRange(low=1, high=8))])
    death = Observation(configuration=Configuration(values={"workers": 4}), lived=False, failure="OOMKilled")
    assert not known(death, space=space).doomed(Candidates(space).listed).any()


def test_a_death_warns_of_its_neighbours_more_than_of_others() -> None:
    lives = known(died("Crashed", memory="256Mi"), lived(memory="1Gi"), lived(memory="2Gi", cpu="4"))
    near, like, far = lives.probability(
        [at(memory="256Mi", workers=5), at(memory="256Mi", cpu="4", pods=1), at(memory="1Gi")]
    )
    assert near < like < far
    assert far > 0.8


def test_a_boundary_is_learned_from_a_dozen() -> None:
    """All with four workers or more for each core crash: told of fourteen, most others are told apart."""
    listed = Candidates(SPACE).listed
    cores = {"500m": 0.5, "1": 1.0, "2": 2.0, "4": 4.0}
    truth = np.array([int(one.values["workers"]) / cores[str(one.values["cpu"])] < 4 for one in listed])
    rng = np.random.default_rng(5)
    told = [
        Observation(configuration=listed[row], lived=bool(truth[row]), failure="" if truth[row] else "Crashed")
        for row in rng.choice(len(listed), 14, replace=False)
    ]
    guessed = Lives.fit(Encoding(SPACE), told).probability(listed) > 0.5
    assert (guessed == truth).mean() > 0.8


def test_many_that_died_and_lived_alike_are_no_certainty() -> None:
    lives = known(*[lived()] * 30, *[died("Crashed")] * 10)
    assert lives.probability([at()])[0] == pytest.approx(0.75, abs=0.05)
    assert lives.probability([]).shape == (0,)
