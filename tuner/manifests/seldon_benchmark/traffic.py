"""How the chart's clients ask a cell, as a search space's workload: vegeta over REST, ghz over gRPC."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tuner.errors import Problem
from tuner.manifests.seldon_benchmark.axes import PROTOCOLS, Part
from tuner.manifests.seldon_benchmark.values import ChartValues, Given
from tuner.manifests.survey.line import plain

_ENGINE_GRPC, _MODEL_GRPC = 5001, 9500
"""Where Seldon's orchestrator and, without one, the operator's first container take gRPC calls."""
_COMPARED = {"seldon": "$.data", "v2": "$.outputs", "tensorflow": "$.predictions"}
"""Of an answer, what says which model gave it."""
_CLIENTS_TEMPLATE = "{{"
"""How placeholders of ghz begin."""


def section(values: ChartValues, part: Part, request: str) -> Iterator[str]:
    """The lines of the workload; `request`: the name of the file with the body."""
    protocol = PROTOCOLS[values["seldonDeployment.protocol"].text]
    yield "workload:"
    yield f"  protocol: {protocol}{'-grpc' if part.grpc else ''}"
    yield f"  request: {plain(request)}  # {_source(values, part).key}"
    if protocol != "seldon":
        yield f"  model: {plain(values['seldonDeployment.modelName'].text)}"
    if part.grpc:
        direct = part.fixed.get("disableOrchestrator") == "true"
        taker = "the model, which the orchestrator is not in front of" if direct else "the orchestrator"
        yield f"  port: {_MODEL_GRPC if direct else _ENGINE_GRPC}  # of {taker}"
    if part.fixed["rate"] == "0":
        yield "  arrival: closed  # benchmark.rate 0: each connection asks again as soon as it is answered"
    else:
        yield f"  rate: {part.fixed['rate']}/s"
        yield "  arrival: constant  # as vegeta and ghz space their requests; poisson is how clients come"
    yield f"  connections: {part.fixed['concurrency']}  # benchmark.concurrency; also while the highest rate is looked for"
    yield f"  duration: {part.fixed['duration']}"
    models = [axis.given.key for axis in part.knobs if axis.column in ("image", "server", "modelUri")]
    if models:
        yield f"  check: {{ignore: [{_COMPARED[protocol]}]}}  # {' and '.join(models)} vary, and models answer differently"


def body(values: ChartValues, part: Part, problems: list[Problem]) -> str:
    """The request. What is wrong is added to `problems`, each once."""
    source = _source(values, part)
    try:
        data = json.loads(source.text)
    except ValueError as error:
        _add(problems, source.problem(f"not JSON: {error}", "write the body that is to be sent"))
        return ""
    if part.grpc and isinstance(data, list):
        fix = "keep one; several request files with weights go into the search space"
        _add(problems, source.problem("a list, of which ghz sends one message after the other", fix))
    if part.grpc and source.key == "benchmark.grpcDataOverride" and isinstance(data, Mapping):
        return json.dumps(_by_rest(data), indent=2, ensure_ascii=False) + "\n"
    return source.text.strip() + "\n"


def has_placeholders(values: ChartValues, part: Part) -> bool:
    """ghz fills in what stands in double braces; here it is sent as it stands."""
    return part.grpc and _CLIENTS_TEMPLATE in _source(values, part).text


def _source(values: ChartValues, part: Part) -> Given:
    override = values["benchmark.grpcDataOverride"]
    return override if part.grpc and override.texts else values["benchmark.data"]


def _by_rest(message: Mapping[str, Any]) -> dict[str, Any]:
    """A ModelInferRequest, whose tensors have typed contents, in the form that search spaces send over both APIs."""
    found = {name: value for name, value in message.items() if name not in ("model_name", "modelName")}
    if isinstance(found.get("inputs"), list):
        found["inputs"] = [_tensor(one) if isinstance(one, Mapping) else one for one in found["inputs"]]
    return found


def _tensor(tensor: Mapping[str, Any]) -> dict[str, Any]:
    contents = tensor.get("contents")
    if not isinstance(contents, Mapping) or len(contents) != 1:
        return dict(tensor)
    return {
        **{name: value for name, value in tensor.items() if name != "contents"},
        "data": next(iter(contents.values())),
    }


def _add(problems: list[Problem], problem: Problem) -> None:
    if problem not in problems:
        problems.append(problem)
