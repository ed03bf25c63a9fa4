from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from tests import builders
from tests.builders import parameter
from tests.record import examples
from tuner.record.mlflow.params import knob_params, longest, numbers, safe, varying
from tuner.space.model import Choices, Configuration, FloatRange, IntRange
from tuner.space.values import Value

CPU = parameter("cpu", Choices(values=("500m", 1)), "limits/cpu")
MEMORY = parameter("memory", Choices(values=("256Mi", "1Gi")), "limits/memory")
CACHE = parameter("cache", Choices(values=("64Mi", "1G")), "args/--cache")
MODE = parameter("mode", Choices(values=("on", "off")), "env/MODE")
ONE = parameter("one", IntRange(low=3, high=3), "env/ONE")


def params(**values: Value) -> dict[str, str]:
    return knob_params(Configuration(values=values), (CPU, MEMORY, CACHE, MODE))


def test_a_quantity_is_a_number_beside_its_text() -> None:
    assert params(cpu="500m") == {"cpu": "500m", "cpu_cores": "0.5"}
    assert params(cpu=1) == {"cpu": "1", "cpu_cores": "1"}
    assert params(memory="1Gi") == {"memory": "1Gi", "memory_mib": "1024"}
    assert params(cache="1G") == {"cache": "1G", "cache_mib": "953.674"}


def test_what_is_no_quantity_stands_alone() -> None:
    assert params(mode="on", workers=3, rate=0.25, verbose=True, wait="100m") == {
        "mode": "on",
        "workers": "3",
        "rate": "0.25",
        "verbose": "True",
        "wait": "100m",
    }


def test_a_knob_that_has_the_name_of_a_number_keeps_it() -> None:
    assert params(cpu="500m", cpu_cores=3) == {"cpu": "500m", "cpu_cores": "3"}


@given(st.text(min_size=1))
def test_any_name_is_made_safe(name: str) -> None:
    assert re.fullmatch(r"[\w.\-]+", safe(name))


def test_knobs_of_one_value_do_not_vary() -> None:
    space = builders.space_of([CPU, MEMORY, ONE, MODE], name="iris", file=examples.space().file)
    assert [one.name for one in varying(space)] == ["cpu", "memory", "mode"]
    assert numbers(space) == ["cpu_cores", "memory_mib", "mode"]


def test_the_longest_value_is_known() -> None:
    assert longest(CPU) == 4
    assert longest(parameter("n", IntRange(low=1, high=1000), "env/N")) == 4
    assert longest(parameter("x", FloatRange(low=0.125, high=1.0), "env/X")) == 5
