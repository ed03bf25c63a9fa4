"""What the chart's values mean: each read as what it is, and which of those that vary become knobs or studies apart.

A search space has one way of being asked. So of the API, the concurrency, the duration and the rate each combination is
a study of its own (a *part*). Over gRPC so is what decides the port that takes the calls, and which model answers: there
answers that differ from the baseline's are refused as wrong, and nothing can be left out of the comparison.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from tuner.errors import Mistake, Problem
from tuner.manifests.seldon_benchmark.chart import VALUES
from tuner.manifests.seldon_benchmark.values import ChartValues, Given
from tuner.units import format_seconds, quantity, seconds

PROTOCOLS: Mapping[str, str] = {"seldon": "seldon", "tensorflow": "tensorflow", "kfserving": "v2", "v2": "v2"}
"""The chart's words, and those of search spaces."""
RESOURCES: Mapping[str, str] = {
    "requestsCpu": "requests/cpu",
    "requestsMemory": "requests/memory",
    "limitsCpu": "limits/cpu",
    "limitsMemory": "limits/memory",
}
"""By column, as search spaces address them."""
_PAIRS = (("requestsCpu", "limitsCpu"), ("requestsMemory", "limitsMemory"))
_ASKED = ("concurrency", "duration", "rate")
_BY_CALL = ("disableOrchestrator", "image", "server", "modelUri")
"""Over gRPC each value of these is a study, too."""
_MODEL_OF_ITS_OWN = "HUGGINGFACE_SERVER"
"""The prepackaged server that needs no model's address."""
_BINARY_CPU = re.compile(r"[0-9.]+[KMGTPE]i")
_RATE = re.compile(r"([0-9]+)(?:/([0-9]*)(ns|us|µs|ms|s|m|h))?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One of the values that may be lists, read."""

    column: str
    values: tuple[str, ...]
    """Spelled alike whenever they are the same; empty: nothing is given."""
    given: Given

    @property
    def varies(self) -> bool:
        return len(self.values) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one study is of."""

    label: str
    """Tells it from the other parts, in names; empty: it is the only one."""
    deployed: str
    """The same of what it deploys: parts that are only asked differently share their manifest."""
    fixed: Mapping[str, str]
    """By column, what the manifest has; of a knob its first value; absent: nothing is given."""
    knobs: tuple[Axis, ...]

    @property
    def grpc(self) -> bool:
        return self.fixed["apiType"] == "grpc"


@dataclass(frozen=True, slots=True)
class Axes:
    axes: Mapping[str, Axis]
    resources: bool
    """Whether the chart writes requests and limits."""
    refused: tuple[str, ...]
    """Values that Kubernetes refuses in every cell, a sentence each."""

    def parts(self) -> Iterator[Part]:
        """In the chart's order of cells, as far as the API goes first."""
        used = {column: axis for column, axis in self.axes.items() if self.resources or column not in RESOURCES}
        for api in self.axes["apiType"].values:
            apart = [self.axes[column] for column in (*_ASKED, *(_BY_CALL if api == "grpc" else ()))]
            for chosen in product(*(axis.values or ("",) for axis in apart)):
                own = {"apiType": api} | {
                    axis.column: value for axis, value in zip(apart, chosen, strict=True) if value
                }
                fixed = {column: axis.values[0] for column, axis in used.items() if axis.values} | own
                fixed |= {column: value for pair in _PAIRS for column, value in _first(pair, used).items()}
                varying = (axis for axis in used.values() if axis.varies and axis.column != "benchmarkCpu")
                knobs = tuple(axis for axis in varying if axis.column not in own)
                deployed = {column: value for column, value in own.items() if column not in _ASKED}
                yield Part(label=self._label(own), deployed=self._label(deployed), fixed=fixed, knobs=knobs)

    def _label(self, own: Mapping[str, str]) -> str:
        words = (_word(self.axes[column], value) for column, value in own.items() if self.axes[column].varies)
        return "-".join(words)


def _word(axis: Axis, value: str) -> str:
    match axis.column:
        case "apiType":
            return value
        case "concurrency" | "duration":
            return f"{axis.column[0]}{value}"
        case "rate":
            return "closed" if value == "0" else f"r{value}"
        case "disableOrchestrator":
            return "direct" if value == "true" else "orchestrated"
    return f"{axis.column.lower()}{axis.values.index(value) + 1}"


def axes(values: ChartValues, problems: list[Problem]) -> Axes:
    """What is wrong is added to `problems`."""
    resources = _switch(values["seldonDeployment.enableResources"], problems)
    found = {}
    for value in VALUES:
        if value.column:
            given = values[value.key]
            read = _READ[value.column]
            used = resources or value.column not in RESOURCES
            texts = [text for one in given.texts if (text := _read(given, one, read, problems if used else []))]
            amount = quantity if used and value.column in RESOURCES else _as_written
            alike = {amount(text): text for text in reversed(texts)}  # the first of equal ones, in their order
            values_ = tuple(text for text in dict.fromkeys(texts) if alike[amount(text)] == text)
            found[value.column] = Axis(column=value.column, values=values_, given=given)
    problems += _together(found, values, resources=resources)
    refused = [sentence for pair in _PAIRS for sentence in _without_refused(found, pair)] if resources else []
    return Axes(found, resources, tuple(refused))


def _without_refused(found: dict[str, Axis], pair: tuple[str, str]) -> Iterator[str]:
    """Take the values out that fit no value of the other."""
    asked, most = (found[column] for column in pair)
    if not asked.values or not most.values:
        return
    least, highest = min(map(quantity, asked.values)), max(map(quantity, most.values))
    kept = {
        asked.column: tuple(value for value in asked.values if quantity(value) <= highest),
        most.column: tuple(value for value in most.values if quantity(value) >= least),
    }
    if not all(kept.values()):
        return  # that none fits is told as a mistake
    for axis, why in ((asked, "more than every limit"), (most, "less than every request")):
        for value in axis.values:
            if value not in kept[axis.column]:
                yield f"{axis.given.key}: {value} is left out, {why}: Kubernetes refuses such pods"
        found[axis.column] = replace(axis, values=kept[axis.column])


def _first(pair: tuple[str, str], used: Mapping[str, Axis]) -> dict[str, str]:
    """Of the chart's order the first request and limit that go together."""
    both = [used[column].values for column in pair if column in used]
    for values in product(*both) if len(both) == len(pair) and all(both) else ():
        if quantity(values[0]) <= quantity(values[1]):
            return dict(zip(pair, values, strict=True))
    return {}


def _read(given: Given, text: str, read: Callable[[str], str], problems: list[Problem]) -> str | None:
    try:
        return read(text)
    except Mistake as mistake:
        problems.append(given.problem(mistake.message, mistake.fix))
        return None


def _together(found: Mapping[str, Axis], values: ChartValues, *, resources: bool) -> Iterator[Problem]:
    protocol = values["seldonDeployment.protocol"]
    if protocol.text not in PROTOCOLS:
        yield protocol.problem(f"{protocol.text!r} is no protocol", f"use one of: {', '.join(PROTOCOLS)}")
    image, server, uri = found["image"], found["server"], found["modelUri"]
    if not image.values and not server.values:
        message = "neither an image nor a server is given, so that there is nothing to deploy"
        yield image.given.problem(message, "give seldonDeployment.image, or seldonDeployment.server with a modelUri")
    lacking = [one for one in server.values if one != _MODEL_OF_ITS_OWN]
    if lacking and not uri.values:
        fix = "write where the model is, such as gs://bucket/folder"
        yield uri.given.problem(f"{lacking[0]} is given no model, and Seldon's operator refuses it", fix)
    if protocol.text == "tensorflow" and found["apiType"].values == ("grpc",):
        message = "calls of the tensorflow protocol over gRPC need its definitions, which the chart's client had"
        fix = "use apiType: rest; or write the search space by hand, with protocol: grpc and proto:"
        yield found["apiType"].given.problem(message, fix)
    for asked, most in _PAIRS if resources else ():
        requests, limits = found[asked], found[most]
        if (
            requests.values
            and limits.values
            and min(map(quantity, requests.values)) > max(map(quantity, limits.values))
        ):
            message = f"{requests.values[0]} is more than the limit {limits.values[-1]}; Kubernetes refuses such pods"
            yield requests.given.problem(message, f"lower it, or raise {limits.given.key}")


def rules(part: Part, names: Mapping[str, str]) -> tuple[str, ...]:
    """Combinations that Kubernetes takes; `names`: the knobs' by column."""
    found = []
    for asked, most in _PAIRS:
        axes_of = {axis.column: axis.values for axis in part.knobs}
        low, high = (axes_of.get(column, tuple(filter(None, [part.fixed.get(column)]))) for column in (asked, most))
        if low and high and max(map(quantity, low)) > min(map(quantity, high)):
            sides = (names[column] if column in axes_of else part.fixed[column] for column in (asked, most))
            found.append(" <= ".join(sides))
    return tuple(found)


def _switch(given: Given, problems: list[Problem]) -> bool:
    try:
        return _truth(given.text or "false") == "true"
    except Mistake as mistake:
        problems.append(given.problem(mistake.message, mistake.fix))
        return False


def _truth(text: str) -> str:
    if text.lower() not in ("true", "false"):
        raise Mistake(f"{text!r} is neither true nor false", "write true or false")
    return text.lower()


def _count(text: str) -> str:
    if not re.fullmatch(r"0*[1-9][0-9]{0,8}", text, re.ASCII):
        raise Mistake(f"{text!r} is not a whole number from 1 on", "write for example 4")
    return str(int(text))


def _amount(text: str) -> str:
    if quantity(text) <= 0:
        raise Mistake(f"{text!r} is not more than nothing", "write for example 500m or 1Gi")
    return text


def _cpu(text: str) -> str:
    amount = _amount(text)
    if _BINARY_CPU.fullmatch(text):
        meant = f"{text[:-2]}m" if text.endswith("Mi") else text[:-2]
        raise Mistake(f"{text} of CPU is {quantity(text):,.0f} cores", f"write {meant} for {_cores(meant)}")
    return amount


def _cores(text: str) -> str:
    return f"{quantity(text).normalize():f} cores"


def _length(text: str) -> str:
    length = seconds(text)
    if length <= 0:
        raise Mistake(f"{text!r} lets the load go on for ever", "write for example 30s")
    return format_seconds(length).replace(" ", "")


def _rate(text: str) -> str:
    """Requests a second; 0: as fast as they are answered."""
    if text == "infinity":
        return "0"
    match = _RATE.fullmatch(text)
    if match is None:
        raise Mistake(
            f"{text!r} is not a rate", "write requests a second, such as 50; or 0 for as many as are answered"
        )
    number, every, unit = match.groups()
    a_second = int(number) / (seconds(f"{every or 1}{unit}") if unit else 1.0)
    if not math.isfinite(a_second):
        raise Mistake(f"{text!r} is too large", "write requests a second, such as 50")
    return f"{a_second:.6g}"


def _api(text: str) -> str:
    if text not in ("rest", "grpc"):
        raise Mistake(f"{text!r} is no API", "write rest, grpc, or rest|grpc for both")
    return text


def _as_written(text: str) -> str:
    return text


_READ: Mapping[str, Callable[[str], str]] = {
    "image": _as_written,
    "server": _as_written,
    "modelUri": _as_written,
    "apiType": _api,
    "replicas": _count,
    "serverThreads": _count,
    "serverWorkers": _count,
    "requestsCpu": _cpu,
    "requestsMemory": _amount,
    "limitsCpu": _cpu,
    "limitsMemory": _amount,
    "disableOrchestrator": _truth,
    "benchmarkCpu": _count,
    "concurrency": _count,
    "duration": _length,
    "rate": _rate,
}
