"""Configurations that a file says are known: what can be checked of them without the manifest."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from collections.abc import Sequence as SequenceOf

from tuner.errors import Mistake, Problem
from tuner.nearest import nearest
from tuner.space.document import Mapping, Scalar
from tuner.space.domain import in_words, own
from tuner.space.model import Known, Parameter
from tuner.space.rules import Rule
from tuner.space.values import Value


class KnownPoints:
    """`section`: the mappings of the file; `declared`: the names of all parameters, `parameters` those that are sound.

    `problems` are those found; `sound` the configurations without any.
    """

    def __init__(
        self,
        section: SequenceOf[Mapping],
        declared: SequenceOf[str],
        parameters: SequenceOf[Parameter],
        rules: SequenceOf[Rule],
    ) -> None:
        self.problems: list[Problem] = []
        self._declared = declared
        self._parameters = {parameter.name: parameter for parameter in parameters}
        self._rules = rules
        self.sound = [known for item in section if (known := self._known(item)) is not None]

    def _known(self, item: Mapping) -> Known | None:
        before = len(self.problems)
        read = {name: self._value(item, name) for name in item}
        values = {name: value for name, value in read.items() if value is not None}
        if len(self.problems) == before:
            self._check_rules(item, values)
        if len(self.problems) > before or len(values) < len(read):
            return None
        return Known(values=values, where=item.where)

    def _value(self, item: Mapping, name: str) -> Value | None:
        """None also for a value of a parameter that is itself wrong, which is told elsewhere."""
        where, node = item.keys_at[name], item[name]
        if name not in self._declared:
            mistake = Mistake(f"unknown parameter {name!r}", nearest(name, self._declared))
        elif name not in self._parameters:
            return None
        else:
            domain = self._parameters[name].domain
            value = own(domain, node.value) if isinstance(node, Scalar) and node.value is not None else None
            if value is not None:
                return value
            mistake = Mistake(f"{node} is not a value of {name}", f"use {in_words(domain)}")
        self.problems.append(mistake.at(where, "known"))
        return None

    def _check_rules(self, item: Mapping, values: MappingOf[str, Value]) -> None:
        """The rules of which every parameter is given; the others wait for what the manifest says."""
        for rule in self._rules:
            if rule.names <= values.keys() and not rule.holds(values):
                given = ", ".join(f"{name}={values[name]}" for name in sorted(rule.names))
                mistake = Mistake(f"{given} breaks the rule {rule.text}", "correct it, or loosen the rule")
                self.problems.append(mistake.at(item.where, "known"))
