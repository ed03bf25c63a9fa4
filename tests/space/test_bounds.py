"""Bounds as the SLO and the command line write them, and the digest of a study's input."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import space_of
from tuner.errors import InputError
from tuner.space.bounds import bound_on, parse_bound
from tuner.space.digest import input_digest
from tuner.space.model import Constraint, SearchSpace
from tuner.workload.model import RequestSource, WorkloadSpec


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("latency_p99 <= 50ms", Constraint(metric="latency_p99", bound=0.05)),
        ("latency_p99.9<=1s", Constraint(metric="latency_p99.9", bound=1)),
        (" throughput >= 1k/s ", Constraint(metric="throughput", bound=1000, at_least=True)),
        ("error_ratio <= 0.1%", Constraint(metric="error_ratio", bound=0.001)),
        ("cost <= 0.05 EUR/h", Constraint(metric="cost", bound=0.05)),
        ("memory <= 1.5Gi", Constraint(metric="memory", bound=1.5 * 2**30)),
    ],
)
def test_bounds(text: str, bound: Constraint) -> None:
    assert parse_bound(text) == bound


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fast", "'fast' is not a bound; write for example 'latency_p99 <= 50ms' or 'throughput >= 200/s'"),
        ("latncy_p99 <= 50ms", "unknown metric 'latncy_p99'; did you mean 'latency_p99'?"),
        ("latency_p99 < 50ms", "'<' is no bound for latency_p99; write <= or >="),
        ("latency_p99 <= 50", "'50' has no unit; write for example 50ms or 50s"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_bound(text)


def test_a_bare_bound_is_on_the_worse_side() -> None:
    assert bound_on("throughput", "200/s").at_least
    assert not bound_on("latency_p99", "50ms").at_least
    assert bound_on("throughput", "<= 200/s") == Constraint(metric="throughput", bound=200)


def test_the_digest_follows_contents_not_places(tmp_path: Path) -> None:
    def space(folder: Path, *requests: str) -> SearchSpace:
        folder.mkdir(exist_ok=True)
        for name in ("space.yaml", "deployment.yaml", "a.json", "b.json"):
            (folder / name).write_text(name)
        sources = tuple(RequestSource(path=folder / name) for name in requests)
        workload = WorkloadSpec(protocol="http", requests=sources)
        return space_of((), file=folder / "space.yaml", manifest=folder / "deployment.yaml", workload=workload)

    one = space(tmp_path / "one", "a.json", "b.json")
    digest = input_digest(one)
    assert re.fullmatch("[0-9a-f]{16}", digest)
    assert input_digest(space(tmp_path / "two", "a.json", "b.json")) == digest
    assert input_digest(space(tmp_path / "two", "b.json", "a.json")) != digest
    one.manifest.write_text("deployment.yamla.json")
    one.workload.requests[0].path.write_text("")
    assert input_digest(one) != digest, "what moves from one file to the next changes the digest"
    with pytest.raises(InputError, match=r"gone.yaml: cannot be read: No such file or directory; restore the file"):
        input_digest(replace(one, manifest=tmp_path / "gone.yaml"))
