"""What the model sees: numbers that rise from 0 to 1 with the value, real words, and what this field knows."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.builders import parameter, space_of
from tuner.search.candidates import Candidates, levels
from tuner.search.encoding import NEUTRAL, Encoding
from tuner.space.model import Choices, Condition, Configuration, Domain, FloatRange, IntRange, Parameter
from tuner.space.values import Value

WORKERS = parameter("workers", IntRange(low=1, high=8), "env/GUNICORN_WORKERS")
THREADS = parameter("threads", IntRange(low=1, high=4), "env/GUNICORN_THREADS")
REPLICAS = parameter("pods", IntRange(low=1, high=2), "replicas")
CPU = parameter("cpu", Choices(values=("500m", "1", "2")), "limits/cpu", "requests/cpu")
MEMORY = parameter("memory", Choices(values=("256Mi", "1Gi")), "limits/memory")


def numbers(domain: Domain, *values: Value) -> list[float]:
    space = space_of([parameter("x", domain)])
    points = Encoding(space).points([Configuration(values={"x": value}) for value in values])
    assert points.number_names == ("x",)
    return [float(place) for place in points.numbers[:, 0]]


def derived(parameters: list[Parameter], **values: Value) -> dict[str, float]:
    points = Encoding(space_of(parameters)).points([Configuration(values=values)])
    return dict(zip(points.derived_names, points.derived[0].tolist(), strict=True))


@st.composite
def ranges(draw: st.DrawFn) -> Domain:
    if draw(st.booleans()):
        low = draw(st.integers(-100, 1000))
        high, step = low + draw(st.integers(0, 5000)), draw(st.integers(1, 7))
        return IntRange(low=low, high=high, step=step, log=low > 0 and step == 1 and draw(st.booleans()))
    low_float = draw(st.floats(-1e3, 1e6))
    high_float = low_float + draw(st.floats(1e-3, 1e6))
    assume(high_float > low_float)
    return FloatRange(low=low_float, high=high_float, log=low_float > 0 and draw(st.booleans()))


@given(ranges())
def test_numbers_rise_from_0_to_1_over_their_domain(domain: Domain) -> None:
    places = numbers(domain, *levels(domain))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in places)
    assert all(one < other for one, other in pairwise(places))


@given(st.lists(st.sampled_from(["100m", "500m", "1", "2500m", 3, 4.5, "64Mi", "1Gi", "2G"]), unique=True, min_size=1))
def test_quantities_rise_whatever_their_spelling_and_order(values: list[Value]) -> None:
    order = ["100m", "500m", "1", "2500m", 3, 4.5, "64Mi", "1Gi", "2G"]
    places = numbers(Choices(values=tuple(values)), *sorted(values, key=order.index))
    assert all(0 <= place <= 1 for place in places)
    assert all(one < other for one, other in pairwise(places))


@pytest.mark.parametrize(
    ("domain", "values", "places"),
    [
        (IntRange(low=1, high=4), (1, 2, 4), [0, 0.5, 1]),
        (IntRange(low=1, high=3), (1, 2, 3), [0, 0.5, 1]),
        (IntRange(low=2, high=6, log=True), (2, 6), [0, 1]),
        (IntRange(low=0, high=7), (0, 1, 3, 7), [0, 1 / 3, 2 / 3, 1]),
        (IntRange(low=-4, high=4), (-4, 0, 4), [0, 0.5, 1]),
        (FloatRange(low=0.0, high=1.0), (0.0, 0.25, 1.0), [0, 0.25, 1]),
        (FloatRange(low=0.5, high=0.9), (0.5, 0.7, 0.9), [0, 0.5, 1]),
        (Choices(values=(100, 10, 1000)), (10, 100, 1000), [0, 0.5, 1]),
        (Choices(values=("50ms", "5s", "500ms")), ("50ms", "500ms", "5s"), [0, 0.5, 1]),
        (Choices(values=("1m", "1h", "60m")), ("1m", "60m", "1h"), [0, 1, 1]),
        (Choices(values=("1", "1000m")), ("1", "1000m"), [0.5, 0.5]),
    ],
)
def test_the_natural_scale(domain: Domain, values: tuple[Value, ...], places: list[float]) -> None:
    assert numbers(domain, *values) == pytest.approx(places)


def test_a_value_outside_its_domain_lies_beyond_but_not_far() -> None:
    low, near, high = numbers(IntRange(low=2, high=16), 1, 20, 10**6)
    assert low == pytest.approx(-1 / 3)
    assert 1.0 < near < high == 1.5
    assert numbers(IntRange(low=2, high=16), 0, "unset") == [-0.5, NEUTRAL]


def test_of_few_values_each_may_be_anything_of_many_it_lies_between_its_neighbours() -> None:
    parameters = [
        parameter("few", Choices(values=(1, 2, 3, 6)), "env/FEW"),
        parameter("ten", IntRange(low=1, high=10), "env/TEN"),
        parameter("many", IntRange(low=1, high=100), "env/MANY"),
        parameter("all", FloatRange(low=0.1, high=1.0), "env/ALL"),
        parameter("word", Choices(values=("a", "b")), "env/WORD"),
    ]
    few, ten, many, continuous = Encoding(space_of(parameters)).points([]).uneven
    assert few == 0.15
    assert ten == pytest.approx(0.025)
    assert many < 0.001
    assert continuous == 0.0


def test_words_and_truth_values_are_places_among_the_choices() -> None:
    space = space_of(
        [parameter("kind", Choices(values=("sync", "gthread"))), parameter("on", Choices(values=(True, False)))]
    )
    points = Encoding(space).points(
        [
            Configuration(values={"kind": "gthread", "on": True}),
            Configuration(values={"kind": "eventlet", "on": False}),
            Configuration(values={"on": 1}),
        ]
    )
    assert (points.number_names, points.word_names) == ((), ("kind", "on"))
    assert points.words.tolist() == [[1, 0], [2, 1], [-1, 2]]
    assert points.words.dtype == np.int64
    assert points.numbers.shape == (3, 0)


def test_numbers_with_a_word_among_them_are_both() -> None:
    space = space_of([parameter("batch", Choices(values=("auto", 1, 8, 64)))])
    points = Encoding(space).points(
        [Configuration(values={"batch": value}) for value in ("auto", 1, 8, 64, "other", 2)]
    )
    assert points.numbers[:, 0].tolist() == pytest.approx([NEUTRAL, 0, 0.5, 1, NEUTRAL, 1 / 6])
    assert points.words[:, 0].tolist() == [1, 0, 0, 0, 2, 0]


def test_what_does_not_exist_is_neutral_and_says_so() -> None:
    mode = parameter("mode", Choices(values=("single", "pooled")))
    pool = parameter("pool", IntRange(low=1, high=64), when=Condition(parameter="mode", values=("pooled",)))
    points = Encoding(space_of([pool, mode])).points(
        [Configuration(values={"mode": "single"}), Configuration(values={"mode": "pooled", "pool": 64})]
    )
    assert points.numbers.tolist() == [[NEUTRAL], [1.0]]
    assert dict(zip(points.word_names, points.words.T.tolist(), strict=True)) == {"pool": [-1, 0], "mode": [0, 1]}


def test_what_this_field_knows() -> None:
    every = [WORKERS, THREADS, REPLICAS, CPU, MEMORY]
    found = derived(every, workers=4, threads=4, pods=2, cpu="2", memory="1Gi")
    assert found == pytest.approx(
        {"concurrency": 5 / 6, "cpu a worker": 3 / 5, "memory a worker": 3 / 5, "total cpu": 1.0}
    )
    assert derived(every, workers=8, threads=4, pods=2, cpu="500m", memory="256Mi") == pytest.approx(
        {"concurrency": 1.0, "cpu a worker": 0.0, "memory a worker": 0.0, "total cpu": 1 / 3}
    )


def test_equal_products_are_equal() -> None:
    found = [derived([WORKERS, THREADS], workers=w, threads=t)["concurrency"] for w, t in ((2, 4), (4, 2), (8, 1))]
    assert found == pytest.approx([3 / 5] * 3)


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ([WORKERS], ()),
        ([WORKERS, CPU], ("cpu a worker",)),
        ([CPU, REPLICAS], ("total cpu",)),
        ([parameter("parallel", IntRange(low=0, high=4), "env/MLSERVER_PARALLEL_WORKERS"), CPU], ("cpu a worker",)),
        ([parameter("w", IntRange(low=1, high=4), "args/-w"), CPU], ("cpu a worker",)),
        ([parameter("p", IntRange(low=1, high=4), "env/WEB_CONCURRENCY"), CPU], ("cpu a worker",)),
        ([parameter("omp", IntRange(low=1, high=4), "env/OMP_NUM_THREADS"), WORKERS], ()),
        ([parameter("maxWorkers", IntRange(low=1, high=4)), CPU], ()),
        ([parameter("num_workers", IntRange(low=1, high=4)), parameter("cores", IntRange(low=1, high=4))], ("cpu a worker",)),
        ([parameter("c", Choices(values=("1", "2")), "path:/spec/predictor/model/resources/limits/cpu"), WORKERS], ("cpu a worker",)),
        ([parameter("spouts", IntRange(low=1, high=4)), parameter("heap", IntRange(low=1, high=4))], ()),
        ([parameter("cpu", Choices(values=("few", "many"))), WORKERS], ()),
    ],
)  # fmt: skip
def test_roles_are_found_where_they_can_be_recognised(parameters: list[Parameter], names: tuple[str, ...]) -> None:
    assert Encoding(space_of(parameters)).points([]).derived_names == names


def test_no_worker_of_its_own_is_one_process() -> None:
    parallel = parameter("parallel", IntRange(low=0, high=4), "env/MLSERVER_PARALLEL_WORKERS")
    assert derived([parallel, CPU], parallel=0, cpu="1") == derived([parallel, CPU], parallel=1, cpu="1")


@given(st.data())
def test_derived_features_are_from_0_to_1_over_the_space(data: st.DataObject) -> None:
    every = [WORKERS, THREADS, REPLICAS, CPU, MEMORY]
    chosen = data.draw(st.lists(st.sampled_from(every), unique=True, min_size=2))
    space = space_of(chosen)
    points = Encoding(space).points(Candidates(space).listed)
    if points.derived_names:
        assert points.derived.min(axis=0) == pytest.approx(0.0)
        assert points.derived.max(axis=0) == pytest.approx(1.0)


def test_candidates_are_encoded_once() -> None:
    space = space_of([WORKERS, CPU])
    encoding, listed = Encoding(space), Candidates(space).listed
    points = encoding.points(listed)
    assert encoding.points(listed) is points
    assert encoding.points(list(listed)) is not points
    assert all(math.isfinite(place) for place in points.numbers.ravel())


def test_a_row_does_not_depend_on_the_others() -> None:
    space = space_of([WORKERS, CPU, parameter("kind", Choices(values=("sync", "gthread")))])
    encoding, listed = Encoding(space), Candidates(space).listed
    whole: Any = encoding.points(listed)
    for at in (0, 5, len(listed) - 1):
        one = encoding.points([listed[at]])
        assert len(one) == 1
        assert (one.numbers[0] == whole.numbers[at]).all()
        assert (one.words[0] == whole.words[at]).all()
        assert (one.derived[0] == whole.derived[at]).all()
