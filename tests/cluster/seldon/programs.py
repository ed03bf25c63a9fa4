"""The operator, and what its project publishes with it: the definition, its settings and its webhook."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.cluster import golang
from tests.cluster.places import HERE
from tests.cluster.programs import programs as kubernetes
from tests.cluster.say import run

PROGRAM = "seldon-operator"
DEFINITION, SETTINGS, WEBHOOK = "definition.yaml", "settings.yaml", "webhook.yaml"
_MODULE = "github.com/seldonio/seldon-core/operator"
_PUBLISHED = {
    SETTINGS: "config/manager/configmap.yaml",
    WEBHOOK: "config/webhook/manifests.yaml",
}


def programs() -> Path:
    """Folder with all of them, compiled if need be (about 4 minutes on 2 cores)."""
    return golang.once(golang.place(("seldon",)), "Seldon Core's operator", 480, _make)


def _make(folder: Path) -> None:
    module = HERE / "seldon"
    golang.build(module, folder / PROGRAM, _MODULE)
    published = Path(run("go", "list", "-m", "-f", "{{.Dir}}", _MODULE, cwd=str(module)).strip())
    for name, path in _PUBLISHED.items():
        shutil.copyfile(published / path, folder / name)
    # as its generator leaves it the definition is none: the patches beside it make it one, but for a status of nothing
    definition = run(f"{kubernetes()}/kubectl", "kustomize", str(published / "config/crd"))
    (folder / DEFINITION).write_text(definition.partition("\nstatus:")[0] + "\n")
