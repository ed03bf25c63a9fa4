"""A manifest's object against the kubernetes client's models, which know every field of every built-in kind.

The one module that imports kubernetes. Its package's own import also brings the cloud providers' logins and web
sockets, a second of work that no model needs; so the models are imported beside a bare package (see `_models`).
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path as FilePath
from threading import Lock
from typing import Any, get_args

from tuner.manifests.kinds.model import Path
from tuner.manifests.scalars import flow
from tuner.space.nearest import nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What the models refuse. `path` leads to the value; its last step may not exist."""

    path: Path
    message: str
    fix: str


class UnknownKind(Exception):
    """The group is Kubernetes' own, but it has no such version or kind."""

    def __init__(self, message: str, fix: str) -> None:
        self.message, self.fix = message, fix
        super().__init__(f"{message}; {fix}")


def refusals(obj: Mapping[str, Any]) -> tuple[Refusal, ...] | None:
    """Everything the models refuse of an object; None for a custom resource, which they do not know.

    Raises UnknownKind.
    """
    name = model_of(str(obj["apiVersion"]), str(obj["kind"]))
    return None if name is None else check(obj, name)


def check(obj: Mapping[str, Any], name: str) -> tuple[Refusal, ...]:
    """What the model called `name` (``V1Container``) refuses of an object or a part of one."""
    from pydantic import ValidationError

    model = _model(name)
    found = list(_unknown_keys(obj, model, ()))
    try:
        model.model_validate(obj)
    except ValidationError as error:
        found += [refusal for detail in error.errors(include_url=False) if (refusal := _refusal(detail)) is not None]
    return tuple(found)


def _client() -> FilePath:
    spec = importlib.util.find_spec("kubernetes")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the kubernetes client is not installed", name="kubernetes")
    return FilePath(spec.submodule_search_locations[0]) / "client"


def model_of(api_version: str, kind: str) -> str | None:
    """The model's class name; None for a custom resource. Raises UnknownKind.

    The client has a file for each group and version, with a method that creates each kind: what is in its text is
    what Kubernetes serves, and reading it takes no import.
    """
    group, _, version = api_version.rpartition("/")
    stem = re.sub(r"\.k8s\.io$", "", group).replace(".", "_") or "core"
    folder = _client() / "api"
    if not re.fullmatch(r"[a-z0-9_]+", stem) or not (folder / f"{stem}_api.py").is_file():
        return None
    versions = sorted(re.findall(rf"^{stem}_(v\d\w*)_api\.py$", "\n".join(_names(folder)), re.MULTILINE))
    if version not in versions:
        served = ", ".join(f"{group}/{one}".lstrip("/") for one in versions)
        raise UnknownKind(f"apiVersion {api_version!r} is none that Kubernetes serves", f"use one of: {served}")
    text = _text(folder / f"{stem}_{version}_api.py")
    bodies = set(re.findall(r"def create_(?:namespaced_)?\w+\(\s+self,\s+(?:\w+: [^\n]+\s+)?body: (\w+),", text))
    prefix = re.compile(rf"(?:{''.join(part.title() for part in stem.split('_'))})?{version.title()}|{version.title()}")
    kinds = {prefix.sub("", body, count=1): body for body in bodies}
    kinds = {re.sub(r"^[A-Z][a-z]*?(?=V\d)", "", name): body for name, body in kinds.items()}
    if kind not in kinds:
        raise UnknownKind(f"{api_version} has no kind {kind!r}", nearest(kind, sorted(kinds)))
    return kinds[kind]


@cache
def _names(folder: FilePath) -> tuple[str, ...]:
    return tuple(path.name for path in folder.iterdir())


@cache
def _text(path: FilePath) -> str:
    return path.read_text(encoding="utf-8")
