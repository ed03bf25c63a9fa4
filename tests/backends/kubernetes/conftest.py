"""A namespace of its own on the test cluster, with the toy's image on its nodes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.backends.kubernetes import toys
from tests.cluster.fixture import Cluster
from tuner.backends.kubernetes import KubernetesBackend
from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.resources import NAMESPACES


@pytest.fixture(scope="session")
def kubeconfig(cluster: Cluster, images: Callable[[str], str]) -> Path:
    assert images("toy") == toys.IMAGE
    return cluster.kubeconfig


@pytest.fixture(scope="session")
def namespace(kubeconfig: Path) -> Iterator[str]:
    name = f"tuner-test-{secrets.token_hex(3)}"
    api = Api(namespace=name, kubeconfig=kubeconfig)
    api.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    api.delete(NAMESPACES, name)


@pytest.fixture
def api(kubeconfig: Path, namespace: str) -> Api:
    return Api(namespace=namespace, kubeconfig=kubeconfig)


@pytest.fixture
def backend(kubeconfig: Path, namespace: str) -> KubernetesBackend:
    return KubernetesBackend(toys.SPACE, namespace=namespace, kubeconfig=kubeconfig)
