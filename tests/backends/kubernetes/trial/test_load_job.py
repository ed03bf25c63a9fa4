"""The load generator inside a real cluster: the suite every generator passes, and what only a Job can do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.backends.kubernetes import toys
from tests.cluster.fixture import Cluster
from tests.conformance.generator import REQUEST, GeneratorConformance
from tuner.backends.kubernetes import KubernetesBackend
from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.resources import JOBS, PODS, SERVICES
from tuner.backends.kubernetes.trial import liveness, load_job
from tuner.backends.kubernetes.trial.load_job import LOAD, LoadJob, inside
from tuner.backends.kubernetes.trial.running import KubernetesRunning
from tuner.errors import BackendFailure, GeneratorFailure
from tuner.load.arrivals import schedule
from tuner.load.model import Generator, LoadWindow, Target
from tuner.load.process.piped import PipedGenerator
from tuner.measure.window import hidden_spread, summarize
from tuner.space.model import ClusterSpec, LoadPodSpec
from tuner.trials.load_source import hosted

pytestmark = pytest.mark.cluster

# every process of the pod that serves load, by its command line; with a second argument they are killed
PROCESSES = """
import os, sys
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        line = open(f"/proc/{pid}/cmdline").read().split("\\0")
    except OSError:  # it has ended meanwhile
        continue
    if "--serve" in line:
        print(pid)
        if sys.argv[1:]:
            os.kill(int(pid), 9)
"""


@pytest.fixture(scope="module")
def image(images: Callable[[str], str]) -> str:
    return images("load")


SMALL = ClusterSpec(load_generator=LoadPodSpec(cpu="300m"))
"""Several at once, beside other tests' pods, on a small cluster; nothing here measures."""


@pytest.fixture(scope="module")
def placed(kubeconfig: Path, namespace: str, image: str) -> Iterator[tuple[LoadJob, KubernetesRunning]]:
    """A Job for the load, and two toy servers deployed while it runs."""
    backend = KubernetesBackend(replace(toys.SPACE, cluster=SMALL), namespace=namespace, kubeconfig=kubeconfig)
    server = toys.manifest(env={"TOY_SERVICE_MS": "0"}, replicas=2)
    with (
        backend.host_load(study="load", image=image, cpus=1) as job,
        backend.deploy(toys.deployment([server])) as running,
    ):
        running.wait_ready(30.0)
        yield job, running


def test_what_several_load_generators_take_is_kept_from_the_trials(
    namespace: str, kubeconfig: Path, image: str
) -> None:
    """Known from the one that was tried; those who run the trials have one each."""
    many = 1000
    spec = replace(toys.SPACE, cluster=SMALL)
    backend = KubernetesBackend(spec, namespace=namespace, kubeconfig=kubeconfig, beside=many - 1)
    pods = toys.deployment([toys.manifest()]).pods
    assert backend.infeasible(pods) is None
    with backend.host_load(study="load", image=image, cpus=1):
        pass
    assert f"beside {many} load generators of 0.3 cpu each" in (backend.infeasible(pods) or "")


class TestInCluster(GeneratorConformance):
    @pytest.fixture(autouse=True)
    def _placed(self, placed: tuple[LoadJob, KubernetesRunning]) -> None:
        self.job, self.running = placed

    @pytest.fixture
    def urls(self) -> tuple[str, ...]:
        return self.running.endpoint.urls

    def generator(self, target: Target) -> PipedGenerator:
        return PipedGenerator(target, self.job.start)

    def kill(self, generator: Generator) -> None:
        self._processes("kill")

    def left_behind(self) -> list[str]:
        """The end of its standard input takes a moment to reach a process."""
        for _ in range(100):
            if not (found := self._processes().split()):
                break
            time.sleep(0.05)
        return found

    def _processes(self, *kill: str) -> str:
        return self.job._api.execute(self.job._pod, "load", ["python", "-c", PROCESSES, *kill], timeout_s=20.0)

    def test_the_load_has_a_node_of_its_own_and_the_endpoint_says_so(self, cluster: Cluster) -> None:
        nodes = {pod["spec"]["nodeName"] for pod in self.running._ready}
        said = self.running.endpoint.load_from
        assert said.startswith(f"a pod on node {self.job.node}")
        assert ("no replica shared" in said) == (self.job.node not in nodes)
        if len(cluster.kubectl("get", "nodes", "-o", "name").split()) > 1:
            assert self.job.node not in nodes
            assert not any("shared" in sentence for sentence in self.running.not_enforced)

    def test_a_lopsided_spread_behind_one_address_is_told(self, urls: tuple[str, ...]) -> None:
        """One connection through the Service reaches one of two pods, which the generator cannot see."""
        service = self.running._api.get(SERVICES, self.running._placed.service.name)
        assert service is not None
        url = f"http://{service['spec']['clusterIP']}:{service['spec']['ports'][0]['port']}"
        stage = LoadWindow(arrival="constant", rate_rps=400, duration_s=1.0, connections=1)
        for target, lopsided in ((self.target(url), True), (self.target(*urls), False)):
            with self.generator(target) as generator:
                generator.ask(target.urls[0], REQUEST, 5.0)
                meter = self.running.meter()
                window, usage = summarize(generator.run(stage)), meter.stop()
            assert len(window.replica_share) == len(target.urls)
            if not usage.cpu_share:
                pytest.skip(f"the pods' CPU time is not known here: {self.running.not_enforced}")
            assert bool(hidden_spread(window, usage)) == lopsided, usage.cpu_share

    def test_a_pipe_that_breaks_is_laid_anew_and_the_window_sent_again(self, urls: tuple[str, ...]) -> None:
        pipes = []

        def start() -> object:
            pipes.append(self.job.start())
            return pipes[-1]

        stage = LoadWindow(arrival="constant", rate_rps=100, duration_s=1.0, connections=2)
        with PipedGenerator(self.target(*urls), start) as generator:  # type: ignore[arg-type]
            generator.ask(urls[0], REQUEST, 5.0)
            breaking = threading.Timer(0.5, lambda: pipes[0]._stream.sock.sock.shutdown(2))
            breaking.start()
            assert len(generator.run(stage)) == 100
            breaking.join()
        assert len(pipes) == 2
        assert self.left_behind() == []

    @pytest.mark.filterwarnings("ignore:.*Popen.__del__:pytest.PytestUnraisableExceptionWarning")  # it is to stay
    # a client library drops a socket whose other side is gone without closing it
    @pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
    def test_an_api_server_that_is_away_only_costs_time(self, cluster: Cluster, urls: tuple[str, ...]) -> None:
        stage = LoadWindow(arrival="constant", rate_rps=50, duration_s=2.0, connections=2)
        with self.generator(self.target(*urls)) as generator:
            generator.ask(urls[0], REQUEST, 5.0)
            away = threading.Thread(target=_away, args=(cluster,))
            away.start()
            assert len(generator.run(stage)) == 100
            away.join()

    def test_several_engines_send_one_window_together(self, urls: tuple[str, ...]) -> None:
        stage = LoadWindow(arrival="constant", rate_rps=100, duration_s=1.0, connections=4)
        with hosted(self.target(*urls), self.job.start, 2) as generator:
            samples = generator.run(stage)
        assert samples.scheduled_s == pytest.approx(schedule(stage), abs=1e-6)
        assert set(samples.status) == {200}
        assert samples.connections == 4
        assert self.left_behind() == []


def _away(cluster: Cluster) -> None:
    with suppress(pytest.skip.Exception), cluster.without("kube-apiserver"):
        time.sleep(1.0)


def test_a_job_is_restricted_and_leaves_nothing(api: Api, image: str) -> None:
    with LoadJob(api, study="alone", image=image, cpus=2, cluster=SMALL):
        (pod,) = api.items(PODS, labels=f"{LOAD}=true,tuner.dev/study=alone")
        context = pod["spec"]["containers"][0]["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["status"]["qosClass"] == "Guaranteed"
        assert pod["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "600m", "memory": "1Gi"}
        assert load_job.clean(api) == []
    assert api.items(PODS, labels="tuner.dev/study=alone") == []
    assert api.items(JOBS, labels="tuner.dev/study=alone") == []


def test_what_a_dead_tuner_left_is_cleaned(api: Api, image: str) -> None:
    job = LoadJob(api, study="dead", image=image, cluster=SMALL)
    with job:
        # as if its process had been another one, of the same machine, that is gone
        there = api.items(JOBS, labels="tuner.dev/study=dead")[0]["metadata"]
        gone = there["annotations"][liveness._TUNER].replace('"started": "', '"started": "0')
        api.merge(JOBS, there["name"], {"metadata": {"annotations": {liveness._TUNER: gone}}})
        (said,) = load_job.clean(api)
        assert there["name"] in said
        assert api.items(PODS, labels="tuner.dev/study=dead") == []
        with pytest.raises(GeneratorFailure, match="is gone"):
            job.start()
        assert job.node  # the next trial asks for it: another pod takes its place
        job.start().close()
    assert api.items(JOBS, labels="tuner.dev/study=dead") == []


def test_an_image_that_is_not_there_is_told_at_once(api: Api) -> None:
    with (
        pytest.raises(BackendFailure, match=r"load generator does not start: its pod.*No-Such-Load.*InvalidImageName"),
        LoadJob(api, study="lost", image="No-Such-Load:1", cluster=SMALL),
    ):
        pass
    assert api.items(JOBS, labels="tuner.dev/study=lost") == []


def test_an_image_without_a_load_generator_is_told(api: Api, kubeconfig: Path) -> None:
    with (
        pytest.raises(BackendFailure, match=r"example/toy:1"),
        LoadJob(api, study="toy", image=toys.IMAGE, cluster=SMALL),
    ):
        pass
    assert api.items(JOBS, labels="tuner.dev/study=toy") == []


def test_sharing_a_node_is_said() -> None:
    alone = inside(("http://a",), "n1", ["n2"])
    assert (alone.load_from, alone.said) == ("a pod on node n1, which no replica shared", ())
    shared = inside(("http://a", "http://b"), "n1", ["n1", "n2"])
    assert shared.load_from == "a pod on node n1, shared with 1 of 2 replicas"
    assert "took CPU time from each other" in shared.said[0]
