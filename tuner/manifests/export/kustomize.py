"""A folder that `kubectl kustomize` builds the measured objects of: the manifest as it stood, and a patch an object."""

from __future__ import annotations

from typing import Any

from tuner.manifests.export.changes import Change
from tuner.manifests.export.json_patch import operations
from tuner.manifests.export.merge_patch import Inexpressible, merge_patch
from tuner.yaml.block import block

KUSTOMIZATION = "kustomization.yaml"
BASE = "base.yaml"
MARK = "# Written by tune export"


def kustomization(base: str, found: tuple[Change, ...], head: str) -> dict[str, str]:
    """Its files by their names. `head`: comment lines that say where it comes from.

    Built-in kinds are patched by a strategic merge. Of custom resources kustomize has no definitions, so that a merge
    would replace their lists of containers: they get a JSON patch, as does what no merge can express.
    """
    files: dict[str, str] = {}
    patches: list[dict[str, Any]] = []
    for change in found:
        name = _file_name(change, files)
        try:
            if not change.is_built_in:
                raise Inexpressible("its lists have no keys", "patch it by index")
            files[name] = head + block(merge_patch(change))
            patches.append({"path": name})
        except Inexpressible:
            files[name] = head + block(operations(change.before, change.after))
            patches.append({"target": _target(change), "path": name})
    listed = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": [BASE]}
    more = f"{MARK}; repeated, it is written anew. `resources` may name your own base instead.\n"
    return {KUSTOMIZATION: more + head + block({**listed, "patches": patches}), BASE: base, **files}


def _file_name(change: Change, taken: dict[str, str]) -> str:
    plain = f"{change.kind}-{change.name}".lower().replace("/", "-")
    names = (f"{plain}{f'-{number}' if number else ''}.yaml" for number in range(len(taken) + 1))
    return next(name for name in names if name not in taken)


def _target(change: Change) -> dict[str, str]:
    group, version = change.group, change.api_version.rpartition("/")[2]
    place = {} if change.namespace is None else {"namespace": change.namespace}
    return {
        **({"group": group} if group else {}),
        "version": version,
        "kind": change.kind,
        "name": change.name,
        **place,
    }
