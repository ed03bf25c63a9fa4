"""A simulated server has the shape of a real one, and the file that names it is checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.builders import parameter, space_of
from tuner.backends.replay.disturbed import Disturbance, Disturbed
from tuner.backends.replay.simulated import Constants, Simulated
from tuner.backends.replay.source import open_source
from tuner.errors import InputError
from tuner.space.model import Choices, Configuration, Constraint, IntRange
from tuner.space.values import Value

SPACE = space_of(
    (
        parameter("workers", IntRange(low=1, high=8)),
        parameter("threads", IntRange(low=1, high=16)),
        parameter("replicas", IntRange(low=1, high=3)),
        parameter("cpu", Choices(values=("500m", "1", "4"))),
        parameter("memory", Choices(values=("128Mi", "1Gi"))),
    ),
    slo=(Constraint(metric="latency_p99", bound=0.1),),
)


def server(noise: float = 0.0, seed: int = 0) -> Simulated:
    return Simulated(Constants(), SPACE, Disturbance(noise=noise), seed)


def throughput(source: Simulated, **values: Value) -> float:
    usual: dict[str, Value] = {"workers": 1, "threads": 1, "replicas": 1, "cpu": "4", "memory": "1Gi"}
    return source.truth(Configuration(values=usual | values)).metrics["throughput"].value


def test_workers_help_up_to_the_cpu_limit() -> None:
    assert throughput(server(), workers=2) > 1.5 * throughput(server())
    assert throughput(server(), workers=4, cpu="1") < 1.3 * throughput(server(), workers=1, threads=2, cpu="1")


def test_threads_help_until_they_contend() -> None:
    values = [throughput(server(), threads=threads) for threads in (1, 2, 16)]
    assert values[0] < values[1] > values[2]


def test_replicas_add_up_and_ask_for_more_than_there_is() -> None:
    assert throughput(server(), replicas=2) == pytest.approx(2 * throughput(server()), rel=0.1)
    many = Configuration(values={"workers": 1, "threads": 1, "replicas": 3, "cpu": "4", "memory": "1Gi"})
    assert server().infeasible(many) == "Insufficient cpu: 12 cores are asked for, the simulated machine has 8"


def test_memory_runs_out_with_the_limit_named() -> None:
    values = {"workers": 8, "threads": 1, "replicas": 1, "cpu": "4", "memory": "128Mi"}
    start = server().start(Configuration(values=values))
    assert (start.ending, start.kind) == ("failed", "OOMKilled")
    assert "its limit is 128 Mi" in start.reason


def test_near_the_limit_one_start_lives_and_the_next_does_not() -> None:
    constants = Constants(memory_base=83 * 2.0**20)
    source = Simulated(constants, SPACE, Disturbance(), 1)
    values = {"workers": 1, "threads": 1, "replicas": 1, "cpu": "1", "memory": "128Mi"}
    endings = {source.start(Configuration(values=values)).ending for _ in range(50)}
    assert endings == {"measured", "failed"}


def test_restarts_differ_by_seed_and_the_truth_does_not() -> None:
    one = Configuration(values={"workers": 2, "threads": 2, "replicas": 1, "cpu": "1", "memory": "1Gi"})
    found = {server(0.1, seed).start(one).metrics["throughput"].value for seed in range(5)}
    assert len(found) == 5
    assert server(0.1, 3).start(one) == server(0.1, 3).start(one)
    assert server(0.1).truth(one) == server().truth(one)


def written(tmp_path: Path, said: object) -> Path:
    file = tmp_path / "server.json"
    file.write_text(said if isinstance(said, str) else json.dumps(said))
    return file


def test_a_file_names_a_simulated_server_with_its_constants(tmp_path: Path) -> None:
    said = {"simulated": {"cpu_s": 0.01, "memory_worker": "90Mi", "defaults": {"threads": 2}}, "noise": 0.05}
    source = open_source(written(tmp_path, said), SPACE, 0)
    assert isinstance(source, Simulated)
    told = json.loads(source.describe()["simulated"])
    assert told == {"cpu_s": 0.01, "memory_worker": 90 * 2.0**20, "defaults": {"threads": 2.0}}
    assert json.loads(source.describe()["disturbed"]) == {"noise": 0.05}


def test_a_file_names_a_table_and_what_disturbs_it(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("workers,threads,replicas,cpu,memory,throughput\n1,1,1,1,1Gi,100\n")
    said = {"table": "t.csv", "noise": 0.05, "wander": {"wave": 0.3}}
    assert isinstance(open_source(written(tmp_path, said), SPACE, 0), Disturbed)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("{", "it is no JSON"),
        ("[]", "it holds no object"),
        ({}, "it names no table and no simulated server, or both"),
        ({"simulated": 1}, "simulated: 1 is no object"),
        ({"simulated": {"cpus": 1}}, "simulated: 'cpus' is not known; did you mean 'cpu_s'?"),
        ({"simulated": {"cpu_s": "slow"}}, "simulated.cpu_s: 'slow' is no number from 0 on"),
        ({"simulated": {"knobs": {"workers": "w"}}}, "simulated.knobs: the space has no parameter 'w'"),
        ({"simulated": {}, "noise": -1}, "noise: -1 is no number from 0 on"),
        ({"simulated": {}, "wander": {"period_s": 0}}, "wander.period_s: 0 is no number above 0 on"),
        ({"simulated": {}, "observed": 1}, "observed: 1 is neither true nor false"),
        ({"simulated": {}, "speed": 1}, "the file: 'speed' is not known"),
    ],
)
def test_what_is_wrong_with_the_file_is_told(tmp_path: Path, said: object, told: str) -> None:
    with pytest.raises(InputError) as raised:
        open_source(written(tmp_path, said), SPACE, 0)
    assert told in str(raised.value)
