"""scripts/images: builds the images of the project and of its servers, and brings them onto the test cluster.

Docker or podman build where they are, on the base image that the Dockerfiles name. Elsewhere buildah does; where it
cannot pull that base, one is made from this system's packages and this machine's Python 3.12. A built image is kept
as an archive named by a digest of all that went into it, so that nothing is built twice.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import base, ways
from tests.cluster.machine import install_packages, missing
from tests.cluster.places import ROOT, cache, locked
from tests.cluster.say import CannotError, exit_status, run, say

BASE = "python:3.12-slim"
_BUILDAH = {"buildah": "buildah", "debootstrap": "debootstrap", "unshare": "util-linux"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """`reference` is the name in manifests; `inputs` are patterns, below `context`, of all that is copied into it."""

    reference: str
    context: Path
    inputs: tuple[str, ...]
    target: str | None = None

    def files(self) -> Iterator[Path]:
        for pattern in ("Dockerfile", *self.inputs):
            found = [path for path in sorted(self.context.glob(pattern)) if path.is_file()]
            if not found:
                raise CannotError(f"{self.context / pattern}: nothing is there to build {self.reference} from")
            yield from (path for path in found if path.suffix != ".pyc")


def known() -> dict[str, Image]:
    version = _search(r'__version__ = "(.+)"', ROOT / "tuner" / "__init__.py")
    project = ("LICENSE", "README.md", "pyproject.toml", "requirements/*.lock", "tuner/**/*")
    iris, toy = ROOT / "search_spaces" / "iris", ROOT / "tests" / "servers"
    orchestrator = toy / "orchestrator"
    return {
        "load": Image(reference=f"tuner-load:{version}", context=ROOT, inputs=project, target="load"),
        "iris": Image(
            reference=_search(r"image: (\S+)", iris / "deployment.yaml"),
            context=iris,
            inputs=("requirements.lock", "model/*"),
        ),
        "toy": Image(
            reference=_search(r"image: (\S+)", toy / "toy" / "deployment.yaml"), context=toy, inputs=("toy.py",)
        ),
        "orchestrator": Image(reference="example/orchestrator:1", context=orchestrator, inputs=("orchestrator.py",)),
        "tune": Image(reference=f"tuner:{version}", context=ROOT, inputs=project, target="tune"),
    }


def archive(name: str, *, base_image: str | None = None) -> Path:
    """A Docker archive of the image, built if what it is made from has changed."""
    image = known()[name]
    builder = choose()
    with locked("base"):
        base_image = base_image or builder.base()
    with locked(f"image-{name}"):
        return _built(name, image, builder, base_image)


def _built(name: str, image: Image, builder: Engine | Buildah, base_image: str) -> Path:
    path = cache() / "images" / f"{name}-{_digest(image, base_image)}.tar"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    say(f"building {image.reference}")
    began = time.monotonic()
    builder.build(image, base_image)
    built = time.monotonic()
    half = path.with_suffix(".new")
    half.unlink(missing_ok=True)
    builder.save(image.reference, half)
    for older in path.parent.glob(f"{name}-*.tar"):
        older.unlink()
    half.rename(path)
    size = path.stat().st_size / 1e6
    say(f"{image.reference}: {size:.0f} MB, built in {built - began:.0f} s, saved in {time.monotonic() - built:.0f} s")
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Docker or podman, with its own store and its own way to a registry."""

    program: str

    def base(self) -> str:
        return BASE

    def build(self, image: Image, base_image: str) -> None:
        run(self.program, "build", *_options(image, base_image))

    def save(self, reference: str, path: Path) -> None:
        run(self.program, "save", "--output", str(path), reference)


class Buildah:
    """Buildah with a store in the cache, in a mount namespace of its own: when it is killed, no mount is left."""

    def base(self) -> str:
        """The usual base where it can be pulled; else one of our own."""
        pulled = cache() / "images" / "pulled"
        if pulled.exists() or self._can_pull():
            pulled.parent.mkdir(parents=True, exist_ok=True)
            pulled.touch()
            return BASE
        name = f"localhost/tuner-base:{base.key()}"
        if not self._has(name):
            base.make(lambda folder: self._pack(folder, name))
        return name

    def build(self, image: Image, base_image: str) -> None:
        """With this machine's certificates and settings of pip mounted for the commands, not copied."""
        before = self._ids(image.reference)
        how = ("--layers", "--isolation=chroot", "--network=host", *_mounts())
        self._run("build", *how, *_options(image, base_image))
        for replaced in before - self._ids(image.reference):
            with contextlib.suppress(CannotError):  # kept while another image stands on it
                self._run("rmi", replaced)

    def save(self, reference: str, path: Path) -> None:
        self._run("push", reference, f"docker-archive:{path}:{reference}")

    def _can_pull(self) -> bool:
        try:
            self._run("pull", "--quiet", BASE)
        except CannotError:
            return False
        return True

    def _has(self, name: str) -> bool:
        """Asked of this one alone: a list of all fails where another run removes one of them meanwhile."""
        try:
            self._run("inspect", "--type=image", "--format={{.FromImage}}", name)
        except CannotError:
            return False
        return True

    def _ids(self, name: str) -> set[str]:
        try:
            return set(self._run("images", "--quiet", "--no-trunc", name).split())
        except CannotError:  # there is none of that name
            return set()

    def _pack(self, folder: Path, name: str) -> None:
        recipe = folder.with_name("Dockerfile.base")
        recipe.write_text('FROM scratch\nCOPY . /\nENV LANG=C.UTF-8\nCMD ["python3"]\n')
        self._run("build", "--isolation=chroot", f"--file={recipe}", f"--tag={name}", str(folder))

    def _run(self, *arguments: str) -> str:
        store = cache() / "buildah"
        (store / "tmp").mkdir(parents=True, exist_ok=True)
        folders = (f"--root={store}/root", f"--runroot={store}/run", "--storage-driver=overlay")
        env = {**os.environ, "TMPDIR": f"{store}/tmp"}
        return run("unshare", "--mount", "buildah", *folders, *arguments, env=env)


def choose() -> Engine | Buildah:
    for program in ("docker", "podman"):
        if shutil.which(program) and not subprocess.run([program, "info"], capture_output=True, check=False).returncode:
            return Engine(program=program)
    if why := obstacle():
        raise CannotError(why)
    return Buildah()


def obstacle() -> str | None:
    """Why no image can be built here without Docker or podman; None when it can."""
    if os.geteuid() != 0:
        return "images are built with Docker, podman, or, as root, buildah; none of them can be had here"
    if packages := missing(_BUILDAH):
        return f"missing here: {' '.join(packages)}; `scripts/images --install` installs them"
    return None


def install() -> None:
    install_packages(missing(_BUILDAH))


def _options(image: Image, base_image: str) -> list[str]:
    target = [f"--target={image.target}"] if image.target else []
    names = [f"--build-arg=BASE={base_image}", f"--tag={image.reference}"]
    return [*target, *names, f"--file={image.context / 'Dockerfile'}", str(image.context)]


def _digest(image: Image, base_image: str) -> str:
    digest = hashlib.sha256(f"{base_image} {image.reference} {image.target}".encode())
    for path in image.files():
        digest.update(str(path.relative_to(image.context)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _mounts() -> list[str]:
    """Options that show pip this machine's certificates and where it fetches from."""
    settings = cache() / "buildah" / "pip.conf"
    settings.parent.mkdir(parents=True, exist_ok=True)
    lines = ["[global]"]
    # the base interpreter's pip: a virtual environment may have none
    for line in run(f"{sys.base_prefix}/bin/python3", "-m", "pip", "config", "list").splitlines():
        name, _, value = line.partition("=")
        option = name.rpartition(".")[2]
        if option in ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout"):
            lines.append(f"{option} = {value.strip(chr(39))}")
    authorities = Path(os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt")
    mounts = []
    if authorities.is_file():
        lines.append("cert = /run/authorities.crt")
        mounts.append(f"--volume={authorities.resolve()}:/run/authorities.crt:ro")
    settings.write_text("\n".join(lines) + "\n")
    settings.chmod(0o600)
    return [*mounts, f"--volume={settings}:/etc/pip.conf:ro"]


def _search(pattern: str, path: Path) -> str:
    found = re.search(pattern, path.read_text(encoding="utf-8"))
    if found is None:
        raise CannotError(f"{path}: nothing there reads {pattern}")
    return found[1]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/images",
        description="Builds images (all, or those named) and brings them onto the test cluster where one is up.",
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[load | build] NAME",
        help=f"of {', '.join(known())}; after `load` they are brought onto the cluster, after `build` only built",
    )
    parser.add_argument("--base", metavar="IMAGE", help=f"build on this image with Python 3.12 and pip, not on {BASE}")
    parser.add_argument("--install", action="store_true", help="install missing Debian packages first")
    options = parser.parse_args()
    options.action, options.names = _action(options.words)
    if unknown := sorted(set(options.names) - set(known())):
        parser.error(f"no image is named {unknown[0]}; there are {', '.join(known())}")
    return exit_status(lambda: _act(options))


def _action(words: list[str]) -> tuple[str, list[str]]:
    """What is to be done with which images; an image is called `load` too, so what comes first is the action."""
    if words and words[0] in ("load", "build"):
        return words[0], words[1:]
    return "", words


def _act(options: argparse.Namespace) -> None:
    if options.install:
        install()
    way = ways.choose()
    if options.action == "load" and not way.is_up():
        raise CannotError("no cluster is up here to bring them onto; start one with `scripts/cluster up`")
    brought = options.action != "build" and way.is_up()
    for name in options.names or known():
        path = archive(name, base_image=options.base)
        print(json.dumps({"image": known()[name].reference, "archive": str(path)}), flush=True)
        if brought:
            way.load(path)
    only = "they were only built" if options.action == "build" else "no cluster is up, so they were only built"
    say("brought onto the cluster's nodes" if brought else only)


if __name__ == "__main__":
    sys.exit(main())
