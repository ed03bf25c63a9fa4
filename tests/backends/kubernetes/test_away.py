"""The API server stops for a while in the middle of a trial: nobody notices but the clock."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
import yaml

from tests.backends.kubernetes import toys
from tests.cluster.fixture import Cluster
from tests.conformance.backend import predict
from tuner.backends.kubernetes import KubernetesBackend
from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.resources import PODS
from tuner.errors import BackendFailure

pytestmark = pytest.mark.cluster


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings(
    "ignore:subprocess .* is still running:ResourceWarning"
)  # the server, started again to stay
@pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")  # see test_load_job
@pytest.mark.parametrize("away_s", [5.0])  # for longer: tests/cli/test_study_cluster.py
def test_a_trial_survives_the_api_servers_absence(
    cluster: Cluster, backend: KubernetesBackend, api: Api, away_s: float
) -> None:
    gone, back = threading.Event(), threading.Event()

    def outage() -> None:
        with cluster.without("kube-apiserver"):
            gone.set()
            time.sleep(away_s)
        back.set()

    stopping = threading.Thread(target=outage)
    with backend.deploy(toys.deployment([toys.manifest()])) as running:
        urls = running.endpoint.urls
        stopping.start()
        assert gone.wait(30)
        running.wait_ready(90)
        running.check_alive()
        assert running.differences() == ()
        assert [predict(url) for url in urls] == [[[13]]]
        assert back.wait(60)
    stopping.join()
    assert api.items(PODS, labels="tuner.dev/study") == []


def test_a_server_that_stays_away_is_given_up_in_words(kubeconfig: Path, tmp_path: Path) -> None:
    config = yaml.safe_load(kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    nowhere = tmp_path / "nowhere.kubeconfig"
    nowhere.write_text(json.dumps(config))
    api = Api(namespace="default", kubeconfig=nowhere, away_at_most_s=0.5)
    with pytest.raises(BackendFailure, match="does not answer"):
        api.items(PODS)
