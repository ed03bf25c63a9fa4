"""On a cluster: two studies do not measure on one node at once, trials keep to some nodes, and where they ran is known."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.backends.kubernetes import toys
from tests.conformance.backend import ready
from tuner.backends.kubernetes import KubernetesBackend
from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.resources import LEASES, NODES
from tuner.backends.kubernetes.trial.node_lease import NodeLeases, lease_name
from tuner.errors import BackendFailure
from tuner.space.model import ClusterSpec

pytestmark = pytest.mark.cluster


@pytest.fixture
def node() -> str:
    """Leases are names: there is none of it in the cluster."""
    return f"node-{secrets.token_hex(3)}"


@pytest.fixture
def theirs(api: Api, node: str) -> Iterator[NodeLeases]:
    """Another tuner's, which holds the node."""
    leases = NodeLeases(api, namespace=api.namespace, study="theirs", holder="another")
    leases.take([node], lambda _: None)
    yield leases
    leases.let_go()


def test_a_study_waits_until_another_lets_go_of_the_node(api: Api, node: str, theirs: NodeLeases) -> None:
    heard = threading.Event()
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        heard.set()

    mine = NodeLeases(api, namespace=api.namespace, study="mine")
    taking = threading.Thread(target=mine.take, args=([node], tell))
    taking.start()
    assert heard.wait(30.0)
    assert taking.is_alive()
    theirs.let_go()
    taking.join(30.0)
    assert not taking.is_alive()
    assert told == [f"wait until study theirs has measured on node {node}"]
    lease = api.get(LEASES, lease_name(node))
    assert lease is not None
    assert lease["metadata"]["labels"]["tuner.dev/study"] == "mine"
    mine.let_go()
    assert api.get(LEASES, lease_name(node)) is None


def test_one_that_does_not_let_go_in_time_is_named(api: Api, node: str, theirs: NodeLeases) -> None:
    mine = NodeLeases(api, namespace=api.namespace, study="mine", most_wait_s=0.0)
    with pytest.raises(BackendFailure, match=f"node {node} is measured on by study theirs"):
        mine.take([node], lambda _: None)
    assert theirs.note == ""


def test_the_lease_of_a_tuner_that_is_gone_expires(api: Api, node: str) -> None:
    body = {
        "metadata": {"name": lease_name(node)},
        "spec": {
            "holderIdentity": "gone",
            "leaseDurationSeconds": 30,
            "renewTime": "2026-01-01T00:00:00.000000Z",
        },
    }
    api.create(LEASES, {"apiVersion": LEASES.api_version, "kind": LEASES.kind, **body})
    mine = NodeLeases(api, namespace=api.namespace, study="mine", most_wait_s=0.0)
    mine.take([node], lambda _: None)
    mine.let_go()


def test_trials_of_one_process_hold_a_node_together(api: Api, node: str) -> None:
    one, other = (NodeLeases(api, namespace=api.namespace, study=study, most_wait_s=0.0) for study in "ab")
    for leases in (one, other):
        leases.take([node], lambda _: None)
    one.let_go()
    assert api.get(LEASES, lease_name(node)) is not None
    other.let_go()
    assert api.get(LEASES, lease_name(node)) is None


def test_a_trial_holds_its_node_keeps_to_the_nodes_named_and_says_where_it_ran(api: Api, kubeconfig: Path) -> None:
    node = str(api.items(NODES)[-1]["metadata"]["name"])
    space = replace(toys.SPACE, cluster=ClusterSpec(node_selector={"kubernetes.io/hostname": node}))
    keeping = KubernetesBackend(space, namespace=api.namespace, kubeconfig=kubeconfig)
    assert f"trials run on nodes with kubernetes.io/hostname={node} alone" in keeping.foreseen[-1]
    with ready(keeping.deploy(toys.deployment([toys.manifest()], study="keeping"))) as running:
        lease = api.get(LEASES, lease_name(node))
        assert lease is not None
        assert lease["metadata"]["ownerReferences"][0]["kind"] == "Job"
        assert running.differences() == ()
        (used,) = running.nodes()
    assert used.node == node
    assert used.others_memory_bytes is not None
    assert api.get(LEASES, lease_name(node)) is None
