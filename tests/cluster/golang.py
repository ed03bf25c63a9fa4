"""What the cluster's programs have in common: each is compiled from published Go modules, once, into the cache."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tests.cluster.places import HERE, cache, locked
from tests.cluster.say import CannotError, say, watched


def place(modules: Iterable[str]) -> Path:
    """Where what these modules (folders beside this file) make lies, or will."""
    digest = hashlib.sha256()
    for module in modules:
        for path in (*sorted((HERE / module).glob("go.*")), *sorted((HERE / module).glob("*.go"))):
            digest.update(path.read_bytes())
    return cache() / "programs" / digest.hexdigest()[:12]


def once(wanted: Path, what: str, seconds: float, make: Callable[[Path], None]) -> Path:
    """`wanted`, made by `make` in a folder of its own if it is not there yet. `seconds`: about how long one core takes."""
    if wanted.exists():
        return wanted
    with locked("programs"):
        if wanted.exists():  # made meanwhile, for another cluster
            return wanted
        if shutil.which("go") is None:
            raise CannotError("go is not on PATH: the cluster is compiled from Go modules; install Go 1.25 or later")
        say(f"compiling {what}, once, into {wanted} (about {seconds / _cores():.0f} s on {_cores()} cores)")
        began = time.monotonic()
        half = wanted.with_name(f"{wanted.name}.new")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        make(half)
        half.rename(wanted)
        say(f"compiled in {time.monotonic() - began:.0f} s")
    return wanted


def build(module: Path, output: Path, *packages: str, flags: str = "", vendored: bool = False) -> None:
    """With all cores, whatever the environment says of Go; how far it is is said now and then."""
    command = ["go", "build", "-v", "-p", str(_cores()), "-trimpath", "-ldflags", f"-s -w {flags}", "-o", str(output)]
    mode = "vendor" if vendored else "readonly"
    watched([*command, *packages], cwd=str(module), env=_environment(mode), what=f"packages of {module.name}")


def vendor(module: Path, scratch: Path) -> Path:
    """A copy of the module in `scratch` with all it needs beneath, so that files may be put beside those of others."""
    scratch.mkdir()
    for path in module.glob("go.*"):
        shutil.copy(path, scratch)
    watched(["go", "mod", "vendor", "-v"], cwd=str(scratch), env=_environment("mod"), what=f"packages of {module.name}")
    return scratch


def _environment(mode: str) -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": f"-mod={mode}", "GOMAXPROCS": str(_cores())}


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def image(archive: Path, reference: str, program: Path, user: str) -> None:
    """A Docker archive with one layer that holds one program, its entry point, where it is found by its name."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        _add(tar, f"bin/{program.name}", program.read_bytes(), 0o755)
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    config: Mapping[str, object] = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": [f"/bin/{program.name}"], "Env": ["PATH=/bin"], "User": user},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]},
    }
    manifest: Sequence[object] = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as tar:
        _add(tar, "layer.tar", layer.getvalue())
        _add(tar, "config.json", json.dumps(config).encode())
        _add(tar, "manifest.json", json.dumps(manifest).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    tar.addfile(info, io.BytesIO(content))
