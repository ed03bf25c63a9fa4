"""Fixtures for tests that need a real Kubernetes.

`cluster` (session): a `Cluster` that is up, with two nodes: its `kubeconfig`, `kubectl(...)` and, where it is our own,
`without(daemon)`, which stops a part of it for a while. One that is up already is used and left up; else one is
started, where the machine allows, and taken down at the end of the last test run that uses it. `pytest
--cluster=current` takes the cluster of the current kubeconfig as it is, `--cluster=none` takes none.

`images` (session): `images("toy")` builds that image of `scripts/images` if need be, brings it onto the nodes and
returns its name in manifests. With `--cluster=current` it only returns the name: the images must be where that
cluster pulls from.

`argo` (module): Argo's workflow controller serves the cluster. Only on a cluster of our own.
`seldon` (module): the operator of Seldon Core does, with an orchestrator that stands in for its own. The same.
`kserve` (module): KServe's controller does, in its standard mode. The same.

Where there can be no cluster, or no image, the test is skipped with the reason. With CI=true missing Debian packages
are installed first, and what still is missing fails the test. Tests that use either fixture carry the marker
`cluster`, and their time limit leaves room for compiling and building.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cluster import control, daemons, machine, recovery, ways
from tests.cluster import images as built_images
from tests.cluster.argo import controller
from tests.cluster.kserve import controller as kserve_controller
from tests.cluster.places import locked, nodes, own_name, started_by_tests
from tests.cluster.programs import programs
from tests.cluster.say import CannotError
from tests.cluster.seldon import operator

_FIXTURES = {"cluster", "images", "argo", "seldon", "kserve"}
_BUILT = {"images", "argo", "seldon", "kserve"}
_BUILD_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster that is up."""

    kubeconfig: Path
    way: ways.Way
    disturbed: threading.Event = field(default_factory=threading.Event)
    """A part of it was stopped, and nobody has looked since whether all of it works again."""

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Standard output; raises subprocess.CalledProcessError when the command fails."""
        own = isinstance(self.way, ways.Own)
        command = [f"{programs()}/kubectl" if own else "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout

    @contextmanager
    def namespace(self, name: str) -> Iterator[str]:
        """A new namespace, its name followed by what makes it unique; gone afterwards."""
        name = f"{name}-{secrets.token_hex(3)}"
        self.kubectl("create", "namespace", name)
        try:
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--wait=false")

    @contextmanager
    def without(self, daemon: str) -> Iterator[None]:
        """Stop `kube-apiserver`, `kubelet-node1` or another part but a containerd, and start it again afterwards.

        The tests after this one wait until all of the cluster works again. Skips the test on a cluster not our own.
        """
        if not isinstance(self.way, ways.Own):
            pytest.skip(f"{daemon} is only stopped on a cluster of our own; this is {self.way.words}")
        self.disturbed.set()
        daemons.stop(daemon)
        try:
            yield
        finally:
            daemons.again(daemon)
            control.wait(programs())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cluster",
        choices=["auto", "current", "none"],
        default="auto",
        help="the cluster for tests that need one: the test cluster (default), the current kubeconfig's, or none",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cluster: needs a real Kubernetes (scripts/cluster)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    limit = float(config.getini("timeout") or 0)
    for item in items:
        used = _FIXTURES & set(getattr(item, "fixturenames", ()))
        if used:
            item.add_marker("cluster")
        if used:
            # compiling a cluster or building an image takes minutes, once: not the time of the test that comes first
            own = item.get_closest_marker("timeout")
            seconds = limit if own is None else float(own.args[0])
            item.add_marker(pytest.mark.timeout(seconds + _BUILD_S * bool(_BUILT & used), func_only=True), append=False)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    wanted = request.config.getoption("--cluster")
    if wanted == "none":
        pytest.skip("--cluster=none")
    with _or_skip():
        way = ways.choose(current=wanted == "current")
        if isinstance(way, ways.Own) and _ci():
            machine.install()
    with _shared(way):
        yield Cluster(kubeconfig=way.kubeconfig(), way=way)


@pytest.fixture(autouse=True)
def undisturbed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leaves the cluster to the next test as it was."""
    used: Cluster | None = request.getfixturevalue("cluster") if "cluster" in request.fixturenames else None
    yield
    if used is not None and used.disturbed.is_set():
        recovery.settle(programs(), len(nodes()))
        used.disturbed.clear()


@contextmanager
def _shared(way: ways.Way) -> Iterator[None]:
    """The cluster, up. Test runs side by side use the same one; the last takes it down if one of them started it."""
    started, tests = started_by_tests(), f"tests-{own_name()}"
    with locked(tests, shared=True):
        with _or_skip():
            was_up = way.is_up()
            way.up(2)
            if not was_up:
                started.touch()
        yield
    with suppress(BlockingIOError), locked(tests, wait=False):
        if started.exists():
            way.down()
            started.unlink()


@pytest.fixture(scope="session")
def images(cluster: Cluster) -> Callable[[str], str]:
    if _ci() and built_images.obstacle() is not None:
        with _or_skip():
            built_images.install()

    def image(name: str) -> str:
        reference = built_images.known()[name].reference
        if not isinstance(cluster.way, ways.Current):
            with _or_skip():
                cluster.way.load(built_images.archive(name))
        return reference

    return image


@pytest.fixture(scope="module")
def argo(cluster: Cluster) -> Iterator[None]:
    if not isinstance(cluster.way, ways.Own):
        pytest.skip(f"Argo is only installed on a cluster of our own; this is {cluster.way.words}")
    with _or_skip():
        controller.up()
    yield
    controller.stop()  # it listens on every address of the cluster's network, and cannot be told otherwise


@pytest.fixture(scope="module")
def seldon(cluster: Cluster, images: Callable[[str], str]) -> Iterator[None]:
    if not isinstance(cluster.way, ways.Own):
        pytest.skip(f"Seldon Core is only installed on a cluster of our own; this is {cluster.way.words}")
    orchestrator = images("orchestrator")
    with _or_skip():
        operator.up(orchestrator)
    yield
    operator.stop()  # its webhook listens on every address of the cluster's network, and cannot be told otherwise


@pytest.fixture(scope="module")
def kserve(cluster: Cluster) -> Iterator[None]:
    if not isinstance(cluster.way, ways.Own):
        pytest.skip(f"KServe is only installed on a cluster of our own; this is {cluster.way.words}")
    with _or_skip():
        kserve_controller.up()
    yield
    kserve_controller.stop()  # as Seldon Core's


@contextmanager
def _or_skip() -> Iterator[None]:
    try:
        yield
    except CannotError as error:
        if _ci():
            pytest.fail(f"CI=true, but there is no cluster: {error}", pytrace=False)
        pytest.skip(str(error))


def _ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true")
