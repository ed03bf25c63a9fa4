"""From the values of Seldon's chart to its table of results, by the commands as users type them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.cli.tune import Tune
from tuner.manifests.seldon_benchmark.chart import COLUMNS

VALUES = """\
workflow: {namespace: argo}
seldonDeployment:
  name: iris
  image: iris:1
  replicas: "1|2"
  serverWorkers: "1|2"
  serverThreads: "1|4"
  enableResources: "true"
  requests: {cpu: 500m, memory: 256Mi}
  limits: {cpu: 500m|1, memory: 256Mi}
benchmark: {concurrency: 10, rate: 100}
"""


@pytest.fixture
def tune(tmp_path: Path) -> Tune:
    (tmp_path / "values.yaml").write_text(VALUES)
    (tmp_path / "server.json").write_text('{"simulated": {"memory_worker": "60Mi"}, "noise": 0.05}')
    return Tune(tmp_path)


def test_the_grid_is_run_and_printed_in_the_charts_columns(tune: Tune) -> None:
    done = tune("init", "--from-seldon-benchmark", "values.yaml")
    assert done.status == 0, done.err
    assert "all 16 cells: tune run space.yaml --backend kubernetes --namespace argo" in done.out
    replay = ("--backend", "replay", "--table", "server.json", "--tracking-uri", "none")
    done = tune("run", "space.yaml", *replay, "--sampler", "grid", "--trials", "16", "--confirm", "0")
    assert done.status == 0, done.err

    shown = tune("show", "iris", "--format", "seldon-benchmark")
    assert shown.status == 0
    rows = list(csv.DictReader(shown.out.splitlines()))
    cells = {tuple(row[name] for name in ("replicas", "serverWorkers", "serverThreads", "limitsCpu")) for row in rows}
    assert len(rows) == len(cells) == 16
    assert {(row["image"], row["requestsCpu"], row["apiType"], row["rate"]) for row in rows} == {
        ("iris:1", "500m", "rest", "100")
    }
    assert all(float(row["50th"]) < float(row["99th"]) for row in rows)
    assert "mean is empty" in shown.err

    told = tune("show", "iris", "--format", "seldon-benchmark", "--json").json
    assert [list(row) for row in told] == [list(COLUMNS)] * 16
    assert told[0]["mean"] is None


def test_nothing_is_overwritten_that_says_something_else(tune: Tune) -> None:
    (tune.folder / "request.json").write_text("{}")
    done = tune("init", "--from-seldon-benchmark", "values.yaml")
    assert done.status == 2
    assert "request.json: is there already" in done.err
    assert not (tune.folder / "space.yaml").exists()
    assert tune("init", "--from-seldon-benchmark", "values.yaml", "--force").status == 0
    assert tune("init", "--from-seldon-benchmark", "values.yaml").status == 0


def test_mistakes_write_nothing(tune: Tune) -> None:
    (tune.folder / "values.yaml").write_text("seldonDeployment:\n  image: a\n  replicas: 1|two\n")
    done = tune("init", "--from-seldon-benchmark", "values.yaml")
    assert done.status == 2
    assert "values.yaml:3: seldonDeployment.replicas: 'two'" in done.err
    assert sorted(path.name for path in tune.folder.iterdir()) == ["server.json", "values.yaml"]


def test_a_manifest_and_values_are_not_both_given(tune: Tune) -> None:
    done = tune("init", "deployment.yaml", "--from-seldon-benchmark", "values.yaml")
    assert done.status == 2
    assert "leave out MANIFEST" in done.err
    done = tune("init")
    assert done.status == 2
    assert "MANIFEST: is missing" in done.err
