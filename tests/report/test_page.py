"""The pages hold the numbers, escape what is not theirs, and load nothing from anywhere."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.measure.queues import Server, exponential
from tests.simulated import WORKLOAD, SimulatedGenerator, SimulatedSystem
from tuner.commands.bench import benchmark, document
from tuner.commands.compare import CompareSettings, compare
from tuner.commands.stress import Plan, stress
from tuner.commands.stress import document as stress_document
from tuner.report.page import bench_page, compare_page, stress_page
from tuner.space.model import Constraint
from tuner.units import format_seconds

P99 = Constraint(metric="latency_p99", bound=0.05)
_LOADS = {"src", "href", "srcset", "data", "action", "poster", "background"}


class Page(HTMLParser):
    """What a browser would load, and the text that it would show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.policy = ""
        self.tags: list[str] = []
        self._shown: list[str] = []
        self._hidden = ""
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.loads += [f"{tag} {name}={value}" for name, value in given.items() if name in _LOADS]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""
        if tag in ("script", "style"):
            self._hidden = tag
            (self.scripts if tag == "script" else self.styles).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._hidden:
            self._hidden = ""

    def handle_data(self, data: str) -> None:
        if self._hidden:
            (self.scripts if self._hidden == "script" else self.styles)[-1] += data
        else:
            self._shown.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._shown).split())

    @property
    def figures(self) -> list[dict[str, Any]]:
        script = next((one for one in self.scripts if "const charts = " in one), "const charts = [];\n")
        found = re.search(r"const charts = (\[.*?\]);\n", script, re.DOTALL)
        assert found is not None
        figures: list[dict[str, Any]] = json.loads(found[1])
        return figures


@pytest.fixture(scope="module")
def bench_document() -> dict[str, Any]:
    generators = [SimulatedGenerator(Server(exponential(mean)), failing=0.002) for mean in (0.004, 0.005)]
    workload = replace(WORKLOAD, headers={"Authorization": "Bearer s3cret"}, duration_s=10.0)
    result = benchmark(SimulatedSystem(*generators, slo=(P99,), workload=workload), restarts=2, on_stage=lambda _: None)
    return {**document(result), "command": "tune bench <script>alert(1)</script>"}


def loads_nothing(page: Page) -> None:
    assert page.loads == []
    assert page.policy.startswith("default-src 'none'")
    assert "http" not in page.policy
    assert not any("@import" in style or "url(" in style for style in page.styles)


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
    lines = [trace for trace in figure["data"] if trace["mode"] == "lines"]
    for trace, start in zip(lines, bench_document["starts"], strict=True):
        assert trace["y"] == pytest.approx([value * 1e3 for _, value in start["percentiles"]])
    assert figure["layout"]["yaxis"]["title"]["text"] == "latency (ms)"
    assert figure["layout"]["xaxis"]["ticktext"][1:4] == ["50 %", "90 %", "99 %"]


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
    page = Page(compare_page(found, "tune compare a b"))
    loads_nothing(page)
    assert "slower than A at p50" in page.text
    for effect in found.assessment.effects:
        assert f"{effect.ratio.value:.3f}" in page.text
    assert len(page.figures) == 2
    assert len(page.figures[1]["data"][0]["y"]) == len(found.pairs)


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
