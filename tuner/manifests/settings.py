"""A configuration as a user writes it: the baseline with some values changed, ``workers=4,cpu=500m``."""

from __future__ import annotations

from tuner.errors import InputError, Problem
from tuner.manifests.baseline import value_of
from tuner.nearest import nearest
from tuner.space.active import active
from tuner.space.domain import contains, in_words
from tuner.space.model import Choices, Configuration, Domain, SearchSpace
from tuner.space.values import Value, same


def with_settings(space: SearchSpace, baseline: Configuration, text: str, said: str) -> Configuration:
    """The baseline with the values that `text` gives: ``NAME=VALUE``, separated by commas, each of its parameter's
    domain; together they meet the rules. `said` is where the user wrote it. Raises InputError with every problem."""
    values: dict[str, Value] = dict(baseline.values)
    problems: list[Problem] = []
    known = {parameter.name: parameter for parameter in space.parameters}
    given: set[str] = set()
    for part in text.split(","):
        name, equals, written = (piece.strip() for piece in part.partition("="))
        if not equals:
            fix = f"write {name}=VALUE" if name in known else f"write for example {next(iter(known), 'NAME')}=VALUE"
            problems.append(Problem.at(said, f"{part!r} is not NAME=VALUE", fix))
            continue
        if name not in known:
            problems.append(Problem.at(said, f"{name!r} is no parameter of {space.name}", nearest(name, known)))
            continue
        if name in given:
            problems.append(Problem.at(said, f"{name} is given twice", "give it once"))
            continue
        given.add(name)
        domain = known[name].domain
        value = _value(domain, written)
        if not contains(domain, value):
            message = f"{name} cannot be {written!r}"
            problems.append(Problem.at(said, message, f"it is {in_words(domain)}"))
            continue
        values[name] = value
    configuration = Configuration(values=active(space.parameters, values))
    lost = [name for name in values if name not in configuration.values and name not in baseline.values]
    problems.extend(
        Problem.at(said, f"{name} does not exist in this configuration", "give what its `when` asks for")
        for name in lost
    )
    problems.extend(
        Problem.at(said, f"the rule {rule.text!r} forbids it", f"see {rule.where}")
        for rule in space.rules
        if not rule.holds(configuration.values)
    )
    if problems:
        raise InputError(problems)
    return configuration


def _value(domain: Domain, text: str) -> Value:
    """Of choices the one that is the same quantity: ``0.5`` is ``500m``."""
    if isinstance(domain, Choices):
        return next((value for value in domain.values if same(value, text)), value_of(domain, text))
    return value_of(domain, text)
