"""Compiles Kubernetes, etcd and the pause image from published Go modules, once, into the cache."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import time
from pathlib import Path

from tests.cluster.places import HERE, cache, locked
from tests.cluster.say import CannotError, say, watched

PAUSE_IMAGE = "tuner.local/pause:1"
_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl")


def folder() -> Path:
    """Where the programs of this version lie, or will."""
    digest = hashlib.sha256()
    for module in ("kubernetes", "pause"):
        for path in (*sorted((HERE / module).glob("go.*")), *sorted((HERE / module).glob("*.go"))):
            digest.update(path.read_bytes())
    return cache() / "programs" / digest.hexdigest()[:12]


def compiled() -> bool:
    return folder().exists()


def programs() -> Path:
    """Folder with the programs and `pause.tar`, compiled if they are not there yet (about 5 minutes on 2 cores)."""
    wanted = folder()
    if not wanted.exists():
        with locked("programs"):
            _make(wanted)
    return wanted


def _make(wanted: Path) -> None:
    if wanted.exists():  # made meanwhile, for another cluster
        return
    if shutil.which("go") is None:
        raise CannotError("go is not on PATH: the cluster is compiled from Go modules; install Go 1.24 or later")
    version = _version()
    cores = len(os.sched_getaffinity(0))
    say(f"compiling Kubernetes {version} and etcd, once, into {wanted} (about {600 / cores:.0f} s on {cores} cores)")
    began = time.monotonic()
    half = wanted.with_name(f"{wanted.name}.new")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    variable = "k8s.io/component-base/version"
    major, minor = version.removeprefix("v").split(".")[:2]
    flags = f"-X {variable}.gitVersion={version} -X {variable}.gitMajor={major} -X {variable}.gitMinor={minor}"
    _compile("kubernetes", half, *(f"k8s.io/kubernetes/cmd/{program}" for program in _PROGRAMS), flags=flags)
    _compile("kubernetes", half / "etcd", "go.etcd.io/etcd/server/v3")
    _compile("pause", half / "pause", ".")
    _pause_image(half)
    half.rename(wanted)
    say(f"compiled in {time.monotonic() - began:.0f} s")


def _version() -> str:
    found = re.search(r"k8s\.io/kubernetes (v\S+)", (HERE / "kubernetes" / "go.mod").read_text())
    if found is None:
        raise CannotError(f"{HERE / 'kubernetes' / 'go.mod'} requires no k8s.io/kubernetes")
    return found[1]


def _compile(module: str, output: Path, *packages: str, flags: str = "") -> None:
    """With all cores, whatever the environment says of Go; how far it is is said now and then."""
    cores = str(len(os.sched_getaffinity(0)))
    go = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOMAXPROCS": cores}
    command = ["go", "build", "-v", "-p", cores, "-trimpath", "-ldflags", f"-s -w {flags}", "-o", str(output)]
    watched([*command, *packages], cwd=str(HERE / module), env={**os.environ, **go}, what=f"packages of {module}")


def _pause_image(folder: Path) -> None:
    """A Docker archive with one layer that holds one program."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        _add(tar, "pause", (folder / "pause").read_bytes(), 0o755)
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [PAUSE_IMAGE], "Layers": ["layer.tar"]}]
    with tarfile.open(folder / "pause.tar", "w") as tar:
        _add(tar, "layer.tar", layer.getvalue())
        _add(tar, "config.json", json.dumps(config).encode())
        _add(tar, "manifest.json", json.dumps(manifest).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    tar.addfile(info, io.BytesIO(content))
