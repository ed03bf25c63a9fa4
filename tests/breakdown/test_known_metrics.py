from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.breakdown import expositions as tell
from tuner.breakdown.counters import Increase, difference
from tuner.breakdown.known_metrics import KNOWN, Part, ServerSide, recognize
from tuner.load.control.scrape import parse


def counted(*tellers: Callable[[int], str], before: int = 7, n: int = 100) -> Increase:
    """What the servers count while they serve `n` requests; each is scraped at an address of its own."""
    early, late = (
        [parse(f"http://server-{place}/metrics", one(count)) for place, one in enumerate(tellers)]
        for count in (before, before + n)
    )
    return difference(early, late)


def parts(side: ServerSide) -> dict[str, Part]:
    return {part.name: part for part in side.parts}


def seconds(side: ServerSide) -> dict[str, float]:
    return {part.name: pytest.approx(part.mean) for part in side.parts}  # type: ignore[misc]


def test_seldons_executor_counts_predictions_and_not_its_probes() -> None:
    (side,) = recognize(counted(tell.executor))
    assert side.server == "seldon executor"
    assert seconds(side) == {"total": 0.008, "server behind it": 0.007}
    assert side.requests == 100
    total = parts(side)["total"]
    assert total.p99 is not None
    assert (total.p99.low, total.p99.high) == (0.005, 0.01)


def test_what_models_time_themselves_behind_seldons_microservice() -> None:
    (side,) = recognize(counted(tell.microservice, partial(tell.microservice, worker=42)))
    assert (side.server, side.model) == ("seldon microservice", "classifier")
    (lookup,) = side.parts
    assert (lookup.role, lookup.name, lookup.count) == ("timer", "lookup", 200)
    assert lookup.mean == pytest.approx(0.004)
    assert lookup.p50 is not None
    assert (lookup.p50.low, lookup.p50.high) == (0.00123, 0.0051)


def test_mlserver_tells_its_requests_inference_and_queue() -> None:
    (side,) = recognize(counted(tell.mlserver))
    assert (side.server, side.model) == ("MLServer", "iris")
    found = parts(side)
    assert found["total"].mean == pytest.approx(0.006)
    assert found["total"].count == 100  # and not the readiness probes
    assert found["model, its queues included"].mean == pytest.approx(0.005)
    assert found["model, its queues included"].p50 is None  # a summary tells no distribution
    assert found["queue to the workers"].role == "length"


def test_mlserver_over_grpc_and_nobody_elses_grpc() -> None:
    (side,) = recognize(counted(tell.mlserver_grpc))
    assert parts(side)["total"].mean == pytest.approx(0.003)
    other = counted(
        lambda n: tell.histogram("grpc_server_handling_seconds", 'grpc_method="ModelInfer"', [1.0] * n, [2])
    )
    assert recognize(other) == ()


def test_tritons_counters_are_divided_by_its_requests() -> None:
    (side,) = recognize(counted(tell.triton))
    assert (side.server, side.model) == ("Triton", "resnet")
    assert seconds(side) == {
        "total": 900e-6,
        "queue": 200e-6,
        "pre-processing": 100e-6,
        "model": 500e-6,
        "post-processing": 50e-6,
    }
    assert side.requests == 100
    assert all(part.p50 is None for part in side.parts)


def test_vllm_by_model_its_engines_added_up() -> None:
    engines = [partial(tell.vllm, engine=engine) for engine in (0, 1)]
    busiest, other = recognize(counted(*engines, partial(tell.vllm, model="small")))
    assert (busiest.model, other.model) == ("llama", "small")
    assert (busiest.requests, other.requests) == (200, 100)
    assert seconds(busiest) == {
        "total": 2.0,
        "queue": 0.25,
        "model: prefill": 0.5,
        "model: decode": 1.2,
        "first token": 0.8,
    }


@pytest.mark.parametrize(
    "teller",
    [
        tell.queue_proxy,
        partial(tell.queue_proxy, prefix="queue_proxy_"),
        partial(tell.queue_proxy, prefix=""),
        tell.queue_proxy_otel,
    ],
)
def test_knatives_queue_proxy_by_all_its_names(teller: Callable[[int], str]) -> None:
    (side,) = recognize(counted(teller))
    assert side.server == "Knative queue-proxy"
    assert seconds(side) == {"total": 0.012, "server behind it": 0.009}


def test_opentelemetrys_common_name_alone_is_nobodys() -> None:
    other = counted(lambda n: tell.histogram("http_server_request_duration_seconds", "", [1.0] * n, [2]))
    assert recognize(other) == ()


def test_kserves_stages_without_a_whole() -> None:
    (side,) = recognize(counted(tell.kserve))
    assert seconds(side) == {"pre-processing": 0.001, "model": 0.004, "post-processing": 0.0005}
    assert side.part("total") is None
    assert side.requests == 100


def test_proxies_come_before_the_servers_behind_them() -> None:
    sides = recognize(counted(tell.kserve, tell.executor, tell.queue_proxy))
    assert [side.server for side in sides] == ["Knative queue-proxy", "seldon executor", "KServe"]


def test_every_known_metric_is_written_down_for_users() -> None:
    from tests.repository.checkout import ROOT

    written = (ROOT / "docs" / "components.md").read_text(encoding="utf-8")
    assert [known.metric for known in KNOWN if f"`{known.metric}`" not in written] == []
