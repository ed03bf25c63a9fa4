"""The images: what is in them, what is not, and that they run as strictly as a cluster may demand."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable

import pytest

from tests.cluster import images as built
from tests.cluster import ways
from tests.cluster.fixture import Cluster


@pytest.fixture(params=["toy", "load"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_an_image_holds(cluster: Cluster, images: Callable[[str], str], name: str) -> None:
    if isinstance(cluster.way, ways.Current):
        pytest.skip("the images are not built here")
    images(name)
    with tarfile.open(built.archive(name)) as tar:
        manifest = json.load(_member(tar, "manifest.json"))[0]
        config = json.load(_member(tar, manifest["Config"]))["config"]
        files: set[str] = set()
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=_member(tar, layer)) as content:
                files.update(content.getnames())
    assert config["User"] == "65532:65532"
    # what the build was shown of this machine's settings
    assert not {"etc/pip.conf", "run/authorities.crt"} & files
    assert not any(f"-packages/{name}/" in file for file in files for name in ("mlflow", "optuna", "kubernetes"))


def test_an_image_runs_read_only_without_rights(cluster: Cluster, images: Callable[[str], str], name: str) -> None:
    security = {
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": "it", "image": images(name), "args": ["--help"], "securityContext": security}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"help-{name}"},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
    cluster.kubectl("apply", "--filename=-", stdin=json.dumps(pod))
    try:
        cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/help-{name}", "--timeout=60s")
        assert "usage:" in cluster.kubectl("logs", f"help-{name}").lower()
    finally:
        cluster.kubectl("delete", "pod", f"help-{name}", "--now")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ("", [])),
        (["load"], ("load", [])),
        (["build", "load"], ("build", ["load"])),
        (["load", "iris"], ("load", ["iris"])),
        (["iris", "load"], ("", ["iris", "load"])),
    ],
)
def test_load_is_what_is_done_and_an_image(words: list[str], expected: tuple[str, list[str]]) -> None:
    assert built._action(words) == expected


def _member(tar: tarfile.TarFile, name: str) -> tarfile.ExFileObject:
    found = tar.extractfile(name)
    assert isinstance(found, tarfile.ExFileObject)
    return found
