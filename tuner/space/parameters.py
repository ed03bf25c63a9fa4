"""Reads the `parameters` and `rules` sections, and checks what holds between parameters."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, replace
from itertools import combinations
from math import prod

from tuner.errors import Where
from tuner.space.active import in_order
from tuner.space.document import Mapping, Node, Scalar, Sequence, quoted
from tuner.space.domain import contains, count, in_words, number_text
from tuner.space.fields import LARGEST, Fields, Report, finite, is_whole, items
from tuner.space.model import Choices, Condition, Domain, FloatRange, IntRange, Parameter, Value
from tuner.space.nearest import nearest
from tuner.space.rules import KEYWORDS, Rule, parse_rule
from tuner.space.size import assignments, groups
from tuner.space.values import same
from tuner.units import quantity

KEYS = ("int", "float", "choices", "log", "step", "set", "when", "container")
EXAMPLE = "workers: {int: [1, 4], set: env/GUNICORN_WORKERS}"
MOST_STEPS = 1_000_000
MOST_TRIED = 20_000
"""Combinations tried to find one that meets a rule; where there are more, the rule is given the benefit."""


@dataclass(frozen=True, slots=True)
class _Written:
    """A parameter as it stands in the file, its condition still unresolved. `parameter` None: it has a mistake."""

    name: str
    where: Where
    parameter: Parameter | None
    when: tuple[Scalar, tuple[Scalar, ...]] | None


def read_parameters(section: Mapping, container: str | None, report: Report) -> tuple[list[Parameter], list[str]]:
    """The parameters without mistakes, and the names of all that are declared."""
    written = [_parameter(key, node, report) for key, node in section.entries]
    if not written:
        report.add(section.where, "parameters is empty", f"add at least one, for example {EXAMPLE}")
    resolved = _resolve(written, report)
    _same_targets(resolved, container, report)
    return resolved, [item.name for item in written]


def read_rules(node: Node, parameters: SequenceOf[Parameter], declared: list[str], report: Report) -> list[Rule]:
    """The rules that name known parameters only and that some configuration meets."""
    if not isinstance(node, Sequence):
        report.add(node.where, f"rules is {node}, not a list", "write each rule on a line of its own after '- '")
        return []
    rules = [rule for item in node.items if (rule := _rule(item, parameters, declared, report)) is not None]
    if not all(_satisfiable(*group) for group in groups(in_order(parameters), rules)):
        report.add(node.where, "the rules together leave no configuration", "loosen one of them")
    return rules


def _parameter(key: Scalar, node: Node, report: Report) -> _Written:
    before = len(report.problems)
    name = key.text
    if not (name.isidentifier() and name.isascii()) or name in KEYWORDS:
        fix = "use letters, digits and _, beginning with a letter, and none of: " + ", ".join(sorted(KEYWORDS))
        report.add(key.where, f"{name!r} cannot be a parameter's name", fix)
    if not isinstance(node, Mapping):
        report.add(key.where, f"{name} is {node}, not a mapping", f"write for example {EXAMPLE}")
        return _Written(name, key.where, None, None)
    fields = Fields(node, KEYS, report)
    targets = _targets(name, fields)
    domain = _domain(name, fields)
    if domain is not None and any(target.startswith(("limits/", "requests/")) for target in targets):
        _must_be_quantities(name, domain, fields)
    if isinstance(domain, Choices):
        _must_differ(name, domain, targets, fields)
    when = _when(name, fields)
    container = fields.text("container", "classifier")
    if domain is None or len(report.problems) > before:
        return _Written(name, key.where, None, when)
    parameter = Parameter(name=name, domain=domain, targets=targets, where=key.where, container=container)
    return _Written(name, key.where, parameter, when)


def _targets(name: str, fields: Fields) -> tuple[str, ...]:
    node = fields.get("set")
    if node is None:
        fields.report.add(
            fields.node.where, f"{name} lacks 'set'", "say where it is written, for example set: env/NAME"
        )
        return ()
    texts = [item.text for item in items(node) if isinstance(item, Scalar) and item.value is not None and item.text]
    if not texts or len(texts) < len(items(node)):
        fields.wrong("set", "an address or a list of them", "write for example set: [limits/cpu, requests/cpu]")
    for text in dict.fromkeys(text for text in texts if texts.count(text) > 1):
        fields.report.add(fields.where("set"), f"{name} sets {text} twice", "remove one of them")
    return tuple(texts)


def _domain(name: str, fields: Fields) -> Domain | None:
    kinds = [kind for kind in ("int", "float", "choices") if kind in fields]
    if len(kinds) != 1:
        found = f"has both {' and '.join(kinds)}" if kinds else "has no domain"
        fix = "write just one of int: [low, high], float: [low, high] and choices: [...]"
        fields.report.add(fields.node.where, f"{name} {found}", fix)
        return None
    if kinds[0] == "choices":
        for key in ("log", "step"):
            if key in fields:
                fields.report.add(fields.where(key), f"{name} has choices and {key}", f"remove {key}")
        return _choices(name, fields)
    return _range(name, kinds[0], fields)


def _choices(name: str, fields: Fields) -> Choices | None:
    node = fields.get("choices")
    if not isinstance(node, Sequence):
        fields.wrong("choices", "a list", "write for example choices: [1, 2, 4]")
        return None
    if not node.items:
        fields.report.add(fields.where("choices"), f"the choices of {name} are empty", "list at least one value")
        return None
    values: list[Value] = []
    for item in node.items:
        value = item.value if isinstance(item, Scalar) else None
        if value is None or (isinstance(value, float) and finite(value) is None):
            fix = "write a number, true, false or a text in quotes"
            fields.report.add(item.where, f"a choice of {name} is {item}, not a value", fix)
        else:
            values.append(value)
    return Choices(values=tuple(values)) if len(values) == len(node.items) else None


def _range(name: str, kind: str, fields: Fields) -> Domain | None:
    log = fields.flag("log", default=False)
    bounds = _bounds(name, kind, fields)
    step = _stride(kind, fields)
    if bounds is None:
        return None
    low, high = bounds
    where, problems = fields.where(kind), len(fields.report.problems)
    if low > high:
        fix = f"write {kind}: [{number_text(high)}, {number_text(low)}]"
        fields.report.add(where, f"the range of {name} is empty: {number_text(low)} is above {number_text(high)}", fix)
    elif step is not None and low < high and step > high - low:
        fix = f"use a step of at most {number_text(high - low)}"
        fields.report.add(fields.where("step"), f"the step {number_text(step)} of {name} is larger than its range", fix)
    if log and low <= 0:
        fix = "begin above 0, or remove log"
        fields.report.add(
            where, f"{name} has log: true and begins at {number_text(low)}; a logarithm needs more than 0", fix
        )
    if log and step is not None:
        fields.report.add(fields.where("step"), f"{name} has both log and step", "remove one of them")
    if len(fields.report.problems) > problems:
        return None
    if kind == "float":
        return _float_range(name, FloatRange(low=low, high=high, step=step, log=log), fields)
    stride = int(step or 1)
    last = int(low) + int(high - low) // stride * stride
    return IntRange(low=int(low), high=last, step=stride, log=log)


def _float_range(name: str, domain: FloatRange, fields: Fields) -> FloatRange | None:
    number = count(domain)
    if number is None or number <= MOST_STEPS:
        return domain
    fix = "use a larger step, or leave it out"
    fields.report.add(fields.where("step"), f"{name} has {number:,} steps; at most {MOST_STEPS:,} are allowed", fix)
    return None


def _bounds(name: str, kind: str, fields: Fields) -> tuple[float, float] | None:
    node = fields.get(kind)
    example = f"write for example {kind}: " + ("[1, 4]" if kind == "int" else "[0.1, 0.9]")
    if not isinstance(node, Sequence) or len(node.items) != 2:
        found = f"a list of {len(node.items)}" if isinstance(node, Sequence) else node
        fields.report.add(fields.where(kind), f"{kind} of {name} is {found}, not [low, high]", example)
        return None
    numbers = [_bound(kind, item) for item in node.items]
    for item, number in zip(node.items, numbers, strict=True):
        if number is None:
            noun = "a whole number" if kind == "int" else "a number"
            fields.report.add(item.where, f"a bound of {name} is {item}, not {noun}", example)
    low, high = numbers
    return None if low is None or high is None else (low, high)


def _bound(kind: str, item: Node) -> float | None:
    value = item.value if isinstance(item, Scalar) else None
    if kind == "float":
        return finite(value)
    return value if isinstance(value, int) and is_whole(value) and abs(value) <= LARGEST else None


def _stride(kind: str, fields: Fields) -> float | None:
    if kind == "int":
        return fields.whole("step", least=1, example=2)
    node = fields.get("step")
    if node is None:
        return None
    step = finite(node.value) if isinstance(node, Scalar) else None
    if step is None or step <= 0:
        fields.wrong("step", "a number above 0", "write for example step: 0.1")
        return None
    return step


def _must_be_quantities(name: str, domain: Domain, fields: Fields) -> None:
    if not isinstance(domain, Choices):
        return
    for value in domain.values:
        try:
            quantity(value)
        except ValueError as error:
            fields.report.refusal(fields.where("choices"), name, error)


def _must_differ(name: str, domain: Choices, targets: tuple[str, ...], fields: Fields) -> None:
    """Values that would be written alike, or that a limit takes for the same, would be measured as if they differed."""
    resource = any(target.startswith(("limits/", "requests/")) for target in targets)
    for one, other in combinations(domain.values, 2):
        if one == other or (str(one) == str(other) and not _typed(targets)) or (resource and same(one, other)):
            alike = f"{one!r} twice" if one == other else f"{one!r} and {other!r}, which are the same"
            fields.report.add(fields.where("choices"), f"the choices of {name} hold {alike}", "remove one of them")


def _typed(targets: tuple[str, ...]) -> bool:
    """Whether a target keeps the type, so that 1 and "1" differ there."""
    return any(target.startswith("path:") for target in targets)


def _when(name: str, fields: Fields) -> tuple[Scalar, tuple[Scalar, ...]] | None:
    node = fields.get("when")
    if node is None:
        return None
    if not isinstance(node, Mapping) or len(node.entries) != 1:
        found = f"a mapping of {len(node.entries)}" if isinstance(node, Mapping) else node
        fix = "name one other parameter and its value or values, for example when: {batching: true}"
        fields.report.add(fields.where("when"), f"when of {name} is {found}, not one condition", fix)
        return None
    other, value = node.entries[0]
    values = [item for item in items(value) if isinstance(item, Scalar) and item.value is not None]
    if not values or len(values) < len(items(value)):
        fix = f"write for example when: {{{other.text}: 1}}"
        fields.report.add(fields.where("when"), f"when of {name} does not give values of {other.text!r}", fix)
        return None
    return other, tuple(values)


def _resolve(written: list[_Written], report: Report) -> list[Parameter]:
    """Conditions that name what exists, in that parameter's own spelling; a cycle is broken after it is reported."""
    domains = {item.name: item.parameter.domain if item.parameter else None for item in written}
    conditions: dict[str, Condition] = {}
    for item in written:
        if item.when is None:
            continue
        other, values = item.when
        if other.text not in domains:
            others = [name for name in domains if name != item.name]
            report.add(
                other.where, f"when of {item.name}: unknown parameter {other.text!r}", nearest(other.text, others)
            )
        elif (domain := domains[other.text]) is not None:
            own = [_own_spelling(item.name, other.text, domain, value, report) for value in values]
            conditions[item.name] = Condition(parameter=other.text, values=tuple(v for v in own if v is not None))
        else:
            conditions[item.name] = Condition(parameter=other.text, values=())
    for cycle in _cycles(conditions):
        where = next(item.where for item in written if item.name == cycle[0])
        path = " -> ".join((*cycle, cycle[0]))
        report.add(where, f"conditions form a cycle: {path}", "remove the when of one of them")
        for name in cycle:
            del conditions[name]
    usable = {name: condition for name, condition in conditions.items() if condition.values}
    return [replace(item.parameter, when=usable.get(item.name)) for item in written if item.parameter is not None]


def _own_spelling(name: str, other: str, domain: Domain, value: Scalar, report: Report) -> Value | None:
    found: Value | None
    if isinstance(domain, Choices):
        found = next((own for own in domain.values if value.value is not None and same(own, value.value)), None)
    else:
        number = finite(value.value)
        found = int(number) if number is not None and isinstance(domain, IntRange) and number.is_integer() else number
        found = found if found is not None and contains(domain, found) else None
    if found is None:
        report.add(value.where, f"when of {name}: {value} is not a value of {other}", f"use {in_words(domain)}")
    return found


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


def _same_targets(parameters: list[Parameter], container: str | None, report: Report) -> None:
    by_name = {parameter.name: parameter for parameter in parameters}
    for one, other in combinations(parameters, 2):
        shared = _addresses(one, container) & _addresses(other, container)
        if shared and not _disjoint(one, other, by_name):
            what = ", ".join(sorted(address for _, address in shared))
            fix = f"remove one, or give them when: with different values (the other is on line {one.where.line})"
            report.add(other.where, f"{one.name} and {other.name} both set {what}", fix)


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


def _rule(item: Node, parameters: SequenceOf[Parameter], declared: list[str], report: Report) -> Rule | None:
    if not isinstance(item, Scalar) or item.value is None:
        fix = "write a condition such as workers * threads <= 16"
        report.add(item.where, f"a rule is {item}, not a text", fix)
        return None
    try:
        rule = parse_rule(item.text, item.where)
    except ValueError as error:
        report.refusal(item.where, f"rule {quoted(item.text)}", error)
        return None
    unknown = sorted(rule.names - set(declared))
    for name in unknown:
        fix = f"{nearest(name, declared)} (texts are written in quotes)"
        report.add(item.where, f"rule {quoted(item.text)}: unknown parameter {name!r}", fix)
    if not rule.names:
        fix = f"use at least one of: {', '.join(declared)}"
        report.add(item.where, f"rule {quoted(item.text)} names no parameter", fix)
    if unknown or not rule.names or not rule.names <= {parameter.name for parameter in parameters}:
        return None
    alone = [replace(parameter, when=None) for parameter in parameters if parameter.name in rule.names]
    if not _satisfiable(alone, [rule]):
        domains = ", ".join(f"{parameter.name} is {in_words(parameter.domain)}" for parameter in alone)
        report.add(
            item.where, f"rule {quoted(item.text)}: no configuration meets it ({domains})", "correct or remove it"
        )
        return None
    return rule


def _satisfiable(parameters: SequenceOf[Parameter], rules: SequenceOf[Rule]) -> bool:
    """False only when every combination was tried. `parameters` in the order of their conditions."""
    counts = [count(parameter.domain) for parameter in parameters]
    if not rules or None in counts or prod(number or 0 for number in counts) > MOST_TRIED:
        return True
    return next(assignments(parameters, rules), None) is not None
