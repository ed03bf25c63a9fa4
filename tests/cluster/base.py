"""A base image where none can be pulled: this Debian's smallest system, with this machine's Python 3.12 in it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.cluster.places import ROOT, cache
from tests.cluster.say import CannotError, run, say

# Nobody reads or runs these in a container.
_UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists")
_UNUSED_PYTHON = ("test", "idlelib", "pydoc_data", "lib2to3", "turtledemo", "tkinter", "ensurepip", "site-packages")


def key() -> str:
    """Names the base by the versions in it."""
    return hashlib.sha256(f"{_codename()} {_version()} {Path(__file__).read_text()}".encode()).hexdigest()[:12]


def make(pack: Callable[[Path], None]) -> None:
    """Assemble the root file system, show that its Python works, and give its folder to `pack`."""
    python = _python()
    say(f"no base image can be pulled: making one from Debian {_codename()} and Python {_version()}")
    began = time.monotonic()
    folder = cache() / "base" / "root"
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    include = f"--include={','.join(['ca-certificates', *_packages(python)])}"
    # in a mount namespace of its own: what debootstrap mounts goes with it, however it ends
    system = ("debootstrap", "--variant=minbase", include, _codename(), str(folder), *_mirror())
    run("unshare", "--mount", *system)
    _copy_python(python, folder / "usr" / "local")
    for unused in _UNUSED:
        shutil.rmtree(folder / unused, ignore_errors=True)
        (folder / unused).mkdir(parents=True)
    run("chroot", str(folder), "ldconfig")
    parts = "bz2, ctypes, hashlib, lzma, readline, sqlite3, ssl, uuid, venv, zlib, pip"
    run("chroot", str(folder), "python", "-B", "-c", f"import {parts}")
    pack(folder)
    shutil.rmtree(folder.parent)
    say(f"base made in {time.monotonic() - began:.0f} s")


def _python() -> Path:
    """The prefix of this machine's Python 3.12: the project's own, or one on PATH."""
    code = "import sys; print(sys.base_prefix if sys.version_info[:2] == (3, 12) else '')"
    for program in (ROOT / ".venv" / "bin" / "python", "python3.12", sys.executable):
        if shutil.which(program) is None:
            continue
        prefix = subprocess.run([program, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
        if prefix and prefix != "/usr":
            return Path(prefix)
    raise CannotError("no Python 3.12 to put into the image's base: `scripts/setup` gets one")


def _version() -> str:
    return run(str(_python() / "bin" / "python3.12"), "-c", "import platform; print(platform.python_version())").strip()


def _packages(prefix: Path) -> list[str]:
    """Debian's packages of the libraries that this Python is linked with."""
    modules = (prefix / "lib" / "python3.12" / "lib-dynload").glob("*.so")
    wanted = [str(path) for path in modules if not path.name.startswith("_tkinter.")]
    linked = run("ldd", str(prefix / "bin" / "python3.12"), *wanted)
    libraries = {path for path in re.findall(r"=> (/\S+)", linked) if not path.startswith(str(prefix))}
    # where /lib is a link to /usr/lib, a package may know its file by either path
    both = sorted({*libraries, *(str(Path(path).resolve()) for path in libraries)})
    owned = subprocess.run(["dpkg", "-S", *both], capture_output=True, text=True, check=False).stdout
    return sorted({line.partition(":")[0] for line in owned.splitlines()})


def _copy_python(prefix: Path, local: Path) -> None:
    library = prefix / "lib" / "python3.12"
    skipped = {str(library / name) for name in _UNUSED_PYTHON}

    def unused(folder: str, names: list[str]) -> set[str]:
        return {
            name
            for name in names
            if f"{folder}/{name}" in skipped or name.startswith(("__pycache__", "config-3.12-", "_tkinter."))
        }

    shutil.copytree(library, local / "lib" / "python3.12", ignore=unused, symlinks=True, dirs_exist_ok=True)
    packages = local / "lib" / "python3.12" / "site-packages"
    packages.mkdir()
    for found in (library / "site-packages").glob("pip*"):
        shutil.copytree(found, packages / found.name, ignore=unused)
    for found in (prefix / "lib").glob("libpython3*.so*"):
        shutil.copy2(found, local / "lib" / found.name, follow_symlinks=False)
    shutil.copy2(prefix / "bin" / "python3.12", local / "bin" / "python3.12")
    if shutil.which("strip"):  # what a debugger wants is half of it
        run("strip", "--strip-debug", *map(str, local.rglob("*.so*")), str(local / "bin" / "python3.12"))
    for name in ("python3", "python"):
        (local / "bin" / name).symlink_to("python3.12")


def _mirror() -> list[str]:
    """Where this machine gets its packages of that release from; debootstrap's own choice where that is unknown."""
    listed = run("apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)")
    found = [line.split()[1] for line in listed.splitlines() if line.split()[0] == _codename()]
    return found[:1]


def _codename() -> str:
    found = re.search(r"^VERSION_CODENAME=(\S+)", Path("/etc/os-release").read_text(), re.M)
    if found is None or not Path("/usr/bin/apt-get").exists() or os.uname().sysname != "Linux":
        raise CannotError("a base image can be pulled nowhere, and made only on Debian; give one with --base")
    return found[1]
