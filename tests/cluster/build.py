"""Builds Kubernetes, etcd and the pause image from published Go modules, once, into the cache."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

from tests.cluster.places import HERE, PROGRAMS, VERSION, cache
from tests.cluster.say import CannotError, say

PAUSE_IMAGE = "tuner.local/pause:1"


def programs() -> Path:
    """Folder with the programs and `pause.tar`, built if this version of them is not there yet (about 5 minutes)."""
    digest = hashlib.sha256()
    for path in sorted(HERE.glob("*/go.*")) + sorted(HERE.glob("*/*.go")):
        digest.update(path.read_bytes())
    folder = cache() / digest.hexdigest()[:12]
    if (folder / "complete").exists():
        return folder
    go = shutil.which("go")
    if go is None:
        raise CannotError("go is not on PATH: the cluster is built from Go modules; install Go 1.24 or later")
    say(f"building Kubernetes {VERSION} and etcd, once, into {folder} (about 5 minutes on 2 cores)")
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    version = "k8s.io/component-base/version"
    major, minor = VERSION.removeprefix("v").split(".")[:2]
    flags = f"-s -w -X {version}.gitVersion={VERSION} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    _go(go, HERE / "kubernetes", flags, folder, *(f"k8s.io/kubernetes/cmd/{program}" for program in PROGRAMS))
    _go(go, HERE / "kubernetes", "-s -w", folder / "etcd", "go.etcd.io/etcd/server/v3")
    _go(go, HERE / "pause", "-s -w", folder / "pause", ".")
    _pause_image(folder)
    (folder / "complete").touch()
    say(f"built in {time.monotonic() - began:.0f} s")
    return folder


def _go(go: str, module: Path, flags: str, output: Path, *packages: str) -> None:
    done = subprocess.run(
        [go, "build", "-trimpath", "-ldflags", flags, "-o", str(output), *packages],
        cwd=module,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CannotError(f"go build {' '.join(packages)} failed:\n{done.stderr[-3000:]}")


def _pause_image(folder: Path) -> None:
    """A Docker archive with one layer that holds one program."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        info = tarfile.TarInfo("pause")
        data = (folder / "pause").read_bytes()
        info.size, info.mode = len(data), 0o755
        tar.addfile(info, io.BytesIO(data))
    diff = f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"
    config = {
        "architecture": _architecture(),
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [diff]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [PAUSE_IMAGE], "Layers": ["layer.tar"]}]
    with tarfile.open(folder / "pause.tar", "w") as tar:
        for name, content in (
            ("layer.tar", layer.getvalue()),
            ("config.json", json.dumps(config).encode()),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
