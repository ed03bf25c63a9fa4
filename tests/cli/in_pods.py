"""What studies need whose own part runs in pods of the test cluster: a database that these reach, and a namespace that lets
in nothing but what is as restricted as can be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.study import quick_space
from tests.cluster import ways
from tests.cluster.fixture import Cluster
from tests.cluster.places import machine_address
from tests.record.mlflow.stores import Postgres, postgres_programs, running

_OF_THE_POD = """\
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
"""
_OF_THE_CONTAINER = """\
          image: example/toy:1
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
"""


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Postgres]:
    """Reached from this machine and from the pods, by different addresses."""
    if not isinstance(cluster.way, ways.Own):
        pytest.skip("the pods of that cluster cannot reach a database here")
    found = postgres_programs()
    if found is None:
        pytest.skip("no PostgreSQL is installed here (Debian: postgresql)")
    with running(found, also_at=machine_address()) as server:
        yield server


def url(database: Postgres, host: str = "127.0.0.1") -> str:
    """As `--studies` takes it."""
    return f"postgresql://tuner@{host}:{database.port}/postgres"


def secret(cluster: Cluster, space: str, database: Postgres) -> None:
    """The Secret `studies`, which names the database as pods reach it."""
    literal = f"--from-literal=TUNE_STUDIES={url(database, machine_address())}"
    cluster.kubectl("create", "secret", "generic", "studies", "-n", space, literal)


def restrict(cluster: Cluster, space: str) -> None:
    """From now on the namespace lets in what meets Pod Security's level ``restricted``, and nothing else."""
    cluster.kubectl("label", "namespace", space, "pod-security.kubernetes.io/enforce=restricted")


def restricted_space(folder: Path) -> Path:
    """The toy search space, whose server such a namespace lets in."""
    space = quick_space(folder)
    manifest = space / "deployment.yaml"
    text = manifest.read_text()
    for plain, restricted in (
        ("      containers:\n", _OF_THE_POD),
        ("          image: example/toy:1\n", _OF_THE_CONTAINER),
    ):
        assert text.count(plain) == 1
        text = text.replace(plain, restricted)
    manifest.write_text(text)
    return space
