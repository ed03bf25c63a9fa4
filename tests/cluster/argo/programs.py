"""The workflow controller, and an image with the executor that it puts into each pod."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.cluster import golang
from tests.cluster.places import HERE
from tests.cluster.say import run

EXECUTOR_IMAGE = "tuner.local/argoexec:1"
DEFINITIONS = "definitions"
_MODULE = "github.com/argoproj/argo-workflows/v4"
_LACKS = "workflow/executor/osspecific"
"""The published module has no file of this package for Linux: ours is put there."""


def programs() -> Path:
    """Folder with `workflow-controller`, `argoexec.tar` and the resource definitions, compiled if need be (about 5
    minutes on 2 cores)."""
    return golang.once(golang.place(("argo",)), "Argo Workflows", 600, _make)


def _make(folder: Path) -> None:
    module = HERE / "argo"
    source = golang.vendor(module, folder / "source")
    shutil.copy(module / "signal_linux.go", source / "vendor" / _MODULE / _LACKS)
    for program in ("workflow-controller", "argoexec"):
        golang.build(source, folder / program, f"{_MODULE}/cmd/{program}", vendored=True)
    golang.image(folder / "argoexec.tar", EXECUTOR_IMAGE, folder / "argoexec", "65532:65532")
    published = Path(run("go", "list", "-m", "-f", "{{.Dir}}", _MODULE, cwd=str(module)).strip())
    (folder / DEFINITIONS).mkdir()
    for file in (published / "manifests/base/crds/full").glob("argoproj.io_*.yaml"):
        shutil.copyfile(file, folder / DEFINITIONS / file.name)
    shutil.rmtree(source)
    (folder / "argoexec").unlink()
