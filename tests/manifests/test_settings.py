"""Configurations as they are written on a command line."""

from __future__ import annotations

import pytest

from tests.cli.tune import TOY
from tuner.errors import InputError
from tuner.manifests.settings import with_settings
from tuner.space.model import Configuration
from tuner.targets.inputs import read_inputs


def configured(text: str) -> Configuration:
    toy = read_inputs(TOY, "process")
    return with_settings(toy.space, toy.baseline, text, f"toy@{text}")


def test_the_rest_is_as_in_the_baseline() -> None:
    found = dict(configured("workers=3, service=8").values)
    assert found == {"cpu": "500m", "memory": "64Mi", "replicas": 1, "service": "8", "workers": 3}


def test_quantities_are_those_of_the_domain() -> None:
    assert configured("cpu=0.25").values["cpu"] == "250m"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wrokers=3", "'wrokers' is no parameter of toy; did you mean 'workers'?"),
        ("workers=9", "workers cannot be '9'; it is a whole number from 1 to 4"),
        ("workers=two", "workers cannot be 'two'"),
        ("service=3", "it is one of 2, 4, 8"),
        ("workers=4,replicas=2", "the rule 'workers * replicas <= 6' forbids it"),
        ("workers=3,cpu", "'cpu' is not NAME=VALUE; write cpu=VALUE"),
        ("", "'' is not NAME=VALUE; write for example workers=VALUE"),
        ("workers=3,workers=2", "workers is given twice; give it once"),
    ],
)
def test_what_cannot_be(text: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        configured(text)
    assert said in str(refused.value)
    assert f"toy@{text}" in str(refused.value)


def test_all_problems_at_once() -> None:
    with pytest.raises(InputError) as refused:
        configured("wrokers=3,service=3")
    assert len(refused.value.problems) == 2
