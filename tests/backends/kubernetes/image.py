"""The toy server as an image archive, put together from this machine's own Python: no registry, no builder."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from tests.servers.pods import SERVERS

IMAGE = "tuner.local/toy:1"
_LEFT_OUT = re.compile(
    r"/(test|tests|idlelib|tkinter|ensurepip|turtledemo|site-packages|config-3[^/]*|lib2to3)(/|$)|\.a$"
)
_PROGRAMS = ("/bin/sh", "/usr/bin/head", "/bin/sleep")


def build(archive: Path) -> None:
    """Write the archive, in the format of ``docker save``."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for path, name in _files():
            tar.add(path, name.lstrip("/"), recursive=False)
        for name in ("tmp", "proc", "sys", "dev"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(folder)
    content = layer.getvalue()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Entrypoint": [str(_python()), "/app/toy.py"],
                "Env": ["HOST=0.0.0.0", "PYTHONUNBUFFERED=1", f"PATH={_python().parent}:/usr/bin:/bin"],
                "WorkingDir": "/app",
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(content).hexdigest()}"]},
        }
    ).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(archive, "w") as tar:
        for name, data in (("manifest.json", manifest), ("config.json", config), ("layer.tar", content)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def _python() -> Path:
    return Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"


def _files() -> Iterator[tuple[Path, str]]:
    """(file here, name there)"""
    standard = Path(sys.base_prefix) / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    found = [path for path in standard.rglob("*") if path.is_file() and not _LEFT_OUT.search(str(path))]
    programs = [_python().resolve(), *(Path(name) for name in _PROGRAMS)]
    yield from ((path, str(path)) for path in found)
    yield from ((path.resolve(), str(path)) for path in programs)
    if _python().is_symlink():
        yield _python().resolve(), str(_python())
    binaries = [*programs, *(path for path in found if path.suffix == ".so")]
    for library in sorted(_libraries(binaries)):
        yield Path(library).resolve(), library
    yield SERVERS / "toy.py", "/app/toy.py"


def _libraries(binaries: list[Path]) -> set[str]:
    told = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False).stdout
    return {match for match in re.findall(r"(?:=> )?(/\S+) \(0x", told) if Path(match).exists()}
