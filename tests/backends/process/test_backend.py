"""The process backend against the suite every backend passes, with and without control groups, and what is its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conformance.backend import READY_WITHIN_S, BackendConformance, predict, ready
from tests.load.grpc_servers import wait_until
from tests.servers.pods import SERVERS, deployment_of, pods_of, toy_container, toy_space
from tuner.backends.model import Backend, Deployment, Difference
from tuner.backends.process import ProcessBackend
from tuner.backends.process import machine as machines
from tuner.backends.process.container.probe import probe
from tuner.backends.process.sandbox.affinity import Affinity
from tuner.backends.process.sandbox.cgroup2 import Cgroup2
from tuner.backends.process.sandbox.find import find_limiter
from tuner.backends.process.sandbox.model import Limiter, Limits, Sandbox
from tuner.errors import BackendFailure, TrialFailure
from tuner.manifests.model import Container, ReadinessProbe
from tuner.space.model import LocalImage

MACHINE = machines.look()


def limiter() -> Limiter:
    return find_limiter(MACHINE.server_cpus)


@pytest.fixture
def backend(tmp_path: Path) -> ProcessBackend:
    return ProcessBackend(toy_space(), tmp_path / "state")


class ProcessConformance(BackendConformance):
    def deployment(
        self, env: Mapping[str, str] | None = None, replicas: int = 1, cpu: str = "400m", memory: str = "64Mi"
    ) -> Deployment:
        return deployment_of(pods_of(toy_container(env=env, cpu=cpu, memory=memory), replicas=replicas))

    def left_behind(self, backend: Backend) -> list[str]:
        return leftovers(backend)


def leftovers(backend: Backend) -> list[str]:
    """Records, processes started by this process, and control groups named after this process."""
    assert isinstance(backend, ProcessBackend)
    records = [str(path) for path in backend._state_dir.glob("*")]
    children = [str(child) for child in psutil.Process().children(recursive=True)]
    parents = {directory.parent for directory in backend._limiter.directories("any")}
    groups = [str(group) for parent in parents for group in parent.glob(f"tuner-*.{os.getpid()}")]
    return records + children + groups


class TestWithTheBestLimiter(ProcessConformance):
    enforces_memory = limiter().enforces_memory


class TestWithAffinityOnly(ProcessConformance):
    enforces_memory = False

    @pytest.fixture
    def backend(self, tmp_path: Path) -> ProcessBackend:
        return ProcessBackend(toy_space(), tmp_path / "state", limiter=Affinity(cpus=MACHINE.server_cpus))

    def test_what_is_not_enforced_is_said_with_numbers(self, backend: Backend) -> None:
        with backend.deploy(self.deployment()) as running:
            said = "\n".join(running.not_enforced)
        assert "the CPU limit of 0.4 cores is not enforced" in said
        assert "the memory limit of 64 Mi is not enforced" in said


def test_generator_and_servers_have_cpus_of_their_own(backend: ProcessBackend) -> None:
    with ready(backend.deploy(deployment_of(pods_of(toy_container())))) as running:
        (child,) = psutil.Process().children()
        servers = os.sched_getaffinity(child.pid)
    if len(os.sched_getaffinity(0)) > 1:
        assert servers.isdisjoint(backend.generator_cpus())
    else:
        assert any("share the only CPU" in sentence for sentence in running.not_enforced)


def test_a_changed_limit_is_a_difference(backend: ProcessBackend) -> None:
    if not limiter().enforces_memory:
        pytest.skip("memory is not limited here")
    with ready(backend.deploy(deployment_of(pods_of(toy_container())))) as running:
        changed = running._containers[0].sandbox.directories[-1]
        for name in ("memory.limit_in_bytes", "memory.max"):
            if (changed / name).exists():
                (changed / name).write_text(str(48 * 2**20))
        (difference,) = running.differences()
    assert difference == Difference(what="replica 0: memory limit", asked=str(64 * 2**20), found=str(48 * 2**20))


def test_a_wrapper_that_changes_the_environment_is_a_difference(tmp_path: Path) -> None:
    wrapper = LocalImage(command=("/bin/sh", "-c", 'TOY_WORKERS=7 exec python toy.py "$@"', "sh"), folder=SERVERS)
    backend = ProcessBackend(toy_space(wrapper), tmp_path)
    with ready(backend.deploy(deployment_of(pods_of(toy_container(env={"TOY_WORKERS": "2"}))))) as running:
        (difference,) = running.differences()
    assert (difference.what, difference.asked, difference.found) == ("replica 0: env TOY_WORKERS", "2", "7")


def test_a_server_deaf_to_sigterm_is_gone_all_the_same(tmp_path: Path) -> None:
    backend = ProcessBackend(toy_space(), tmp_path / "state", grace_s=0.05)
    with backend.deploy(deployment_of(pods_of(toy_container(env={"TOY_IGNORE_SIGTERM": "1"})))) as running:
        running.wait_ready(READY_WITHIN_S)
    assert leftovers(backend) == []


def test_a_server_on_another_port_than_it_was_given_is_told_how_to_be_given_one(tmp_path: Path) -> None:
    stubborn = LocalImage(command=("/bin/sh", "-c", "exec python toy.py --port 0"), folder=SERVERS)
    backend = ProcessBackend(toy_space(stubborn), tmp_path)
    with (
        pytest.raises(TrialFailure, match=r"it listens on \d+, not on \d+, the one it was given.*\{port\}"),
        backend.deploy(deployment_of(pods_of(toy_container(args=())))) as running,
    ):
        running.wait_ready(1.0)


def test_listening_on_every_interface_is_said(tmp_path: Path) -> None:
    wrapper = LocalImage(command=("/bin/sh", "-c", 'HOST= exec python toy.py "$@"', "sh"), folder=SERVERS)
    backend = ProcessBackend(toy_space(wrapper), tmp_path)
    with ready(backend.deploy(deployment_of(pods_of(toy_container())))) as running:
        assert any("not on loopback alone" in sentence for sentence in running.not_enforced)


def test_containers_of_a_pod_share_its_ports(tmp_path: Path) -> None:
    # the second container's probe reaches the first, as within a pod's one network
    script = "import time, os; print(os.environ['UPSTREAM'], flush=True); time.sleep(60)"
    upstream = {"UPSTREAM": "http://localhost:9000/health/status"}
    sidecar = toy_container(name="sidecar", command=("python", "-c", script), args=(), env=upstream)
    backend = ProcessBackend(toy_space(), tmp_path)
    with ready(backend.deploy(deployment_of(pods_of(toy_container(), sidecar)))) as running:
        assert running.differences() == ()
        url = next(line for line in running.logs(5).splitlines() if "sidecar" in line).split()[-1]
        with urllib.request.urlopen(url, timeout=5) as response:
            assert json.load(response) == {"ready": True}


def test_overcommitted_pods_run_and_say_so(tmp_path: Path) -> None:
    pods = pods_of(toy_container(cpu="900"))
    backend = ProcessBackend(toy_space(overcommit=True), tmp_path)
    assert backend.infeasible(pods) is None
    with ready(backend.deploy(deployment_of(pods))) as running:
        assert predict(running.endpoint.urls[0]) == [[13]]
    assert running.not_enforced[0].startswith("Insufficient cpu: 900 requested")


def test_a_machine_that_refuses_to_start_is_no_fault_of_the_configuration(tmp_path: Path) -> None:
    gone = LocalImage(command=("python", "toy.py"), folder=tmp_path / "gone")
    backend = ProcessBackend(toy_space(gone), tmp_path / "state")
    with (
        pytest.raises(BackendFailure, match="could not be started"),
        backend.deploy(deployment_of(pods_of(toy_container()))),
    ):
        pass
    assert leftovers(backend) == []


KILLED_TUNER = """
import sys
from pathlib import Path
from tests.servers.pods import deployment_of, pods_of, toy_container, toy_space
from tuner.backends.process import ProcessBackend
from tuner.backends.process.sandbox.affinity import Affinity

limiter = Affinity(cpus=(0,)) if sys.argv[2] == "affinity" else None
backend = ProcessBackend(toy_space(), Path(sys.argv[1]), limiter=limiter)
pods = pods_of(toy_container(env={"TOY_IGNORE_SIGTERM": "1"}), replicas=2)
with backend.deploy(deployment_of(pods)) as running:
    running.wait_ready(20)
    print(*(one.process.pid for one in running._containers), flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("mechanism", ["best", "affinity"])
def test_what_a_killed_tuner_left_is_removed_at_the_next_start(tmp_path: Path, mechanism: str) -> None:
    backend = ProcessBackend(toy_space(), tmp_path)
    command = [sys.executable, "-c", KILLED_TUNER, str(tmp_path), mechanism]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=SERVERS.parent.parent
    ) as tuner:
        assert tuner.stdout is not None
        servers = [psutil.Process(int(pid)) for pid in tuner.stdout.readline().split()]
        assert len(servers) == 2
        assert backend.clean() == ()  # a living tuner's are not touched
        assert all(server.is_running() for server in servers)
        tuner.kill()
    (record,) = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    (sentence,) = backend.clean()
    assert f"2 processes ({servers[0].pid}, {servers[1].pid})" in sentence
    assert psutil.wait_procs(servers, timeout=5)[1] == []
    assert not [path for path in (*record["groups"], *record["folders"]) if Path(path).exists()]
    assert not list(tmp_path.iterdir())
    assert backend.clean() == ()


@dataclass(frozen=True)
class Interrupted:
    """A limiter whose sandbox is interrupted when its groups are made and nobody holds it yet."""

    limiter: Limiter

    def __getattr__(self, name: str) -> Any:
        return getattr(self.limiter, name)

    def create(self, name: str, limits: Limits) -> Sandbox:
        self.limiter.create(name, limits)
        raise KeyboardInterrupt


def test_an_interruption_while_groups_are_made_leaves_none(tmp_path: Path) -> None:
    backend = ProcessBackend(toy_space(), tmp_path / "state", limiter=Interrupted(limiter()))
    with pytest.raises(KeyboardInterrupt), backend.deploy(deployment_of(pods_of(toy_container()))):
        pass
    assert not leftovers(backend)


def test_groups_of_which_no_record_tells_are_removed_with_their_tuner_gone(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    gone, mine = tmp_path / f"tuner-a.b-3-0.{ended.pid}", tmp_path / f"tuner-a.b-4-0.{os.getpid()}"
    full, other = tmp_path / f"tuner-a-5-0.{ended.pid}", tmp_path / f"another-5-0.{ended.pid}"
    for group in (gone, mine, full, other):
        group.mkdir()
    (full / "cgroup.procs").write_text(f"{os.getpid()}\n")
    backend = ProcessBackend(
        toy_space(), tmp_path / "state", limiter=Cgroup2(parent=tmp_path, controllers=frozenset(), cpus=(0,))
    )
    assert backend.clean() == (f"removed the control group {gone}, whose tuner process is gone",)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([mine.name, full.name, other.name])
    assert backend.clean() == ()


def test_nobody_listens_where_the_load_goes(tmp_path: Path) -> None:
    backend = ProcessBackend(toy_space(overcommit=True), tmp_path / "state")
    with backend.deploy(deployment_of(replace(pods_of(toy_container()), load=5000))) as running:
        probed = running._containers[0].launch.ports[9000]
        wait_until(lambda: probe(probed, "/health/status") is None)
        here = int(running.endpoint.urls[0].rpartition(":")[2])
        with pytest.raises(TrialFailure, match=rf"not on {here}, which stands here for port 5000.*workload.port"):
            running.wait_ready(0.2)


MODEL = """
class Doubler:
    def predict(self, X, names=None, meta=None):
        return 2 * X
"""


@pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="seldon-core needs numpy < 2, which Python 3.13 has no wheel of"
)
def test_seldon_core_microservice_is_served_and_taken_down(tmp_path: Path) -> None:
    (tmp_path / "Doubler.py").write_text(MODEL)
    image = LocalImage(command=("seldon-core-microservice", "Doubler", "--service-type", "MODEL"), folder=tmp_path)
    container = Container(
        name="classifier",
        image="example/doubler:1",
        env={"GUNICORN_WORKERS": "2", "SELDON_LOG_LEVEL": "WARNING"},
        ports=(("http", 9000), ("metrics", 6000)),
        probe=ReadinessProbe(http_path="/health/status", port=9000),
        requests={"cpu": "500m", "memory": "512Mi"},
        limits={"cpu": "2", "memory": "512Mi"},
    )
    backend = ProcessBackend(toy_space(image), tmp_path / "state")
    pods = pods_of(container)
    assert backend.check(pods) == ()
    with backend.deploy(deployment_of(pods)) as running:
        running.wait_ready(100)
        assert running.differences() == ()
        request = urllib.request.Request(
            f"{running.endpoint.urls[0]}/api/v1.0/predictions",
            data=b'{"data": {"ndarray": [[1, 2]]}}',
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            assert json.load(response)["data"]["ndarray"] == [[2, 4]]
        assert any("listens on" in sentence and "0.0.0.0" in sentence for sentence in running.not_enforced)
        servers = [psutil.Process(pid) for one in running._containers for pid in one.members()]
        assert len(servers) > 2
    assert not any(server.is_running() and server.status() != psutil.STATUS_ZOMBIE for server in servers)
    assert psutil.Process().children() == []
