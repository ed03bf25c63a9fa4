"""The reader: the example of the README, every field, every mistake with its exact message, and random text."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.space import written
from tuner.space.file.read import read
from tuner.space.model import (
    Budget,
    Choices,
    ClusterSpec,
    Condition,
    Constraint,
    FloatRange,
    IntRange,
    LoadPodSpec,
    LocalImage,
    Objective,
    Prices,
    SearchSpace,
)
from tuner.workload.model import RequestSource

BAD = Path(__file__).parent / "bad"
CASES = sorted(folder.name for folder in BAD.iterdir() if folder.is_dir())

EXAMPLE = """\
name: iris
manifest: deployment.yaml          # any Kubernetes manifest, several documents allowed; the base configuration
container: classifier              # may be left out when there is one
parameters:
  workers:  {int: [1, 4], set: env/GUNICORN_WORKERS}
  threads:  {int: [1, 8], log: true, set: env/GUNICORN_THREADS}
  replicas: {int: [1, 2], set: replicas}
  cpu:      {choices: [500m, "1"], set: [limits/cpu, requests/cpu]}
  memory:   {choices: [256Mi, 512Mi], set: [limits/memory, requests/memory]}
rules:                             # combinations not worth a trial
  - workers * threads <= 16
workload:
  protocol: seldon                 # seldon, v2, tensorflow or http
  request: request.json            # or several, drawn with weights
  rate: 100/s
slo:
  latency_p99: 100ms
  error_ratio: 0.1%
objectives: {throughput: maximize, cost: minimize}
budget: {trials: 20, time: 10m}
"""

EVERYTHING = """\
name: everything
manifest: deployment.yaml
parameters:
  batching: {choices: [true, false], set: env/BATCHING}
  size:     {int: [1, 10], step: 4, set: args/--size, when: {batching: true}, container: proxy}
  wait:     {float: [0.1, 0.5], step: 0.1, set: args/--wait, when: {size: [1.0, 5]}}
  share:    {float: [0.001, 1], log: true, set: "path:/spec/share"}
  cpu:      {choices: ["1", 2], set: limits/cpu}
  burst:    {choices: [yes, no], set: env/BURST, when: {cpu: 1000m}}
workload:
  protocol: v2
  model: iris
  request:
    - {file: request.json, weight: 9}
    - other.json
  arrival: constant
  path: /infer
  method: PUT
  headers: {Authorization: Bearer abc, X-Number: 007}
  connections: 8
  timeout: 500ms
  warm_up: 0
  duration: 10s
  step: 1s
  ready_timeout: 2m
  seed: 7
slo:
  throughput: 200/s
  latency_p99.9: "<= 50ms"
  memory: 1Gi
  cpu: ">= 500m"
objectives: {latency_p99: minimize}
budget: {time: 1h, confirm: 0, cost: 0.5 EUR, gain: 1%}
prices: {core_hour: 0.1, gpu_hour: 3, currency: EUR}
local:
  overcommit: true
  images:
    - {image: "iris:1", command: python serve.py --fast, folder: model, env: {MODEL: iris, DEBUG: off}}
    - {command: [python, "a b.py"], requirements: model/requirements.txt}
cluster:
  admission: refuse
  labels: {team: scoring, example.com/cost-center: "7"}
  load_generator:
    image: registry.example/load:1
    image_pull_secrets: registry
    image_pull_policy: Never
    node_selector: {pool: load}
    tolerations: [{key: dedicated, operator: Exists, tolerationSeconds: 30}]
    service_account: load
    priority_class: low
    labels: {team: load}
    annotations: {sidecar.istio.io/inject: "false"}
    cpu: 500m
    memory: 256Mi
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("deployment.yaml", "request.json", "other.json", "model/requirements.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def whole(folder: Path, text: str) -> SearchSpace:
    (folder / "space.yaml").write_text(text)
    return written.whole(folder)


def test_the_example(folder: Path) -> None:
    space = whole(folder, EXAMPLE)
    assert space.file == folder / "space.yaml"
    assert space.manifest == folder / "deployment.yaml"
    assert [parameter.name for parameter in space.parameters] == ["workers", "threads", "replicas", "cpu", "memory"]
    assert space.parameter("workers").domain == IntRange(low=1, high=4)
    assert space.parameter("threads").domain == IntRange(low=1, high=8, log=True)
    assert space.parameter("cpu").domain == Choices(values=("500m", "1"))
    assert space.parameter("cpu").targets == ("limits/cpu", "requests/cpu")
    assert str(space.parameter("cpu").where) == f"{folder / 'space.yaml'}:8"
    assert [rule.text for rule in space.rules] == ["workers * threads <= 16"]
    assert space.workload.requests == (RequestSource(path=folder / "request.json"),)
    assert space.workload.rate_rps == 100
    assert space.slo == (Constraint(metric="latency_p99", bound=0.1), Constraint(metric="error_ratio", bound=0.001))
    assert space.objectives == (
        Objective(metric="throughput", direction="maximize"),
        Objective(metric="cost", direction="minimize"),
    )
    assert space.budget == Budget(trials=20, time_s=600)


def test_every_field(folder: Path) -> None:
    space = whole(folder, EVERYTHING)
    size, wait = space.parameter("size"), space.parameter("wait")
    assert size.domain == IntRange(low=1, high=9, step=4), "the end is the last value that steps reach"
    assert (size.container, size.when) == ("proxy", Condition(parameter="batching", values=(True,)))
    assert wait.domain == FloatRange(low=0.1, high=0.5, step=0.1)
    assert wait.when == Condition(parameter="size", values=(1, 5))
    assert space.parameter("share").domain == FloatRange(low=0.001, high=1, log=True)
    assert space.parameter("cpu").domain == Choices(values=("1", 2))
    assert space.parameter("burst").when == Condition(parameter="cpu", values=("1",)), "in the parameter's own spelling"
    assert space.parameter("burst").domain == Choices(values=("yes", "no")), "YAML 1.2: no truth values"
    load = space.workload
    assert [(source.path.name, source.weight) for source in load.requests] == [("request.json", 9), ("other.json", 1)]
    assert (load.protocol, load.model, load.arrival) == ("v2", "iris", "constant")
    assert (load.path, load.method) == ("/infer", "PUT")
    assert dict(load.headers) == {"Authorization": "Bearer abc", "X-Number": "007"}
    assert (load.rate_rps, load.connections, load.seed) == (None, 8, 7)
    assert (load.timeout_s, load.warm_up_s, load.duration_s, load.step_s, load.ready_timeout_s) == (0.5, 0, 10, 1, 120)
    assert space.slo == (
        Constraint(metric="throughput", bound=200, at_least=True),
        Constraint(metric="latency_p99.9", bound=0.05),
        Constraint(metric="memory", bound=2**30),
        Constraint(metric="cpu", bound=0.5, at_least=True),
    )
    assert space.budget == Budget(time_s=3600, confirm=0, cost=0.5, gain=0.01)
    assert space.prices == Prices(core_hour=0.1, gpu_hour=3, currency="EUR")
    assert space.local.overcommit
    assert space.local.images == (
        LocalImage(
            image="iris:1",
            command=("python", "serve.py", "--fast"),
            folder=(folder / "model").resolve(),
            env={"MODEL": "iris", "DEBUG": "off"},
        ),
        LocalImage(command=("python", "a b.py"), requirements=(folder / "model/requirements.txt").resolve()),
    )


def test_what_is_asked_of_a_cluster(folder: Path) -> None:
    cluster = whole(folder, EVERYTHING).cluster
    assert (cluster.admission, dict(cluster.labels)) == ("refuse", {"team": "scoring", "example.com/cost-center": "7"})
    assert cluster.load_generator == LoadPodSpec(
        image="registry.example/load:1",
        image_pull_secrets=("registry",),
        image_pull_policy="Never",
        node_selector={"pool": "load"},
        tolerations=({"key": "dedicated", "operator": "Exists", "tolerationSeconds": 30},),
        service_account="load",
        priority_class="low",
        labels={"team": "load"},
        annotations={"sidecar.istio.io/inject": "false"},
        cpu="500m",
        memory="256Mi",
    )
    assert whole(folder, EXAMPLE).cluster == ClusterSpec()


def test_local_may_be_one_mapping(folder: Path) -> None:
    space = whole(folder, EXAMPLE + "local: {command: [python, serve.py], overcommit: true}\n")
    assert space.local.images == (LocalImage(command=("python", "serve.py")),)
    assert space.local.overcommit


def test_without_budget_and_slo_the_defaults_hold(folder: Path) -> None:
    space = whole(folder, EXAMPLE[: EXAMPLE.index("slo:")] + "objectives: {throughput: maximize}\n")
    assert (space.slo, space.budget, space.prices) == ((), Budget(trials=20), Prices())


@pytest.mark.parametrize("case", CASES)
def test_every_mistake_is_reported_with_its_line_and_what_to_do(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD / case)
    _, problems = read(Path("space.yaml"))
    assert [str(problem) for problem in problems] == Path("expected.txt").read_text().splitlines()


def test_a_space_with_problems_holds_what_could_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD / "every-section")
    space, problems = read(Path())
    assert problems
    assert space is not None
    assert [parameter.name for parameter in space.parameters] == ["threads"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    space, problems = read(tmp_path / "nowhere.yaml")
    assert space is None
    assert [str(problem) for problem in problems] == [
        f"{tmp_path / 'nowhere.yaml'}: cannot be read: No such file or directory; "
        "name a search-space file, or a folder that holds space.yaml"
    ]


def test_an_anchor_within_itself_and_one_used_twice(folder: Path) -> None:
    (folder / "space.yaml").write_text(EXAMPLE + "local: &a {env: *a}\n")
    _, problems = read(folder)
    assert any("an anchor that contains itself" in problem.message for problem in problems)
    shared = EXAMPLE.replace("{int: [1, 4], set", "{int: &range [1, 4], set").replace(
        "{int: [1, 2], set", "{int: *range, set"
    )
    assert whole(folder, shared).parameter("replicas").domain == IntRange(low=1, high=4)


LINES = [*EXAMPLE.splitlines(), *EVERYTHING.splitlines()]
SNIPPETS = st.sampled_from(
    ["~", "[", "]", "{", "}", ": ", "- ", "&a ", "*a", "!!int ", "!x", "'", '"', "|", ">", "---", "...", "%YAML 9", "\t",
     "? ", "<<: ", "0x", "1e999", ".nan", "9" * 30, "9" * 5000, "\0", "\ufeff", "2001-01-01", "a" * 300, "[" * 40, "#"]
)  # fmt: skip


@st.composite
def broken(draw: st.DrawFn) -> str:
    """A search space with lines dropped, swapped, repeated and overwritten."""
    text = "\n".join(
        draw(st.lists(st.sampled_from(LINES), max_size=25)) if draw(st.booleans()) else EXAMPLE.splitlines()
    )
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.integers(0, 8)))
        text = text[:at] + draw(SNIPPETS | st.text(max_size=3)) + text[end:]
    return text


@given(broken() | st.text(max_size=80))
def test_no_text_makes_the_reader_raise(text: str) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "space.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
        space, problems = read(folder)
        assert space is not None or problems
        for problem in problems:
            assert problem.message
            assert problem.fix
            assert "\n" not in str(problem)
