"""How many configurations a search space has, and which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from tuner.errors import Mistake
from tuner.space.active import exists, in_order
from tuner.space.domain import count, grid
from tuner.space.model import Configuration, Parameter, SearchSpace
from tuner.space.rules import Rule
from tuner.space.values import Value


@dataclass(frozen=True, slots=True)
class Size:
    """`count` configurations; not `exact`: at most so many, since there are too many to try every rule on."""

    count: int
    exact: bool = True

    def __str__(self) -> str:
        return f"{self.count:,}" if self.exact else f"at most {self.count:,}"


def configurations(space: SearchSpace) -> Iterator[Configuration]:
    """Every configuration that meets the rules, the last parameter varying fastest.

    Raises Mistake when a parameter is continuous.
    """
    for values in assignments(in_order(space.parameters), space.rules):
        yield Configuration(values=values)


def size(space: SearchSpace, limit: int = 20_000) -> Size | None:
    """How many configurations there are; None: infinitely many, since a parameter is continuous.

    Parameters that share neither a rule nor a condition multiply; only those that do are enumerated, and those only
    where there are at most `limit` of them: the default takes well under a second.
    """
    parameters = in_order(space.parameters)
    if any(count(parameter.domain) is None for parameter in parameters):
        return None
    total, exact = 1, True
    for group, rules in groups(parameters, space.rules):
        bound = _without_rules(group)
        if rules and bound <= limit:
            total *= sum(1 for _ in assignments(group, rules))
        else:
            total, exact = total * bound, exact and not rules
    return Size(total, exact)


def assignments(parameters: Sequence[Parameter], rules: Sequence[Rule]) -> Iterator[dict[str, Value]]:
    """Depth first; a rule is tried as soon as the last of its parameters has its value, so that it prunes early."""
    position = {parameter.name: index for index, parameter in enumerate(parameters)}
    due: dict[int, list[Rule]] = defaultdict(list)
    for rule in rules:
        due[max(position[name] for name in rule.names)].append(rule)
    grids = [_finite_grid(parameter) for parameter in parameters]

    def extend(index: int, values: dict[str, Value]) -> Iterator[dict[str, Value]]:
        if index == len(parameters):
            yield dict(values)
            return
        parameter = parameters[index]
        if not exists(parameter, values):
            yield from extend(index + 1, values)
            return
        for value in grids[index]:
            values[parameter.name] = value
            if all(rule.holds(values) for rule in due[index]):
                yield from extend(index + 1, values)
        values.pop(parameter.name, None)

    return extend(0, {})


def _finite_grid(parameter: Parameter) -> Sequence[Value]:
    values = grid(parameter.domain)
    if values is None:
        raise Mistake(f"{parameter.name!r} is continuous", "give it a step to enumerate its values")
    return values


def groups(parameters: Sequence[Parameter], rules: Sequence[Rule]) -> Iterator[tuple[list[Parameter], list[Rule]]]:
    """Parameters joined by conditions and rules, in order, with the rules that speak of them."""
    group_of: dict[str, set[str]] = {parameter.name: {parameter.name} for parameter in parameters}
    links = [{p.name, p.when.parameter} for p in parameters if p.when is not None] + [set(r.names) for r in rules]
    for link in links:
        joined = set().union(*(group_of[name] for name in link))
        group_of.update(dict.fromkeys(joined, joined))
    for names in {id(group): group for group in group_of.values()}.values():
        yield [p for p in parameters if p.name in names], [rule for rule in rules if rule.names & names]


def _without_rules(parameters: Sequence[Parameter]) -> int:
    """The exact number where no rule applies: each value of a parameter opens its own branch of dependants."""
    dependants: Mapping[str | None, list[Parameter]] = defaultdict(list)
    for parameter in parameters:
        dependants[parameter.when.parameter if parameter.when else None].append(parameter)

    def below(parameter: Parameter) -> int:
        """Assignments of it and all that depends on it, where it exists."""
        children = dependants[parameter.name]
        number = count(parameter.domain) or 0
        opened = {value for child in children if child.when for value in child.when.values}
        branches = [[child for child in children if child.when and value in child.when.values] for value in opened]
        return number - len(opened) + sum(prod(map(below, branch)) for branch in branches)

    return prod(map(below, dependants[None]))
