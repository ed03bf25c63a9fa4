"""A namespace of its own on the test cluster; without a cluster these tests are skipped, saying why."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.kubernetes.cluster import obstacle, prepare
from tuner.backends.kubernetes.api import NAMESPACES, Api
from tuner.errors import EnvironmentFailure


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cluster: needs a Kubernetes cluster (scripts/cluster up)")


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """Of a cluster that answers and has the toy's image. With CI=true a missing one is a failure."""
    found = obstacle()
    if isinstance(found, str):
        if os.environ.get("CI") == "true":
            pytest.fail(found)
        pytest.skip(found)
    prepare(found)
    return found


@pytest.fixture(scope="session")
def namespace(kubeconfig: Path) -> Iterator[str]:
    name = f"tuner-test-{secrets.token_hex(3)}"
    api = Api(namespace=name, kubeconfig=kubeconfig)
    api.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    api.delete(NAMESPACES, name)


@pytest.fixture
def api(kubeconfig: Path, namespace: str) -> Api:
    try:
        return Api(namespace=namespace, kubeconfig=kubeconfig)
    except EnvironmentFailure as failure:
        pytest.skip(str(failure))
