"""The metrics of known model servers, and which part of a request's time each of them is.

The names are those of the servers' own documentation and sources: Seldon Core 1.x (executor/api/metric/constants.go;
seldon_core/metrics.py), Knative (pkg/queue, "Service metrics"; with OpenTelemetry from 1.19 on), KServe (python/kserve/
kserve/metrics.py), MLServer (docs, "Metrics"), Triton Inference Server (docs/user_guide/metrics.md), and vLLM
(vllm/v1/metrics/loggers.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from tuner.breakdown.components import MEDIAN, TAIL, Quantile
from tuner.breakdown.counters import Distribution, Increase, Labels, Series, merged, quantile, scaled

Role = Literal["total", "stage", "downstream", "milestone", "timer", "length"]
"""``total``: the whole request in that server. ``stage``: a part of it that overlaps no other stage. ``downstream``:
the part it spent waiting for the server behind it. ``milestone``: an instant within it, counted from its start.
``timer``: a part that may overlap others. ``length``: no time but a number, such as of requests that waited."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """One metric of one server."""

    server: str
    name: str
    """What it is, in the words that all servers' components share."""
    role: Role
    metric: str
    """Its name without suffix. A histogram or summary; a counter of time where `per` is set."""
    unit_s: float = 1.0
    per: str | None = None
    """The counter of requests that a counter of time is divided by."""
    only: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Series count only where these labels match these patterns: inference requests, not probes and scrapes."""
    beside: tuple[str, ...] = ()
    """The name is used elsewhere too: it counts only where a metric beside it begins with one of these."""


_QUEUE_PROXY, _EXECUTOR, _SELDON = "Knative queue-proxy", "seldon executor", "seldon microservice"
_KSERVE, _MLSERVER, _TRITON, _VLLM = "KServe", "MLServer", "Triton", "vLLM"
_MS, _US = 1e-3, 1e-6

OUTERMOST_FIRST = (_QUEUE_PROXY, _EXECUTOR)
"""Those that stand before a model server, in the order a request meets them."""

_EXECUTOR_CALL = {"service": r"^(?!.*(?:[Ff]eedback|[Ss]tatus|[Mm]etadata|ready|live|health))"}
_INFER = {"path": r"/(?:infer|generate|infer_stream|generate_stream|invocations)$"}
_TRITON_REQUESTS = "nv_inference_request_success"
_KNATIVE_METRICS = ("kn_serving", "kn_queueproxy")


def _queue_proxy() -> Iterator[Known]:
    """Named by three prefixes: of Knative until 1.18, of OpenShift Serverless, and as some exporters cut them."""
    spans: tuple[tuple[str, Role, str], ...] = (
        ("total", "total", "request_latencies"),
        ("server behind it", "downstream", "app_request_latencies"),
    )
    for prefix in ("revision_", "queue_proxy_", ""):
        for name, role, metric in spans:
            yield Known(server=_QUEUE_PROXY, name=name, role=role, metric=prefix + metric, unit_s=_MS)
    yield Known(
        server=_QUEUE_PROXY,
        name="total",
        role="total",
        metric="http_server_request_duration_seconds",
        beside=_KNATIVE_METRICS,
    )
    for metric in ("kn_serving_invocation_duration_seconds", "kn_queueproxy_app_duration_seconds"):
        yield Known(server=_QUEUE_PROXY, name="server behind it", role="downstream", metric=metric)


def _executor(name: str, role: Role, metric: str) -> Known:
    return Known(server=_EXECUTOR, name=name, role=role, metric=metric, only=_EXECUTOR_CALL)


def _triton(name: str, role: Role, metric: str) -> Known:
    return Known(server=_TRITON, name=name, role=role, metric=metric, unit_s=_US, per=_TRITON_REQUESTS)


KNOWN: tuple[Known, ...] = (
    *_queue_proxy(),
    _executor("total", "total", "seldon_api_executor_server_requests_seconds"),
    _executor("server behind it", "downstream", "seldon_api_executor_client_requests_seconds"),
    Known(server=_KSERVE, name="pre-processing", role="stage", metric="request_preprocess_seconds"),
    Known(server=_KSERVE, name="model", role="stage", metric="request_predict_seconds"),
    Known(server=_KSERVE, name="explanation", role="stage", metric="request_explain_seconds"),
    Known(server=_KSERVE, name="post-processing", role="stage", metric="request_postprocess_seconds"),
    Known(server=_MLSERVER, name="total", role="total", metric="rest_server_request_duration_seconds", only=_INFER),
    Known(
        server=_MLSERVER,
        name="total",
        role="total",
        metric="grpc_server_handling_seconds",
        only={"grpc_method": "^ModelInfer|^ModelStreamInfer"},
        beside=("model_infer_request",),
    ),
    Known(server=_MLSERVER, name="model, its queues included", role="stage", metric="model_infer_request_duration"),
    Known(server=_MLSERVER, name="queue to the workers", role="length", metric="parallel_request_queue"),
    Known(server=_MLSERVER, name="queue to the workers", role="length", metric="parallel_request_queue_size"),
    Known(server=_MLSERVER, name="queue to be batched", role="length", metric="batch_request_queue"),
    _triton("total", "total", "nv_inference_request_duration_us"),
    _triton("queue", "stage", "nv_inference_queue_duration_us"),
    _triton("pre-processing", "stage", "nv_inference_compute_input_duration_us"),
    _triton("model", "stage", "nv_inference_compute_infer_duration_us"),
    _triton("post-processing", "stage", "nv_inference_compute_output_duration_us"),
    Known(
        server=_TRITON,
        name="first response",
        role="milestone",
        metric="nv_inference_first_response_histogram_ms",
        unit_s=_MS,
    ),
    Known(server=_VLLM, name="total", role="total", metric="vllm:e2e_request_latency_seconds"),
    Known(server=_VLLM, name="queue", role="stage", metric="vllm:request_queue_time_seconds"),
    Known(server=_VLLM, name="model: prefill", role="stage", metric="vllm:request_prefill_time_seconds"),
    Known(server=_VLLM, name="model: decode", role="stage", metric="vllm:request_decode_time_seconds"),
    Known(server=_VLLM, name="first token", role="milestone", metric="vllm:time_to_first_token_seconds"),
)

_MODEL_LABELS = ("model_name", "model")
_OWN_TIMER_LABELS = frozenset({"worker_id", "method", "predictor_name"})
"""Labels that seldon's microservice gives to what a model's own `metrics()` reports: those names are the model's."""


_Told = dict[tuple[str, Role], list[tuple[str, Distribution]]]
"""Of one model: name and role of a part to what its metrics, by name, observed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one metric told of a window."""

    name: str
    role: Role
    metric: str
    count: float
    """Observations in the window."""
    sum: float
    """Of them all; seconds, but for a ``length``."""
    p50: Quantile | None = None
    """None: the server tells no distribution."""
    p99: Quantile | None = None

    @property
    def mean(self) -> float:
        return self.sum / self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSide:
    """What one server told of one of its models."""

    server: str
    model: str
    """Empty: its metrics do not say."""
    parts: tuple[Part, ...]

    def part(self, role: Role) -> Part | None:
        """The first part of that role."""
        return next((part for part in self.parts if part.role == role), None)

    @property
    def requests(self) -> float:
        """How many it counted: of the whole request where it tells that, else of the part most often observed."""
        total = self.part("total")
        return total.count if total is not None else max(part.count for part in self.parts)

    def per_request(self, part: Part) -> float:
        """What the part adds to a mean request: it may happen several times in one, or in some of them only."""
        return part.sum / self.requests


def recognize(increase: Increase) -> tuple[ServerSide, ...]:
    """The servers and models that the counters are of; what is not known here is passed over.

    Series of one model are added up, over replicas, worker processes, GPUs and status codes. Models are kept apart,
    busiest first, unless one of a server's metrics does not tell of which model it is. The outermost server comes
    first.
    """
    found: dict[str, dict[str, _Told]] = {}
    for known in KNOWN:
        if known.beside and not _is_beside(known, increase):
            continue
        for model, distribution in _observed(known, increase):
            told = found.setdefault(known.server, {}).setdefault(model, {})
            told.setdefault((known.name, known.role), []).append((known.metric, distribution))
    sides = [
        ServerSide(server=server, model=model, parts=_parts(told))
        for server, by_model in found.items()
        for model, told in _apart(by_model).items()
    ]
    order = {server: place for place, server in enumerate(dict.fromkeys((*OUTERMOST_FIRST, *_servers())))}
    return tuple(
        sorted((*sides, *_own_timers(increase)), key=lambda side: (order[side.server], -_busy(side), side.model))
    )


def _servers() -> tuple[str, ...]:
    return (*(known.server for known in KNOWN), _SELDON)


def _busy(side: ServerSide) -> float:
    return sum(part.sum for part in side.parts if part.role in ("total", "stage"))


def _observed(known: Known, increase: Increase) -> Iterator[tuple[str, Distribution]]:
    if known.per is not None:
        spent, requests = (_by_model(increase.counters, name) for name in (known.metric, known.per))
        for model in sorted(spent.keys() & requests.keys()):
            yield model, Distribution(count=requests[model], sum=spent[model] * known.unit_s)
        return
    for (metric, labels), distribution in increase.distributions.items():
        if metric == known.metric and _counts(known, labels):
            yield _model(labels), scaled(distribution, known.unit_s)


def _by_model(counters: Mapping[Series, float], name: str) -> dict[str, float]:
    sums: dict[str, float] = {}
    for (metric, labels), value in counters.items():
        if metric == name:
            sums[_model(labels)] = sums.get(_model(labels), 0.0) + value
    return sums


def _model(labels: Labels) -> str:
    told = dict(labels)
    return next((told[label] for label in _MODEL_LABELS if told.get(label)), "")


def _counts(known: Known, labels: Labels) -> bool:
    told = dict(labels)
    return all(re.search(pattern, told.get(label, "")) for label, pattern in known.only.items())


def _is_beside(known: Known, increase: Increase) -> bool:
    names = {name for name, _ in (*increase.distributions, *increase.counters)}
    return any(name.startswith(prefix) for name in names for prefix in known.beside)


def _apart(by_model: Mapping[str, _Told]) -> Mapping[str, _Told]:
    """As told, or all models as one where a part of it is of no model in particular."""
    if "" not in by_model or len(by_model) == 1:
        return by_model
    whole: _Told = {}
    for told in by_model.values():
        for what, observed in told.items():
            whole.setdefault(what, []).extend(observed)
    return {", ".join(sorted(model for model in by_model if model)): whole}


def _parts(told: _Told) -> tuple[Part, ...]:
    return tuple(_part(name, role, observed) for (name, role), observed in told.items())


def _part(name: str, role: Role, observed: list[tuple[str, Distribution]]) -> Part:
    whole = merged(distribution for _, distribution in observed)
    return Part(
        name=name,
        role=role,
        metric=", ".join(dict.fromkeys(metric for metric, _ in observed)),
        count=whole.count,
        sum=whole.sum,
        p50=quantile(whole, MEDIAN),
        p99=quantile(whole, TAIL),
    )


def _own_timers(increase: Increase) -> list[ServerSide]:
    """What the models behind seldon's microservice time themselves."""
    timers: dict[str, _Told] = {}
    for (metric, labels), distribution in increase.distributions.items():
        if dict(labels).keys() >= _OWN_TIMER_LABELS:
            told = timers.setdefault(_model(labels), {})
            told.setdefault((metric, "timer"), []).append((metric, distribution))
    return [ServerSide(server=_SELDON, model=model, parts=_parts(told)) for model, told in timers.items()]
