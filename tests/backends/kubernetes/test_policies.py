"""On a cluster: a server that is ready and cannot be reached is told from one that does not answer.

The test cluster's network enforces no policies: packets are dropped by a rule of its packet filter instead.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from tests.backends.kubernetes import toys
from tests.backends.kubernetes.test_failures import made
from tests.cluster import network, ways
from tests.cluster.fixture import Cluster
from tuner.backends.kubernetes import KubernetesBackend
from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.resources import POLICIES
from tuner.errors import TrialFailure
from tuner.load.model import Generator, Target
from tuner.load.process.local import local_generator
from tuner.trials.serving import deployed
from tuner.trials.traffic import Traffic

pytestmark = pytest.mark.cluster


@contextmanager
def behind_a_wall(target: Target) -> Iterator[Generator]:
    """A generator whose packets to the pods are dropped; those of their node are not."""
    addresses = [str(urlsplit(url).hostname) for url in target.urls]
    for address in addresses:
        filtered("--insert", address)
    try:
        with local_generator(target) as generator:
            yield generator
    finally:
        for address in addresses:
            filtered("--delete", address)


def filtered(what: str, address: str) -> None:
    rule = [what, "FORWARD", "--in-interface", "nodes", "--destination", address, "--jump", "DROP"]
    subprocess.run([*network.inside(), "iptables", *rule], check=True, capture_output=True)


def test_a_policy_that_lets_no_load_through_is_named(backend: KubernetesBackend, api: Api, cluster: Cluster) -> None:
    if not isinstance(cluster.way, ways.Own):
        pytest.skip(f"packets are dropped on a cluster of our own only; this is {cluster.way.words}")
    traffic = Traffic.of(replace(toys.SPACE.workload, timeout_s=2.0))
    deployment = toys.deployment([toys.manifest()])
    with (
        made(api, POLICIES, "deny-all", spec={"podSelector": {}, "policyTypes": ["Ingress"]}),
        pytest.raises(TrialFailure) as raised,
        deployed(backend, deployment, traffic, behind_a_wall, on_stage=lambda _: None),
    ):
        pass
    assert (raised.value.kind, raised.value.stage) == ("Blocked", "verify")
    assert "the pods are ready, but NetworkPolicy deny-all lets no load through to port 9000" in raised.value.reason
