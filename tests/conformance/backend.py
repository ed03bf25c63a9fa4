"""What every backend must do. A test class inherits this and gives `deployment` and `left_behind`."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import ClassVar

import pytest

from tuner.backends.model import Backend, Deployment, Running, TellsConditions
from tuner.errors import TrialFailure

READY_WITHIN_S = 90.0
"""A busy machine may take long; what takes longer is broken."""
NEVER_READY_S = 1.0


def predict(url: str) -> object:
    """The prediction for the row 1, 2, 3, which is 13."""
    request = urllib.request.Request(
        f"{url}/api/v1.0/predictions",
        data=b'{"data": {"ndarray": [[1, 2, 3]]}}',
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)["data"]["ndarray"]


@contextmanager
def ready[R: Running](deployed: AbstractContextManager[R]) -> Iterator[R]:
    """What a backend deployed, from when it is ready."""
    with deployed as running:
        running.wait_ready(READY_WITHIN_S)
        yield running


class PlaceConformance:
    """What holds of every backend, also of one in which nothing is ever started."""

    def deployment(self) -> Deployment:
        """One that can run there."""
        raise NotImplementedError

    def test_what_can_run_has_no_problems(self, backend: Backend) -> None:
        pods = self.deployment().pods
        assert backend.check(pods) == ()
        assert backend.infeasible(pods) is None

    def test_the_place_describes_itself_and_has_nothing_to_clean(self, backend: Backend) -> None:
        assert backend.clean() == ()
        assert all(isinstance(text, str) and text for pair in backend.describe().items() for text in pair)
        assert all(isinstance(cpu, int) for cpu in backend.generator_cpus())


class BackendConformance(PlaceConformance):
    """Deploys the toy server (`tests/servers/toy.py`) in all its moods, on the fixture `backend`."""

    enforces_memory: ClassVar[bool] = True
    never_ready_s: ClassVar[float] = NEVER_READY_S
    """How long a server that is never ready is waited for: at least until its probe was asked once."""

    def deployment(
        self, env: Mapping[str, str] | None = None, replicas: int = 1, cpu: str = "400m", memory: str = "64Mi"
    ) -> Deployment:
        """The toy server as this backend's users would have it."""
        raise NotImplementedError

    def left_behind(self, backend: Backend) -> list[str]:
        """All that is still there of this backend's deployments."""
        raise NotImplementedError

    def failure(
        self, backend: Backend, env: Mapping[str, str], within_s: float = READY_WITHIN_S, until_dead: bool = False
    ) -> TrialFailure:
        """How a deployment fails on its way to ready or, with `until_dead`, while it is asked for predictions."""
        with pytest.raises(TrialFailure) as raised:
            self.serve(backend, self.deployment(env=env), within_s, until_dead)
        assert self.left_behind(backend) == []
        return raised.value

    @staticmethod
    def serve(backend: Backend, deployment: Deployment, within_s: float, until_dead: bool) -> None:
        with backend.deploy(deployment) as running:
            running.wait_ready(within_s)
            for _ in range(2000 if until_dead else 0):
                running.check_alive()
                with suppress(OSError):
                    predict(running.endpoint.urls[0])

    def test_a_deployment_is_ready_answers_and_is_gone_afterwards(self, backend: Backend) -> None:
        with backend.deploy(self.deployment()) as running:
            startup_s = running.wait_ready(READY_WITHIN_S)
            assert startup_s > 0
            (url,) = running.endpoint.urls
            assert predict(url) == [[13]]
            running.check_alive()
        assert self.left_behind(backend) == []
        with pytest.raises(urllib.error.URLError):
            predict(url)

    def test_every_replica_answers_at_an_address_of_its_own(self, backend: Backend) -> None:
        with ready(backend.deploy(self.deployment(replicas=2))) as running:
            assert len(set(running.endpoint.urls)) == 2
            assert [predict(url) for url in running.endpoint.urls] == [[[13]], [[13]]]
            assert not any(url.endswith("/") for url in running.endpoint.urls)

    def test_what_runs_is_what_was_asked_for(self, backend: Backend) -> None:
        with ready(backend.deploy(self.deployment(env={"TOY_WORKERS": "3"}, replicas=2))) as running:
            assert running.differences() == ()
            assert all(isinstance(sentence, str) for sentence in running.not_enforced)

    def test_usage_is_that_of_the_window(self, backend: Backend) -> None:
        busy = self.deployment(env={"TOY_MEMORY_MB": "16", "TOY_BUSY": "1", "TOY_SERVICE_MS": "10"})
        with ready(backend.deploy(busy)) as running:
            meter = running.meter()
            for _ in range(20):
                predict(running.endpoint.urls[0])
            usage = meter.stop()
        assert usage.cpu_cores is not None
        assert 0 < usage.cpu_cores < 2
        assert usage.memory_peak_bytes is not None
        assert usage.memory_peak_bytes > 16 * 2**20

    def test_what_can_be_told_of_the_machine_is_told(self, backend: Backend) -> None:
        with ready(backend.deploy(self.deployment())) as running:
            if not isinstance(running, TellsConditions):
                pytest.skip("this backend does not watch the machine")
            meter = running.watch_conditions()
            for _ in range(5):
                predict(running.endpoint.urls[0])
            told = meter.stop()
        assert told.window_s > 0
        assert 0 < told.allowed_cores <= told.cpus
        assert told.probe_s is None or told.probe_s > 0
        assert told.taken_cores is None or told.taken_cores >= 0
        assert told.taken_cores is not None or told.not_told, "what cannot be observed is said in words"

    def test_logs_are_the_last_lines_of_the_servers(self, backend: Backend) -> None:
        with ready(backend.deploy(self.deployment(replicas=2))) as running:
            lines = running.logs(1).splitlines()
        assert len(lines) == 2
        assert all("toy: serving on" in line for line in lines)

    def test_a_crash_at_the_start_is_told_with_its_log(self, backend: Backend) -> None:
        failure = self.failure(backend, env={"TOY_FAIL": "crash"})
        assert (failure.kind, failure.stage) == ("Crashed", "ready")
        assert "status 1" in failure.reason
        assert "crashing at the start, as asked" in failure.logs

    def test_a_server_that_is_never_ready_is_given_up_with_its_last_answer(self, backend: Backend) -> None:
        failure = self.failure(backend, env={"TOY_FAIL": "never-ready"}, within_s=self.never_ready_s)
        assert (failure.kind, failure.stage) == ("NotReady", "ready")
        assert "503" in failure.reason

    @pytest.mark.parametrize("mood", ["oom", "oom-child"])
    def test_running_out_of_memory_is_told_with_the_limit(self, backend: Backend, mood: str) -> None:
        if not self.enforces_memory:
            pytest.skip("this backend cannot limit memory here")
        # the server itself may be ready before its child is out of memory, so it is asked until it is told
        failure = self.failure(backend, until_dead=True, env={"TOY_FAIL": mood})
        assert failure.kind == "OOMKilled"
        assert "64 Mi" in failure.reason

    def test_a_crash_after_ready_is_noticed(self, backend: Backend) -> None:
        failure = self.failure(backend, until_dead=True, env={"TOY_FAIL": "crash-later"})
        assert failure.kind == "Crashed"
        assert "crashing after the first prediction, as asked" in failure.logs

    def test_an_error_inside_leaves_nothing_behind(self, backend: Backend) -> None:
        with pytest.raises(KeyboardInterrupt), backend.deploy(self.deployment(replicas=2)):
            raise KeyboardInterrupt
        assert self.left_behind(backend) == []

    def test_more_than_there_is_can_never_be_scheduled(self, backend: Backend) -> None:
        cpu = backend.infeasible(self.deployment(cpu="5000").pods)
        assert cpu is not None
        assert "Insufficient cpu" in cpu
        memory = backend.infeasible(self.deployment(memory="5000Ti").pods)
        assert memory is not None
        assert "Insufficient memory" in memory
