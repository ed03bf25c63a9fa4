"""What commands can be pointed at, over the real process backend, the real toy server and real sockets."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.servers.plain import plain
from tuner.errors import EnvironmentFailure, InputError, TrialFailure, Where
from tuner.load.model import LoadWindow
from tuner.space.model import Constraint
from tuner.targets import remote
from tuner.targets.deployed import Deployed
from tuner.targets.model import SystemUnderTest, TargetOptions
from tuner.targets.named import system
from tuner.trials.clock import FakeClock
from tuner.workload.model import Bearer

TOY = Path(__file__).parent.parent / "servers" / "toy"
NONE = TargetOptions()
TOKEN = Bearer(env="NOBODYS_TOKEN", where=Where(file="--token-env"))


@pytest.fixture(autouse=True)
def _state_and_cpus_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is deployed leaves the servers' CPUs alone; the other tests need not."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture
def url() -> Iterator[str]:
    with plain() as address:
        yield address


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A copy of the toy to be changed; its server runs where it is."""
    folder = tmp_path / "toy"
    shutil.copytree(TOY, folder)
    replaced(folder / "space.yaml", "folder: ..", f"folder: {TOY.parent}")
    return folder


def replaced(file: Path, old: str, new: str) -> None:
    file.write_text(file.read_text().replace(old, new))


def refusals(text: str | Path, options: TargetOptions = NONE) -> str:
    with pytest.raises(InputError) as raised:
        system(str(text), options=options)
    return str(raised.value)


def nobody_at(url: str) -> SystemUnderTest:
    return system(url, options=replace(NONE, timeout_s=0.2), clock=FakeClock())


def test_a_url_is_spoken_to_and_nothing_is_started(url: str) -> None:
    stages: list[str] = []
    target = system(f"{url}/predict?a=1", options=NONE)
    with target.serve(stages.append) as served:
        samples = served.generator.run(LoadWindow(arrival="constant", rate_rps=50, duration_s=0.2, connections=2))
    assert served.startup_s is None
    assert served.running.meter().stop().cpu_cores is None
    assert set(samples.status) == {200}
    assert target.workload.path == "/predict?a=1"
    assert target.workload.method == "GET"
    assert stages == ["wait for an answer"]


def test_a_server_on_this_machine_shares_its_cpus_with_one_generator(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    whole = remote.local_generator
    monkeypatch.setattr(remote, "local_generator", lambda to: (seen.append(to.cpus), whole(to))[1])
    with system(f"{url}/predict", options=NONE).serve(lambda _: None):
        pass
    elsewhere = system("http://192.0.2.1/", options=replace(NONE, connections=1, timeout_s=0.1), clock=FakeClock())
    with pytest.raises(TrialFailure), elsewhere.serve(lambda _: None):
        pass
    assert [len(cpus) for cpus in seen] == [0, 1]


def test_a_url_that_answers_wrongly_is_no_subject(url: str) -> None:
    with pytest.raises(TrialFailure) as raised, system(f"{url}/nowhere", options=NONE).serve(lambda _: None):
        pass
    assert raised.value.kind == "WrongAnswer"
    assert "404" in str(raised.value)


def test_a_url_where_nobody_listens_is_given_up_on() -> None:
    clock = FakeClock()
    nobody = system("http://127.0.0.1:1", options=replace(NONE, timeout_s=0.5), clock=clock)
    with pytest.raises(TrialFailure) as raised, nobody.serve(lambda _: None):
        pass
    assert raised.value.kind == "NotReady"
    assert clock.now() > 10


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ftp://host/", "the scheme is 'ftp'"),
        ("http:///predict", "no host"),
        ("http://host:99999/", "no URL"),
        ("http://host:0/", "port 0"),
        ("http://host/#top", "fragment"),
        ("http://host/prédict?ü=1", "write http://host/pr%C3%A9dict?%C3%BC=1"),
        ("http://exämple/p", "write http://xn--exmple-cua/p"),
        ("http://host/a b", "write it percent-encoded: /a%20b"),
        ("127.0.0.1:9000/predict", "lacks its scheme; write http://127.0.0.1:9000/predict"),
        ("localhost:9000", "lacks its scheme"),
        ("model.example:8080/v1?a=b", "lacks its scheme"),
        ("[::1]:9000/", "lacks its scheme"),
        ("10.0.0.7/predict", "lacks its scheme"),
        ("//127.0.0.1/predict", "scheme"),
        ("://127.0.0.1/predict", "the URL has no scheme"),
    ],
)
def test_urls_that_are_none(text: str, told: str) -> None:
    assert told in refusals(text)


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    told = refusals("http://user:s3cret@host/")
    assert "credentials" in told
    assert "s3cret" not in told


def test_secrets_in_a_query_are_not_in_the_name(url: str) -> None:
    target = system(f"{url}/predict?api_key=s3cret", options=NONE)
    assert "s3cret" not in target.name
    assert "s3cret" not in str(target.describe())


def test_a_url_takes_the_workload_of_a_search_space(url: str) -> None:
    target = system(url, options=replace(NONE, space=TOY))
    assert (target.workload.protocol, target.workload.rate_rps) == ("seldon", 100.0)
    assert [bound.metric for bound in target.slo] == ["latency_p99", "error_ratio"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (TargetOptions(protocol="seldom"), "'seldom'"),
        (TargetOptions(protocol="v2"), "--model"),
        (TargetOptions(protocol="seldon"), "--body"),
        (TargetOptions(path="predict"), "write /predict"),
        (TargetOptions(method="GET IT"), "GET IT"),
        (TargetOptions(bodies=(Path("nowhere.json"),)), "nowhere.json"),
        (TargetOptions(arrival="sometimes"), "sometimes"),
        (TargetOptions(shape="ramp:1/s"), "ramp"),
        (TargetOptions(trial=3), "is no study"),
    ],
)
def test_options_that_do_not_fit_are_told_before_anything_is_started(options: TargetOptions, told: str) -> None:
    assert told in refusals("http://127.0.0.1:1", options)


def test_options_come_before_what_the_search_space_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOBODYS_TOKEN", "abc")
    bound = Constraint(metric="latency_p50", bound=0.01)
    options = TargetOptions(
        connections=3, duration_s=2.0, rate_rps=7.0, headers={"X-A": "b"}, slo=(bound,), arrival="constant", token=TOKEN
    )
    target = system(str(TOY), options=options)
    workload = target.workload
    assert (workload.connections, workload.duration_s, workload.rate_rps) == (3, 2.0, 7.0)
    assert (workload.arrival, dict(workload.headers)) == ("constant", {"X-A": "b"})
    assert workload.auth == TOKEN
    assert target.slo == (bound,)


def test_a_search_space_serves_its_baseline_anew_each_time() -> None:
    target = system(str(TOY), options=NONE)
    urls, stages = [], list[str]()
    for _ in range(2):
        with target.serve(stages.append) as served:
            urls.append(served.running.endpoint.urls[0])
            assert served.startup_s is not None
            assert served.startup_s > 0
    assert stages == ["deploy", "wait until ready", "verify", "take down"] * 2
    with pytest.raises(TrialFailure), nobody_at(urls[0]).serve(lambda _: None):
        pass


def test_a_manifest_is_run_as_the_search_space_beside_it_says() -> None:
    target = system(str(TOY / "deployment.yaml"), options=NONE)
    assert isinstance(target, Deployed)
    assert target.workload.protocol == "seldon"
    assert target.describe()["workload"] == "Deployment toy, replicas: 1"
    with target.serve(lambda _: None) as served:
        assert served.running.differences() == ()


def test_a_manifest_beside_a_space_of_another_manifest_needs_to_be_told(toy: Path) -> None:
    other = toy / "other.yaml"
    shutil.copy(toy / "deployment.yaml", other)
    assert "nothing says how image" in refusals(other)
    target = system(str(other), options=replace(NONE, space=toy))
    assert target.describe()["manifest"] == str(other)


def test_an_interrupt_takes_down_what_was_started() -> None:
    target = system(str(TOY), options=NONE)
    urls: list[str] = []

    def interrupted() -> None:
        with target.serve(lambda _: None) as served:
            urls.extend(served.running.endpoint.urls)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(TrialFailure) as raised, nobody_at(urls[0]).serve(lambda _: None):
        pass
    assert raised.value.kind == "NotReady"


def test_a_server_that_dies_tells_what_it_said(toy: Path) -> None:
    replaced(toy / "space.yaml", "[python, toy.py]", "[python, -c, 'raise SystemExit(\"no model here\")']")
    with pytest.raises(TrialFailure) as raised, system(str(toy), options=NONE).serve(lambda _: None):
        pass
    assert raised.value.kind == "Crashed"
    assert "no model here" in raised.value.logs


def test_what_can_never_run_here_is_not_started(toy: Path) -> None:
    replaced(toy / "deployment.yaml", "cpu: 500m", 'cpu: "400"')
    huge = system(str(toy), options=NONE)
    with pytest.raises(EnvironmentFailure, match="cannot run here"), huge.serve(lambda _: None):
        pass


def test_neither_file_nor_study(tmp_path: Path) -> None:
    assert "cannot be read" in refusals(tmp_path / "nowhere.yaml")
    assert "no such study" in refusals("study:nowhere", replace(NONE, studies=tmp_path))
