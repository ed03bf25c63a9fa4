"""What holds within and between parameters, and what rules say of them: what no key shows by itself."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from collections.abc import Sequence as SequenceOf
from dataclasses import replace
from itertools import combinations
from math import prod

from tuner.errors import Mistake, Problem, Where
from tuner.nearest import nearest
from tuner.space.active import in_order
from tuner.space.document import Mapping, Scalar, quoted
from tuner.space.domain import count, in_words, number_text, own
from tuner.space.file.models import PARAMETER, ParameterKeys
from tuner.space.model import Choices, Condition, Domain, FloatRange, IntRange, Parameter
from tuner.space.rules import KEYWORDS, Rule, parse_rule
from tuner.space.size import assignments, groups
from tuner.space.values import Value, same
from tuner.units import quantity

MOST_STEPS = 1_000_000
MOST_TRIED = 20_000
"""Combinations tried to find one that meets a rule; where there are more, the rule is given the benefit."""


class Parameters:
    """The parameters of a file. `section` is what the file says, `keys` what of it can be used, `wrong` the names of
    those with a mistake in them already. `problems` are those found here; `sound` the parameters without any."""

    def __init__(
        self, section: Mapping, keys: MappingOf[str, ParameterKeys], wrong: set[str], container: str | None
    ) -> None:
        self.problems: list[Problem] = []
        self.names = list(section)
        """All that are declared."""
        self._section = section
        self._keys = keys
        if not section:
            self._report(section.where, "parameters is empty", f"add at least one, for example {PARAMETER}")
        found = {name: self._parameter(name, name in wrong) for name in section}
        self.sound = self._resolved({name: parameter for name, parameter in found.items() if parameter is not None})
        self._same_targets(container)

    def _report(self, where: Where, message: str, fix: str) -> None:
        self.problems.append(Problem(where=where, message=message, fix=fix))

    def _where(self, name: str, key: str = "") -> Where:
        """Of a parameter, or of a key of it."""
        node = self._section[name]
        return node.keys_at[key] if key and isinstance(node, Mapping) else self._section.keys_at[name]

    def _parameter(self, name: str, is_wrong: bool) -> Parameter | None:
        where, node, before = self._where(name), self._section[name], len(self.problems)
        if not (name.isidentifier() and name.isascii()) or name in KEYWORDS:
            fix = "use letters, digits and _, beginning with a letter, and none of: " + ", ".join(sorted(KEYWORDS))
            self._report(where, f"{name!r} cannot be a parameter's name", fix)
        if not isinstance(node, Mapping) or name not in self._keys:
            return None
        keys = self._keys[name]
        if "set" not in node:
            self._report(node.where, f"{name} lacks 'set'", "say where it is written, for example set: env/NAME")
        targets = tuple(keys.targets or ())
        for text in dict.fromkeys(text for text in targets if targets.count(text) > 1):
            self._report(self._where(name, "set"), f"{name} sets {text} twice", "remove one of them")
        domain = self._domain(name, node, keys)
        if isinstance(domain, Choices):
            self._choices(name, domain, targets)
        if domain is None or is_wrong or len(self.problems) > before:
            return None
        return Parameter(name=name, domain=domain, targets=targets, where=where, container=keys.container)

    def _domain(self, name: str, node: Mapping, keys: ParameterKeys) -> Domain | None:
        kinds = [kind for kind in ("int", "float", "choices") if kind in node]
        if len(kinds) != 1:
            found = f"has both {' and '.join(kinds)}" if kinds else "has no domain"
            fix = "write just one of int: [low, high], float: [low, high] and choices: [...]"
            self._report(node.where, f"{name} {found}", fix)
            return None
        if kinds[0] == "choices":
            for key in ("log", "step"):
                if key in node:
                    self._report(self._where(name, key), f"{name} has choices and {key}", f"remove {key}")
            return None if keys.choices is None else Choices(values=tuple(keys.choices))
        bounds = keys.whole or keys.real
        return None if bounds is None else self._range(name, kinds[0], bounds, keys)

    def _range(self, name: str, kind: str, bounds: tuple[float, float], keys: ParameterKeys) -> Domain | None:
        low, high = bounds
        log, step, before = bool(keys.log), keys.step, len(self.problems)
        where = self._where(name, kind)
        if low > high:
            fix = f"write {kind}: [{number_text(high)}, {number_text(low)}]"
            self._report(where, f"the range of {name} is empty: {number_text(low)} is above {number_text(high)}", fix)
        elif step is not None and low < high and step > high - low:
            message = f"the step {number_text(step)} of {name} is larger than its range"
            self._report(self._where(name, "step"), message, f"use a step of at most {number_text(high - low)}")
        if log and low <= 0:
            message = f"{name} has log: true and begins at {number_text(low)}; a logarithm needs more than 0"
            self._report(where, message, "begin above 0, or remove log")
        if log and step is not None:
            self._report(self._where(name, "step"), f"{name} has both log and step", "remove one of them")
        if len(self.problems) > before:
            return None
        if kind == "int":
            stride = int(step or 1)
            last = int(low) + int(high - low) // stride * stride
            return IntRange(low=int(low), high=last, step=stride, log=log)
        domain = FloatRange(low=low, high=high, step=step, log=log)
        number = count(domain)
        if number is None or number <= MOST_STEPS:
            return domain
        message = f"{name} has {number:,} steps; at most {MOST_STEPS:,} are allowed"
        self._report(self._where(name, "step"), message, "use a larger step, or leave it out")
        return None

    def _choices(self, name: str, domain: Choices, targets: tuple[str, ...]) -> None:
        """Values that would be written alike, or that a limit takes for the same, would be measured as if they
        differed."""
        where = self._where(name, "choices")
        is_resource = any(target.startswith(("limits/", "requests/")) for target in targets)
        is_typed = any(target.startswith("path:") for target in targets)  # 1 and "1" differ there
        for value in domain.values if is_resource else ():
            try:
                quantity(value)
            except Mistake as error:
                self.problems.append(error.at(where, name))
        for one, other in combinations(domain.values, 2):
            if one == other or (str(one) == str(other) and not is_typed) or (is_resource and same(one, other)):
                alike = f"{one!r} twice" if one == other else f"{one!r} and {other!r}, which are the same"
                self._report(where, f"the choices of {name} hold {alike}", "remove one of them")

    def _resolved(self, found: dict[str, Parameter]) -> list[Parameter]:
        """With conditions that name what exists, in that parameter's own spelling; a cycle is broken after it is
        reported."""
        conditions: dict[str, Condition] = {}
        for name, keys in self._keys.items():
            if keys.when is None:
                continue
            other, values = keys.when
            if other not in self.names:
                advice = nearest(other, [known for known in self.names if known != name])
                self._report(self._when_where(name, other), f"when of {name}: unknown parameter {other!r}", advice)
                continue
            domain = found[other].domain if other in found else None
            own = [] if domain is None else [self._own_spelling(name, other, domain, value) for value in values]
            conditions[name] = Condition(parameter=other, values=tuple(value for value in own if value is not None))
        for cycle in _cycles(conditions):
            path = " -> ".join((*cycle, cycle[0]))
            self._report(self._where(cycle[0]), f"conditions form a cycle: {path}", "remove the when of one of them")
            for name in cycle:
                del conditions[name]
        usable = {name: condition for name, condition in conditions.items() if condition.values}
        return [replace(parameter, when=usable.get(name)) for name, parameter in found.items()]

    def _when_where(self, name: str, other: str) -> Where:
        node = self._section[name]
        when = node.get("when") if isinstance(node, Mapping) else None
        return when.keys_at[other] if isinstance(when, Mapping) else self._where(name)

    def _own_spelling(self, name: str, other: str, domain: Domain, value: Scalar) -> Value | None:
        found = None if value.value is None else own(domain, value.value)
        if found is None:
            self._report(value.where, f"when of {name}: {value} is not a value of {other}", f"use {in_words(domain)}")
        return found

    def _same_targets(self, container: str | None) -> None:
        by_name = {parameter.name: parameter for parameter in self.sound}
        for one, other in combinations(self.sound, 2):
            shared = _addresses(one, container) & _addresses(other, container)
            if shared and not _disjoint(one, other, by_name):
                what = ", ".join(sorted(address for _, address in shared))
                fix = f"remove one, or give them when: with different values (the other is on line {one.where.line})"
                self._report(other.where, f"{one.name} and {other.name} both set {what}", fix)


class Rules:
    """The rules of a file: `sound` are those that name known parameters only and that some configuration meets."""

    def __init__(self, section: SequenceOf[Scalar], where: Where, parameters: Parameters) -> None:
        self.problems: list[Problem] = []
        self._parameters = parameters
        self.sound = [rule for item in section if (rule := self._rule(item)) is not None]
        if not all(_satisfiable(*group) for group in groups(in_order(parameters.sound), self.sound)):
            self.problems.append(Mistake("the rules together leave no configuration", "loosen one of them").at(where))

    def _rule(self, item: Scalar) -> Rule | None:
        subject, declared = f"rule {quoted(item.text)}", self._parameters.names
        try:
            rule = parse_rule(item.text, item.where)
        except Mistake as error:
            self.problems.append(error.at(item.where, subject))
            return None
        wrong: list[Mistake] = []
        for name in sorted(rule.names - set(declared)):
            fix = f"{nearest(name, declared)} (texts are written in quotes)"
            wrong.append(Mistake(f"{subject}: unknown parameter {name!r}", fix))
        if not rule.names:
            wrong.append(Mistake(f"{subject} names no parameter", f"use at least one of: {', '.join(declared)}"))
        alone = [replace(parameter, when=None) for parameter in self._parameters.sound if parameter.name in rule.names]
        can_be_tried = not wrong and len(alone) == len(rule.names)
        if can_be_tried and not _satisfiable(alone, [rule]):
            domains = ", ".join(f"{parameter.name} is {in_words(parameter.domain)}" for parameter in alone)
            wrong.append(Mistake(f"{subject}: no configuration meets it ({domains})", "correct or remove it"))
        self.problems += [mistake.at(item.where) for mistake in wrong]
        return rule if can_be_tried and not wrong else None


def _cycles(conditions: dict[str, Condition]) -> list[tuple[str, ...]]:
    """Every parameter waits for at most one other, so following the conditions finds each cycle once."""
    cycles: list[tuple[str, ...]] = []
    done: set[str] = set()
    for start in conditions:
        path: list[str] = []
        at: str | None = start
        while at is not None and at not in done:
            done.add(at)
            path.append(at)
            condition = conditions.get(at)
            at = condition.parameter if condition else None
        if at in path:
            cycles.append(tuple(path[path.index(at) :]))
    return cycles


def _addresses(parameter: Parameter, container: str | None) -> set[tuple[str | None, str]]:
    """Environment, arguments and resources belong to a container, everything else to the whole workload."""
    own = parameter.container or container
    return {
        (own if target.startswith(("env/", "args/", "limits/", "requests/")) else None, target)
        for target in parameter.targets
    }


def _disjoint(one: Parameter, other: Parameter, by_name: dict[str, Parameter]) -> bool:
    """Whether some parameter would need two values at once for both to exist."""
    return any(
        a.parameter == b.parameter and not any(same(x, y) for x in a.values for y in b.values)
        for a in _chain(one, by_name)
        for b in _chain(other, by_name)
    )


def _chain(parameter: Parameter, by_name: dict[str, Parameter]) -> list[Condition]:
    conditions: list[Condition] = []
    at: Parameter | None = parameter
    while at is not None and at.when is not None:
        conditions.append(at.when)
        at = by_name.get(at.when.parameter)
    return conditions


def _satisfiable(parameters: SequenceOf[Parameter], rules: SequenceOf[Rule]) -> bool:
    """False only when every combination was tried. `parameters` in the order of their conditions."""
    counts = [count(parameter.domain) for parameter in parameters]
    if not rules or None in counts or prod(number or 0 for number in counts) > MOST_TRIED:
        return True
    return next(assignments(parameters, rules), None) is not None
