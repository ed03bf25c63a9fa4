"""One parameter as a search space has it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from tuner.manifests import knobs
from tuner.space.model import Choices, Domain, FloatRange, IntRange
from tuner.yaml.scalars import ambiguity, flow, resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    name: str
    domain: str
    targets: tuple[str, ...]
    comment: str
    proposed: bool = True
    """False: written as a comment."""
    container: str | None = None
    """Another than the file's."""
    when: str | None = None
    """A condition, as it is written."""

    def __str__(self) -> str:
        where = self.targets[0] if len(self.targets) == 1 else f"[{', '.join(self.targets)}]"
        more = f", container: {plain(self.container)}" if self.container else ""
        more += f", when: {self.when}" if self.when else ""
        return f"  {'' if self.proposed else '# '}{self.name}: {{{self.domain}, set: {where}{more}}}"


def around(domain: Domain, present: str) -> Domain:
    """The domain, widened so that it holds the present value."""
    if isinstance(domain, Choices):
        if any(knobs.stands(present, value) for value in domain.values):
            return domain
        value = resolve(present)
        values = (*domain.values, value if isinstance(value, int | float) else present)
        numbers = [value for value in values if isinstance(value, int | float)]
        return Choices(values=tuple(sorted(numbers)) if len(numbers) == len(values) else values)
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", present):
        return domain
    if isinstance(domain, IntRange):
        number = int(float(present))
        high = domain.high if number <= domain.high else number * 2
        return replace(domain, low=min(domain.low, max(number, 1 if domain.log else 0)), high=high)
    value = float(present)
    if domain.low <= value <= domain.high:
        return domain
    return replace(domain, low=min(domain.low, value), high=max(domain.high, value), step=None)


def spelled(domain: Domain) -> str:
    if isinstance(domain, Choices):
        return f"choices: [{', '.join(plain(v) if isinstance(v, str) else flow(v) for v in domain.values)}]"
    log = ", log: true" if domain.log else ""
    if isinstance(domain, FloatRange):
        step = f", step: {domain.step}" if domain.step is not None else ""
        return f"float: [{domain.low}, {domain.high}]{step}{log}"
    return f"int: [{domain.low}, {domain.high}]{log}"


def plain(text: str) -> str:
    """Unquoted where every YAML reader takes it for text."""
    safe = re.fullmatch(r"[A-Za-z0-9_./][\w./-]*", text, re.ASCII)
    return text if safe and isinstance(resolve(text), str) and ambiguity(text) is None else flow(text)
