"""The values of Seldon's chart become search spaces whose configurations are the chart's cells, no more and no fewer."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuner.errors import InputError
from tuner.manifests.baseline import baseline
from tuner.manifests.check.knobs import check
from tuner.manifests.reader import read
from tuner.manifests.render import render
from tuner.manifests.seldon_benchmark import Proposal, propose
from tuner.manifests.seldon_benchmark.cell import cell
from tuner.space.file.read import read as read_space
from tuner.space.model import SearchSpace
from tuner.space.size import configurations
from tuner.units import quantity

PREPACKAGED = "seldonDeployment: {server: SKLEARN_SERVER, modelUri: 'gs://models/iris'}\n"


def proposed(folder: Path, text: str) -> Proposal:
    (folder / "values.yaml").write_text(text)
    proposal = propose(folder / "values.yaml")
    for name, content in proposal.files.items():
        (folder / name).write_text(content)
    return proposal


def space_of(folder: Path, name: str = "space.yaml") -> SearchSpace:
    """Without a problem, and with a baseline that is the manifest as it was written."""
    space, problems = read_space(folder / name)
    assert problems == ()
    assert space is not None
    base, problems = read(space.manifest)
    assert problems == ()
    assert base is not None
    assert check(space, base) == ()
    assert render(space, base, baseline(space, base)).text == base.text
    return space


def cells(folder: Path, proposal: Proposal) -> Counter[tuple[tuple[str, str], ...]]:
    """What all search spaces would measure, in the chart's words."""
    found: Counter[tuple[tuple[str, str], ...]] = Counter()
    for one in proposal.spaces:
        space = space_of(folder, one.file)
        base, _ = read(space.manifest)
        assert base is not None
        workload = space.workload
        grpc = workload.protocol.endswith("-grpc")
        asked = {
            "apiType": "grpc" if grpc else "rest",
            "concurrency": str(workload.connections),
            "rate": "0" if workload.arrival == "closed" else f"{workload.rate_rps:.6g}",
        }
        there = list(configurations(space))
        assert len(there) == one.cells
        for configuration in there:
            own = cell(space, render(space, base, configuration).objects, grpc=grpc)
            found[tuple(sorted({**own, **asked}.items()))] += 1
    return found


def problems_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        proposed(folder, text)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


# what the chart's users write


def test_the_first_cell_is_the_manifest_that_the_chart_would_deploy(tmp_path: Path) -> None:
    proposal = proposed(
        tmp_path,
        """\
workflow: {namespace: argo}
seldonDeployment:
  name: sklearn
  replicas: 1|3
  serverWorkers: "5"
  server: SKLEARN_SERVER
  modelUri: gs://models/iris
  enableResources: "true"
  requests: {cpu: 500m}
  limits: {cpu: 500m}
  disableOrchestrator: true
""",
    )
    space = space_of(tmp_path)
    base, _ = read(space.manifest)
    assert base is not None
    (obj,) = render(space, base, baseline(space, base)).objects
    assert obj["metadata"] == {"name": "sklearn"}
    assert obj["spec"]["transport"] == "rest"
    (predictor,) = obj["spec"]["predictors"]
    assert predictor["replicas"] == 1
    assert predictor["annotations"] == {"seldon.io/no-engine": "true"}
    assert predictor["graph"] == {
        "name": "classifier",
        "implementation": "SKLEARN_SERVER",
        "modelUri": "gs://models/iris",
        "children": [],
    }
    ((container,),) = [spec["spec"]["containers"] for spec in predictor["componentSpecs"]]
    assert {one["name"]: one["value"] for one in container["env"]} == {
        "GUNICORN_WORKERS": "5",
        "GRPC_WORKERS": "5",
        "GUNICORN_THREADS": "1",
        "GRPC_THREADS": "1",
    }
    assert container["resources"] == {
        "requests": {"cpu": "500m", "memory": "100Mi"},
        "limits": {"cpu": "500m", "memory": "1000Mi"},
    }
    assert "image" not in container
    assert proposal.namespace == "argo"
    assert [parameter.name for parameter in space.parameters] == ["replicas"]


def test_a_rate_of_nought_is_a_closed_loop_and_any_other_an_even_one(tmp_path: Path) -> None:
    proposal = proposed(tmp_path, PREPACKAGED + "benchmark: {concurrency: 7, duration: 1m30s, rate: '0|120/1m|50'}\n")
    assert [space.file for space in proposal.spaces] == ["space-closed.yaml", "space-r2.yaml", "space-r50.yaml"]
    closed, slow, fast = (space_of(tmp_path, one.file).workload for one in proposal.spaces)
    assert (closed.arrival, closed.rate_rps, closed.connections, closed.duration_s) == ("closed", None, 7, 90.0)
    assert (slow.arrival, slow.rate_rps) == ("constant", 2.0)
    assert fast.rate_rps == 50.0
    assert len({space_of(tmp_path, one.file).name for one in proposal.spaces}) == 3
    assert {space_of(tmp_path, one.file).manifest.name for one in proposal.spaces} == {"seldondeployment.yaml"}


def test_over_grpc_the_port_follows_the_orchestrator(tmp_path: Path) -> None:
    text = PREPACKAGED.replace("{", "{apiType: rest|grpc, disableOrchestrator: true|false, replicas: 1|2, ")
    proposal = proposed(tmp_path, text)
    rest, direct, orchestrated = (space_of(tmp_path, one.file) for one in proposal.spaces)
    assert (rest.workload.protocol, rest.workload.port) == ("seldon", None)
    assert (direct.workload.protocol, direct.workload.port) == ("seldon-grpc", 9500)
    assert orchestrated.workload.port == 5001
    assert [one.cells for one in proposal.spaces] == [4, 2, 2]
    assert any("3 search spaces" in sentence for sentence in proposal.said)


def test_models_that_vary_may_answer_differently(tmp_path: Path) -> None:
    text = "seldonDeployment: {server: SKLEARN_SERVER, modelUri: 'gs://a|gs://b', apiType: rest|grpc}\n"
    proposal = proposed(tmp_path, text)
    rest, *grpc = (space_of(tmp_path, one.file) for one in proposal.spaces)
    assert rest.workload.check.ignore == ("$.data",)
    assert [one.name for one in grpc] == ["seldon-grpc-modeluri1", "seldon-grpc-modeluri2"]


def test_of_a_single_configuration_knobs_are_proposed(tmp_path: Path) -> None:
    proposal = proposed(tmp_path, PREPACKAGED)
    assert {"workers", "threads", "replicas"} <= {one.name for one in space_of(tmp_path).parameters}
    assert not proposal.spaces[0].varies


def test_mlservers_requests_are_the_same_over_both_apis(tmp_path: Path) -> None:
    override = {
        "model_name": "classifier",
        "inputs": [
            {"name": "predict", "datatype": "FP32", "shape": [1, 4], "contents": {"fp32_contents": [1, 2, 3, 4]}}
        ],
    }
    rest = {"inputs": [{"name": "predict", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}
    text = PREPACKAGED.replace("{", "{protocol: kfserving, apiType: rest|grpc, replicas: 1|2, serverWorkers: 1|2, ")
    text += f"benchmark: {{data: '{json.dumps(rest)}', grpcDataOverride: '{json.dumps(override)}'}}\n"
    proposal = proposed(tmp_path, text)
    by_rest, by_grpc = (space_of(tmp_path, one.file).workload for one in proposal.spaces)
    assert (by_rest.protocol, by_grpc.protocol) == ("v2", "v2-grpc")
    assert (by_rest.model, by_grpc.model) == ("classifier", "classifier")
    bodies = [json.loads(one.requests[0].path.read_text()) for one in (by_rest, by_grpc)]
    assert bodies == [rest, rest]
    assert any("MLServer reads neither" in sentence for sentence in proposal.said)


def test_what_has_no_counterpart_is_said(tmp_path: Path) -> None:
    text = """\
workflow: {parallelism: 2}
seldonDeployment: {image: iris:1, waitTime: 9, requests: {cpu: 2000Mi}, replicas: 1|2|1}
benchmark: {host: "ingress:80", restImage: vegeta, cpu: "1|8"}
"""
    proposal = proposed(tmp_path, text)
    said = "\n".join(proposal.said)
    for key in ("workflow.parallelism", "waitTime", "requests.cpu", "benchmark.host", "restImage", "benchmark.cpu"):
        assert key in said
    assert "seldonDeployment.replicas: a value that stands there twice" in said
    assert proposal.load_cpus == 8
    assert "grpcImage" not in said


def test_requests_above_limits_are_no_cells(tmp_path: Path) -> None:
    text = PREPACKAGED.replace("{", "{enableResources: 'true', requests: {cpu: 1|2}, limits: {cpu: 1|2|4}, ", 1)
    proposal = proposed(tmp_path, text)
    assert proposal.spaces[0].cells == 5
    assert [rule.text for rule in space_of(tmp_path).rules] == ["requests_cpu <= limits_cpu"]


def test_amounts_that_are_the_same_are_one_value(tmp_path: Path) -> None:
    text = PREPACKAGED.replace("{", "{enableResources: 'true', requests: {cpu: 0.5|1|500m}, limits: {cpu: 1}, ", 1)
    assert proposed(tmp_path, text).spaces[0].cells == 2


def test_a_value_that_fits_no_cell_is_left_out(tmp_path: Path) -> None:
    text = PREPACKAGED.replace("{", "{enableResources: 'true', requests: {cpu: 1|8}, limits: {cpu: 500m|1|4}, ", 1)
    proposal = proposed(tmp_path, text)
    assert proposal.spaces[0].cells == 2
    said = "\n".join(proposal.said)
    assert "requests.cpu: 8 is left out, more than every limit" in said
    assert "limits.cpu: 500m is left out, less than every request" in said


def test_the_baseline_is_the_first_cell_that_kubernetes_takes(tmp_path: Path) -> None:
    text = PREPACKAGED.replace("{", "{enableResources: 'true', requests: {cpu: 2|1}, limits: {cpu: 1|2}, ", 1)
    proposed(tmp_path, text)
    space = space_of(tmp_path)
    base, _ = read(space.manifest)
    assert base is not None
    assert dict(baseline(space, base).values) == {"requests_cpu": "2", "limits_cpu": "2"}


def test_another_delimiter_splits(tmp_path: Path) -> None:
    text = "workflow: {paramDelimiter: ';'}\nseldonDeployment: {image: 'a|b:1', replicas: 1; 2}\n"
    proposal = proposed(tmp_path, text)
    assert proposal.spaces[0].cells == 2


@pytest.mark.parametrize(("numbers", "trials"), [("1|2|3|4", 8), ("1|2|3|4|5|6|7", 20)])
def test_a_larger_grid_is_searched_in_half_the_trials_and_says_how_all_of_it_is_run(
    tmp_path: Path, numbers: str, trials: int
) -> None:
    proposed(tmp_path, PREPACKAGED.replace("{", f"{{replicas: {numbers}, serverWorkers: {numbers}, ", 1))
    cells = len(numbers.split("|")) ** 2
    assert f"all {cells} cells: --sampler grid --trials {cells}" in (tmp_path / "space.yaml").read_text()
    assert space_of(tmp_path).budget.trials == trials


def test_a_small_grid_is_gone_through_whole(tmp_path: Path) -> None:
    proposed(tmp_path, PREPACKAGED.replace("{", "{replicas: 1|2, serverWorkers: 1|2, ", 1))
    assert space_of(tmp_path).budget.trials == 4


# mistakes


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("workflow: [1]\n" + PREPACKAGED, "values.yaml:1: workflow is a list, not a mapping"),
        (
            "seldonDeployment:\n  image: a\n  replica: 2\n",
            "values.yaml:3: the chart has no value 'seldonDeployment.replica'",
        ),
        ("seldonDeployment:\n  image: a\n  replicas: [1, 2]\n", "values.yaml:3: seldonDeployment.replicas is a list"),
        (
            "seldonDeployment:\n  image: a\n  replicas: 1||2\n",
            "values.yaml:3: seldonDeployment.replicas: an empty value",
        ),
        (
            "seldonDeployment:\n  image: a\n  replicas: 1|two\n",
            "values.yaml:3: seldonDeployment.replicas: 'two' is not a",
        ),
        (
            "seldonDeployment:\n  image: a\n  apiType: soap\n",
            "values.yaml:3: seldonDeployment.apiType: 'soap' is no API",
        ),
        (
            "seldonDeployment:\n  image: a\n  protocol: v3\n",
            "values.yaml:3: seldonDeployment.protocol: 'v3' is no protocol",
        ),
        ("seldonDeployment: {replicas: 2}\n", "values.yaml: seldonDeployment.image: neither an image nor a server"),
        (
            "seldonDeployment: {server: SKLEARN_SERVER}\n",
            "values.yaml: seldonDeployment.modelUri: SKLEARN_SERVER is given no",
        ),
        (
            "seldonDeployment: {image: a}\nbenchmark: {rate: fast}\n",
            "values.yaml:2: benchmark.rate: 'fast' is not a rate",
        ),
        (
            "seldonDeployment: {image: a}\nbenchmark: {duration: 30}\n",
            "values.yaml:2: benchmark.duration: '30' has no unit",
        ),
        ("seldonDeployment: {image: a}\nbenchmark: {data: '{'}\n", "values.yaml:2: benchmark.data: not JSON"),
        (
            "seldonDeployment:\n  image: a\n  enableResources: 'true'\n  limits:\n    cpu: 2000Mi\n",
            "values.yaml:5: seldonDeployment.limits.cpu: 2000Mi of CPU is 2,097,152,000 cores; write 2000m",
        ),
        (
            "seldonDeployment: {image: a, enableResources: 'true', requests: {cpu: '2'}, limits: {cpu: '1'}}\n",
            "values.yaml:1: seldonDeployment.requests.cpu: 2 is more than the limit 1",
        ),
        (
            "seldonDeployment: {image: a, protocol: tensorflow, apiType: grpc}\n",
            "values.yaml:1: seldonDeployment.apiType: calls of the tensorflow protocol over gRPC",
        ),
        ("seldonDeployment: {image: a, name: 'A b'}\n", "values.yaml:1: seldonDeployment.name: 'A b' is no name"),
        (
            "seldonDeployment: {image: a}\nworkflow: {paramDelimiter: ''}\n",
            "values.yaml:2: workflow.paramDelimiter: empty",
        ),
        ("- 1\n", "values.yaml:1: the file holds a list"),
    ],
)
def test_a_mistake_names_its_line_the_value_and_what_to_do(tmp_path: Path, text: str, told: str) -> None:
    found = problems_of(tmp_path, text)
    assert any(one.startswith(told) for one in found), found
    assert all("; " in one for one in found)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    found = problems_of(tmp_path, "seldonDeployment:\n  replicas: x\n  serverWorkers: 0\nbenchmark:\n  rate: -1\n")
    assert [one.split(":")[1].strip().split(" ")[0] for one in found][1:] == ["2", "3", "5"]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        propose(tmp_path / "values.yaml")


# the grid


VALUES = {
    "replicas": ["1", "3"],
    "serverWorkers": ["1", "4"],
    "serverThreads": ["2", "1"],
    "modelUri": ["gs://a/b", "s3://c"],
    "image": ["iris:1", "host:5000/iris@sha256:abc"],
    "apiType": ["rest", "grpc"],
    "requests.cpu": ["1", "500m", "0.5"],
    "limits.cpu": ["500m", "2"],
    "disableOrchestrator": ["true", "false"],
    "concurrency": ["1", "50"],
    "rate": ["0", "20"],
}


@st.composite
def grids(draw: st.DrawFn) -> dict[str, list[str]]:
    """At most three values vary: a grid is small enough to be gone through."""
    varying = draw(st.sets(st.sampled_from(sorted(VALUES)), max_size=3))
    return {
        name: draw(st.permutations(values)) if name in varying else [draw(st.sampled_from(values))]
        for name, values in VALUES.items()
    }


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(axes=grids())
def test_the_configurations_of_all_spaces_are_the_charts_cells(tmp_path: Path, axes: dict[str, list[str]]) -> None:
    of_benchmark = ("concurrency", "rate")
    lines = ["seldonDeployment:", "  server: SKLEARN_SERVER", "  enableResources: 'true'"]
    lines += [
        f"  {name}: {json.dumps('|'.join(axes[name]))}" for name in axes if "." not in name and name not in of_benchmark
    ]
    lines += [f"  {name.split('.')[0]}: {{cpu: {json.dumps('|'.join(axes[name]))}}}" for name in axes if "." in name]
    lines += ["benchmark:", *(f"  {name}: {json.dumps('|'.join(axes[name]))}" for name in of_benchmark)]
    try:
        proposal = proposed(tmp_path, "\n".join(lines) + "\n")
    except InputError as error:
        assert "is more than the limit" in str(error)  # noqa: PT017
        assert min(map(quantity, axes["requests.cpu"])) > max(map(quantity, axes["limits.cpu"]))
        return
    if not all(one.varies for one in proposal.spaces):
        return  # one configuration, whose knobs are proposed
    columns = {"requests.cpu": "requestsCpu", "limits.cpu": "limitsCpu"}
    fixed = {"server": "SKLEARN_SERVER", "requestsMemory": "100Mi", "limitsMemory": "1000Mi"}
    wanted: Counter[tuple[tuple[str, str], ...]] = Counter()
    for values in product(*axes.values()):
        one = {columns.get(name, name): value for name, value in zip(axes, values, strict=True)} | fixed
        if quantity(one["requestsCpu"]) <= quantity(one["limitsCpu"]):
            wanted[tuple(sorted(one.items()))] += 1
    assert _by_amount(cells(tmp_path, proposal)) == _by_amount(wanted)


def _by_amount(found: Counter[tuple[tuple[str, str], ...]]) -> Counter[tuple[tuple[str, object], ...]]:
    """``0.5`` and ``500m`` of CPU are one configuration, which is measured once."""
    return Counter(
        {tuple((name, quantity(text) if name.endswith("Cpu") else text) for name, text in one) for one in found}
    )
