"""Kubernetes, etcd and the pause image."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cluster import golang
from tests.cluster.places import HERE
from tests.cluster.say import CannotError

PAUSE_IMAGE = "tuner.local/pause:1"
_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl")


def folder() -> Path:
    """Where the programs of this version lie, or will."""
    return golang.place(("kubernetes", "pause"))


def compiled() -> bool:
    return folder().exists()


def programs() -> Path:
    """Folder with the programs and `pause.tar`, compiled if they are not there yet (about 5 minutes on 2 cores)."""
    return golang.once(folder(), f"Kubernetes {_version()} and etcd", 600, _make)


def _make(folder: Path) -> None:
    version = _version()
    variable = "k8s.io/component-base/version"
    major, minor = version.removeprefix("v").split(".")[:2]
    flags = f"-X {variable}.gitVersion={version} -X {variable}.gitMajor={major} -X {variable}.gitMinor={minor}"
    kubernetes = HERE / "kubernetes"
    golang.build(kubernetes, folder, *(f"k8s.io/kubernetes/cmd/{program}" for program in _PROGRAMS), flags=flags)
    golang.build(kubernetes, folder / "etcd", "go.etcd.io/etcd/server/v3")
    golang.build(HERE / "pause", folder / "pause", ".")
    golang.image(folder / "pause.tar", PAUSE_IMAGE, folder / "pause", "65535:65535")


def _version() -> str:
    found = re.search(r"k8s\.io/kubernetes (v\S+)", (HERE / "kubernetes" / "go.mod").read_text())
    if found is None:
        raise CannotError(f"{HERE / 'kubernetes' / 'go.mod'} requires no k8s.io/kubernetes")
    return found[1]
