"""GPUs on a cluster: an extended resource patched onto a node's status, and a stand-in for NVIDIA's DCGM exporter.

What no test here can show is a real GPU and a real exporter: the stand-in serves the text that the real one publishes.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from ruamel.yaml import YAML

from tests.backends.kubernetes import toys
from tests.cli.study import journal, quick_space
from tests.cli.tune import Tune
from tests.cluster.fixture import Cluster
from tests.conformance.backend import ready
from tuner.backends.kubernetes import KubernetesBackend
from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.refusals import NotAllowed
from tuner.backends.kubernetes.client.resources import NAMESPACES, NODES, PODS
from tuner.backends.kubernetes.pods import gpu
from tuner.backends.kubernetes.pods.diagnosis import is_ready
from tuner.errors import TrialFailure
from tuner.trials.model import Measured

GPU = "nvidia.com/gpu"
PUBLISHED = """\
# HELP DCGM_FI_DEV_SM_CLOCK SM clock frequency (in MHz).
# TYPE DCGM_FI_DEV_SM_CLOCK gauge
DCGM_FI_DEV_SM_CLOCK{gpu="0",UUID="GPU-a",device="nvidia0",container="toy",namespace="NAMESPACE",pod="POD"} 139
# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).
# TYPE DCGM_FI_DEV_GPU_UTIL gauge
DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-a",device="nvidia0",container="toy",namespace="NAMESPACE",pod="POD"} 80
DCGM_FI_DEV_GPU_UTIL{gpu="1",UUID="GPU-b",device="nvidia1",container="toy",namespace="NAMESPACE",pod="POD"} 40
DCGM_FI_DEV_GPU_UTIL{gpu="2",UUID="GPU-c",device="nvidia2",container="other",namespace="elsewhere",pod="POD"} 100
DCGM_FI_DEV_GPU_UTIL{gpu="3",UUID="GPU-d",device="nvidia3",container="",namespace="",pod=""} 7
# HELP DCGM_FI_DEV_FB_USED Framebuffer memory used (in MiB).
# TYPE DCGM_FI_DEV_FB_USED gauge
DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-a",device="nvidia0",container="toy",namespace="NAMESPACE",pod="POD"} 1000
DCGM_FI_DEV_FB_USED{gpu="1",UUID="GPU-b",device="nvidia1",container="toy",namespace="NAMESPACE",pod="POD"} 24
DCGM_FI_DEV_FB_USED{gpu="2",UUID="GPU-c",device="nvidia2",container="other",namespace="elsewhere",pod="POD"} 9999
"""
"""Lines as the exporter's documentation shows them, with the labels of pods."""


def test_what_an_exporter_says_of_the_pods_gpus_is_summed() -> None:
    found = gpu.parse(PUBLISHED, "NAMESPACE", ["POD"])
    assert found == gpu.Figures(utilization_ratio=pytest.approx(0.6), memory_bytes=1024 * 2**20)
    assert gpu.parse(PUBLISHED, "NAMESPACE", ["another"]) == gpu.Figures(utilization_ratio=None, memory_bytes=None)


def test_a_figure_that_dcgm_does_not_have_is_none() -> None:
    blank = PUBLISHED.replace("} 40", "} 9223372036854775794")
    assert gpu.parse(blank, "NAMESPACE", ["POD"]).utilization_ratio is None


def test_a_sum_without_some_of_the_gpus_is_none() -> None:
    """The real exporter leaves the pods' labels out now and then."""
    found = gpu.parse(PUBLISHED, "NAMESPACE", ["POD"], gpus=3)
    assert (found.utilization_ratio, found.memory_bytes) == (None, None)


@pytest.fixture
def node(api: Api) -> Iterator[str]:
    """A node with one GPU, as far as the scheduler knows."""
    name = str(api.items(NODES)[-1]["metadata"]["name"])

    def patch(amount: str | None) -> None:
        change = {"status": {part: {GPU: amount} for part in ("capacity", "allocatable")}}
        api.call("PATCH", NODES.path("", name, "status"), body=change, patch="merge", what=f"the status of {name}")

    patch("1")
    try:
        yield name
    finally:
        patch(None)


def manifest(gpus: int, **others: Any) -> dict[str, Any]:
    found = toys.manifest(**others)
    found["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"][GPU] = str(gpus)
    return found


@contextmanager
def exporter(api: Api, node: str, text: str) -> Iterator[None]:
    """A pod in a namespace of its own that serves `text` as the exporter would."""
    name = f"{api.namespace}-gpu"
    serve = (
        "import http.server as h, os\n"
        "class Metrics(h.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200 if self.path == '/metrics' else 404)\n"
        "        self.end_headers()\n"
        "        self.wfile.write(os.environ['TEXT'].encode())\n"
        "h.HTTPServer(('', 9400), Metrics).serve_forever()\n"
    )
    container = {
        "name": "exporter",
        "image": toys.IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", serve],
        "env": [{"name": "TEXT", "value": text}],
        "ports": [{"name": "metrics", "containerPort": 9400}],
        "readinessProbe": {"httpGet": {"path": "/metrics", "port": 9400}, "periodSeconds": 1},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "dcgm", "namespace": name, "labels": {"app.kubernetes.io/name": "dcgm-exporter"}},
        "spec": {"nodeName": node, "containers": [container], "terminationGracePeriodSeconds": 1},
    }
    api.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        path = PODS.path(name)
        api.call("POST", path, body=pod, what="the stand-in exporter")
        while not is_ready(api.call("GET", f"{path}/dcgm", what="the stand-in exporter")):
            time.sleep(0.1)
        yield
    finally:
        api.delete(NAMESPACES, name)


class Narrow(Api):
    """Without the right to pods/proxy: the exporter is asked at its own address."""

    def stream(self, path: str, *_: object, **__: object) -> Any:
        raise NotAllowed(f"you may not get {path}")


@pytest.mark.cluster
def test_an_extended_resource_is_scheduled_or_insufficient(backend: KubernetesBackend, node: str) -> None:
    infeasible = backend.infeasible(toys.deployment([manifest(2)]).pods) or ""
    assert infeasible.startswith(f"Insufficient {GPU}: 0 of 1 pods fit")
    assert "the largest node has 1)" in infeasible
    deployment = toys.deployment([manifest(1)])
    assert backend.infeasible(deployment.pods) is None
    assert f"1 {GPU}" in backend.describe()["nodes"]
    with ready(backend.deploy(deployment)) as running:
        assert running.differences() == ()
        assert [pod["spec"]["nodeName"] for pod in running._ready] == [node]
        with pytest.raises(TrialFailure) as raised, backend.deploy(toys.deployment([manifest(1)])) as second:
            second.wait_ready(6.0)
    assert raised.value.kind == "Unschedulable"
    assert f"Insufficient {GPU}" in raised.value.reason
    assert "it still waits for room on 1 node(s) that could hold it" in raised.value.reason, "the other ends some day"


@pytest.mark.cluster
def test_the_gpus_usage_is_read_from_the_exporter_on_their_node(
    backend: KubernetesBackend, api: Api, kubeconfig: Path, node: str
) -> None:
    with ready(backend.deploy(toys.deployment([manifest(1)]))) as running:
        usage = running.meter().stop()
        assert (usage.gpu_utilization_ratio, usage.gpu_memory_bytes) == (None, None)
        assert usage.cpu_cores is not None
        (said,) = [sentence for sentence in running.not_enforced if "GPUs" in sentence]
        assert f"no DCGM exporter runs on {node}" in said
        assert "in any namespace" in said
        (pod,) = running._ready
        text = PUBLISHED.replace("NAMESPACE", api.namespace).replace("POD", pod["metadata"]["name"])
        with exporter(api, node, text):
            usage = running.meter().stop()
            narrow = gpu.Gpus(Narrow(namespace=api.namespace, kubeconfig=kubeconfig), running._ready).read()
        assert narrow == gpu.Figures(utilization_ratio=pytest.approx(0.6), memory_bytes=1024 * 2**20)
        assert usage.gpu_utilization_ratio == pytest.approx(0.6)
        assert usage.gpu_memory_bytes == 1024 * 2**20
        assert running.not_enforced == ()


@pytest.mark.cluster
def test_where_no_gpus_are_asked_for_none_are_looked_for(backend: KubernetesBackend) -> None:
    with ready(backend.deploy(toys.deployment([toys.manifest()]))) as running:
        assert running.meter().stop().gpu_memory_bytes is None
        assert running.not_enforced == ()


@pytest.mark.cluster
def test_a_study_pays_for_gpus_and_exports_them_and_the_images_that_ran(
    cluster: Cluster, namespace: str, node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = quick_space(tmp_path)
    _tune_gpus(space)
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    run = Tune(tmp_path)
    where = ("--backend", "kubernetes", "--namespace", namespace, "--load", "here")
    done = run("run", space, *where, "--trials", "3", "--confirm", "0", "-o", "best.yaml")
    assert done.status in (0, 1), done.err
    tried = journal(tmp_path).trials
    assert "every configuration that can run here was tried" in done.err, "two GPUs are more than there are"
    assert {trial.configuration.values["gpus"] for trial in tried} == {1}
    # what a busy machine's late generator lost is tried once more
    (one,) = (trial for trial in tried if isinstance(trial.outcome, Measured))
    assert isinstance(one.outcome, Measured)
    measured = one.outcome.measurement
    assert measured.requested_gpus == 1.0
    assert 3.0 < measured.cost_per_hour < 3.1
    assert any("no DCGM exporter" in sentence for sentence in measured.not_enforced)
    (image,) = measured.images
    assert image.startswith(f"toy: {toys.IMAGE} is sha256:")
    (best,) = yaml.safe_load_all((tmp_path / "best.yaml").read_text())
    assert best["metadata"]["annotations"]["tuner.dev/images"] == image
    assert str(best["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"][GPU]) == "1"
    cluster.kubectl("apply", f"--namespace={namespace}", "--dry-run=server", f"--filename={tmp_path / 'best.yaml'}")
    assert image in _tags(tmp_path, one.number)["images"]


def _tune_gpus(folder: Path) -> None:
    """One or two GPUs, for the first of which the manifest asks; nothing else is tuned."""
    editor = YAML()
    deployment, space = folder / "deployment.yaml", folder / "space.yaml"
    found = editor.load(deployment)
    found["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"][GPU] = 1
    editor.dump(found, deployment)
    described = editor.load(space)
    described["parameters"] = {"gpus": {"int": [1, 2], "set": f"limits/{GPU}"}}
    del described["rules"]
    described["prices"] = {"gpu_hour": 3.0}
    editor.dump(described, space)


def _tags(folder: Path, number: int) -> Mapping[str, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of MLflow's own parts when they are first loaded
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("toy")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
    (run,) = [run for run in runs if run.data.tags.get("tuner.trial") == str(number)]
    tags: dict[str, str] = run.data.tags
    return tags
