"""Configurations the user knows: what a file says of them in part, filled from the manifest as it stands, and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tuner.errors import Mistake, Problem
from tuner.space.active import active, exists, in_order
from tuner.space.domain import contains, in_words
from tuner.space.model import Configuration, Parameter, SearchSpace
from tuner.space.values import Value


def known(space: SearchSpace, baseline: Configuration) -> tuple[Configuration, ...]:
    """The known configurations, in the file's order, each once. Raises Mistake for one that `problems` tells of."""
    found = {one.digest: one for point in space.known for one in [filled(space, point.values, baseline)]}
    return tuple(found.values())


def problems(space: SearchSpace, baseline: Configuration) -> Iterator[Problem]:
    """What is wrong with known configurations once the manifest's values are filled in."""
    for point in space.known:
        try:
            filled(space, point.values, baseline)
        except Mistake as error:
            yield error.at(point.where, "known")


def filled(space: SearchSpace, said: Mapping[str, Value], rest: Configuration) -> Configuration:
    """What is said, which names parameters of the space and values of theirs, and of `rest` what it leaves open.

    Raises Mistake where that is no configuration of the space: a parameter is said that does not exist there, one that
    exists has no value, or a value that is not offered, or a rule is broken.
    """
    values = active(space.parameters, {**rest.values, **said})
    for name in said:
        if name not in values:
            raise Mistake(f"{name} does not exist there{_condition(space.parameter(name))}", f"leave {name} out")
    for parameter in in_order(space.parameters):
        if parameter.name in said or not exists(parameter, values):
            continue
        if parameter.name not in values:
            message = f"{parameter.name} is left open, and has no value in what it is filled from"
            raise Mistake(message, f"add {parameter.name}: {in_words(parameter.domain)}")
        if not contains(parameter.domain, values[parameter.name]):
            message = f"{parameter.name} is left open, and {values[parameter.name]} of the manifest is not offered"
            raise Mistake(message, f"add {parameter.name}: {in_words(parameter.domain)}")
    for rule in space.rules:
        if not rule.holds(values):
            given = ", ".join(f"{name}={values[name]}" for name in sorted(rule.names))
            raise Mistake(f"{given} breaks the rule {rule.text}", "correct it, or loosen the rule")
    return Configuration(values=values)


def _condition(parameter: Parameter) -> str:
    when = parameter.when
    return "" if when is None else f": only where {when.parameter} is {' or '.join(map(str, when.values))}"
