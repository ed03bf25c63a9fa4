"""KServe's controller, and what its project publishes with it: the definitions, its settings and its webhooks."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.cluster import golang
from tests.cluster.places import HERE
from tests.cluster.programs import programs as kubernetes
from tests.cluster.say import run

PROGRAM = "kserve-controller"
DEFINITIONS, SETTINGS, WEBHOOKS = "definitions.yaml", "settings.yaml", "webhooks.yaml"
_MODULE = "github.com/kserve/kserve"
_PUBLISHED = {
    SETTINGS: "config/configmap/inferenceservice.yaml",
    WEBHOOKS: "config/webhook/manifests.yaml",
}


def programs() -> Path:
    """Folder with all of them, compiled if need be (about 5 minutes on 2 cores)."""
    return golang.once(golang.place(("kserve",)), "KServe's controller", 600, _make)


def _make(folder: Path) -> None:
    module = HERE / "kserve"
    golang.build(module, folder / PROGRAM, f"{_MODULE}/cmd/manager")
    published = Path(run("go", "list", "-m", "-f", "{{.Dir}}", _MODULE, cwd=str(module)).strip())
    for name, path in _PUBLISHED.items():
        shutil.copyfile(published / path, folder / name)
    (folder / DEFINITIONS).write_text(run(f"{kubernetes()}/kubectl", "kustomize", str(published / "config/crd")))
