"""The pages hold the numbers, escape what is not theirs, and load nothing from anywhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.measure.queues import Server, exponential
from tests.report.pages import Page, loads_nothing
from tests.simulated import WORKLOAD, SimulatedGenerator, SimulatedSystem
from tuner.commands.bench import benchmark, document
from tuner.commands.compare import CompareSettings, compare
from tuner.commands.stress import Plan, stress
from tuner.commands.stress import document as stress_document
from tuner.report.page import bench_page, compare_page, stress_page
from tuner.space.model import Constraint
from tuner.units import format_seconds

P99 = Constraint(metric="latency_p99", bound=0.05)


@pytest.fixture(scope="module")
def bench_document() -> dict[str, Any]:
    generators = [SimulatedGenerator(Server(exponential(mean)), failing=0.002) for mean in (0.004, 0.005)]
    workload = replace(WORKLOAD, headers={"Authorization": "Bearer s3cret"}, duration_s=10.0)
    result = benchmark(SimulatedSystem(*generators, slo=(P99,), workload=workload), restarts=2, on_stage=lambda _: None)
    return {**document(result), "command": "tune bench <script>alert(1)</script>"}


def test_the_page_of_bench_holds_every_figure(bench_document: dict[str, Any]) -> None:
    page = Page(bench_page(bench_document))
    loads_nothing(page)
    for name, estimate in bench_document["figures"].items():
        assert name.replace("_", " ") in page.text
        if estimate["unit"] == "seconds":
            assert format_seconds(estimate["value"]) in page.text
            assert format_seconds(estimate["high"]) in page.text
    assert "SLO met" in page.text
    assert "http 503" in page.text
    assert len(page.figures) == 3


def test_the_percentile_plot_holds_the_percentiles(bench_document: dict[str, Any]) -> None:
    figure = Page(bench_page(bench_document)).figures[0]
    [panel] = figure["panels"]
    lines = [series for series in panel["series"] if "line" not in series]
    for series, start in zip(lines, bench_document["starts"], strict=True):
        drawn = [point["y"] for point in series["points"]]
        assert drawn == pytest.approx([value * 1e3 for _, value in start["percentiles"]], rel=1e-5)
    assert panel["y"]["title"] == "latency (ms)"
    assert [word for _, word in figure["x"]["ticks"]][1:4] == ["50 %", "90 %", "99 %"]


def test_text_from_elsewhere_is_escaped_and_no_secret_is_shown(bench_document: dict[str, Any]) -> None:
    text = bench_page(bench_document)
    assert "s3cret" not in text
    assert "<script>alert" not in text
    page = Page(text)
    assert "tune bench <script>alert(1)</script>" in page.text
    assert "a <simulated> queue" in page.text
    assert page.tags.count("script") == 2


def test_a_closed_loop_has_no_rate() -> None:
    closed = SimulatedSystem(
        SimulatedGenerator(Server(exponential(0.004))), workload=replace(WORKLOAD, arrival="closed")
    )
    told = {**document(benchmark(closed, on_stage=lambda _: None)), "command": ""}
    page = Page(bench_page(told))
    assert "closed, 5 s, 16 connections" in page.text
    assert "To repeat it" not in page.text


def test_a_refusal_has_a_page_without_figures() -> None:
    late = SimulatedSystem(
        SimulatedGenerator(Server(exponential(0.004)), late_s=0.1), workload=replace(WORKLOAD, rate_rps=100.0)
    )
    told = {**document(benchmark(late, on_stage=lambda _: None)), "command": "tune bench late"}
    page = Page(bench_page(told))
    loads_nothing(page)
    assert "cannot be trusted" in page.text
    assert "the load generator was late" in page.text
    assert page.figures == []


def test_the_page_of_compare_holds_verdict_and_effects() -> None:
    sides = [
        SimulatedSystem(
            *(SimulatedGenerator(Server(exponential(mean))) for _ in range(13)),
            workload=replace(WORKLOAD, rate_rps=60.0),
        )
        for mean in (0.004, 0.008)
    ]
    found = compare(*sides, CompareSettings(pairs=4, time_s=120.0), on_stage=lambda _: None)
    about = [{"kernel": "Linux 6.1", "image": "a"}, {"kernel": "Linux 6.1", "image": "b"}]
    page = Page(compare_page(found, "tune compare a b", about))
    loads_nothing(page)
    assert "slower than A at p50" in page.text
    for effect in found.assessment.effects:
        assert f"{effect.ratio.value:.3f}" in page.text
    assert len(page.figures) == 2
    a, b = page.figures[1]["panels"][0]["series"]
    assert len(a["points"]) == len(b["points"]) == len(found.pairs)
    assert "Where it ran kernel Linux 6.1 image of A a image of B b" in page.text
    assert "To repeat it tune compare a b" in page.text


def test_the_page_of_stress_holds_every_verdict() -> None:
    system = SimulatedSystem(SimulatedGenerator(Server(exponential(0.004))), slo=(P99,))
    result = stress(system, Plan(spike=True, soak_s=30.0), on_stage=lambda _: None)
    told = {**stress_document(result), "command": "tune stress"}
    page = Page(stress_page(told))
    loads_nothing(page)
    for run in result.runs:
        assert run.load in page.text
        for verdict in run.verdicts:
            assert " ".join(verdict.text.split()) in page.text
    assert len(page.figures) == len(result.runs)
    assert "Where it ran" in page.text
    assert "To repeat it" in page.text


def test_every_page_is_small(bench_document: dict[str, Any]) -> None:
    assert len(bench_page(bench_document).encode()) < 300_000
