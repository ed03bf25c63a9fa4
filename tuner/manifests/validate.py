"""A manifest's object against the kubernetes client's models, which know every field of every built-in kind.

The one module that imports kubernetes. Its package's own import also brings the cloud providers' logins and web
sockets, a second of work that no model needs; so the models are imported beside a bare package (see `_model`).
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


_CREATES = re.compile(r"def create_\w+\(\s+self,\s+(?:\w+: [^\n]+\s+)?body: (\w+),")
_MODEL_PREFIX = re.compile(r"^[A-Za-z]*?V\d+((alpha|beta)\d+)?")


def model_of(api_version: str, kind: str) -> str | None:
    """The model's class name; None for a custom resource. Raises UnknownKind.

    The client has a file for each group and version, with a method that creates each kind: what is in its text is
    what Kubernetes serves, and reading it takes no import.
    """
    group, _, version = api_version.rpartition("/")
    stem = group.removesuffix(".k8s.io").replace(".", "_") or "core"
    folder = _client() / "api"
    if not re.fullmatch(r"\w+", stem) or not (folder / f"{stem}_api.py").is_file():
        return None
    versions = {
        path.name.removeprefix(f"{stem}_").removesuffix("_api.py"): path for path in folder.glob(f"{stem}_v*_api.py")
    }
    if version not in versions or group == "core":
        served = (f"{group}/{known}" if stem != "core" else known for known in sorted(versions))
        raise UnknownKind(f"apiVersion {api_version!r} is none that Kubernetes serves", f"write {' or '.join(served)}")
    kinds = _kinds(versions[version])
    if kind not in kinds:
        elsewhere = _served_as(folder, kind)
        fix = f"write apiVersion: {' or '.join(elsewhere)}" if elsewhere else nearest(kind, sorted(kinds))
        raise UnknownKind(f"{api_version} has no kind {kind!r}", fix)
    return kinds[kind]


def _kinds(file: FilePath) -> dict[str, str]:
    """The kinds that can be created in one group and version, with their models."""
    models: list[str] = _CREATES.findall(file.read_text(encoding="utf-8"))
    return {_MODEL_PREFIX.sub("", model): model for model in models}


def _served_as(folder: FilePath, kind: str) -> list[str]:
    """The apiVersions that have a kind. Reads all files, so only for a message."""
    having = [path for path in sorted(folder.glob("*_v*_api.py")) if kind in _kinds(path)]
    served = (re.search(r"'/api(?:s/([a-z0-9.]+))?/(v[a-z0-9]+)/", path.read_text(encoding="utf-8")) for path in having)
    return [f"{found[1]}/{found[2]}" if found[1] else found[2] for found in served if found]


def _client() -> FilePath:
    spec = importlib.util.find_spec("kubernetes")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the kubernetes client is not installed", name="kubernetes")
    return FilePath(spec.submodule_search_locations[0]) / "client"


_lock = Lock()


@cache
def _model(name: str) -> Any:
    """The model class, by the client's own table of names.

    While it is imported, a package without content stands in for `kubernetes`, unless that is there already; what
    imports kubernetes later gets the whole one, with these same models.
    """
    with _lock:
        if "kubernetes" in sys.modules:
            return getattr(importlib.import_module("kubernetes.client.models"), name)
        bare = types.ModuleType("kubernetes")
        bare.__path__ = [str(_client().parent)]
        sys.modules["kubernetes"] = bare
        try:
            return getattr(importlib.import_module("kubernetes.client.models"), name)
        finally:
            del sys.modules["kubernetes"]


def _wire_names(model: Any) -> dict[str, Any]:
    """A model's fields by their names in a manifest. The models take Python's spelling too, the API server does not."""
    return {field.serialization_alias or name: field.annotation for name, field in model.model_fields.items()}


def _inner(annotation: Any) -> Any:
    """The model class within ``Optional[List[V1Container]]`` and the like; None where there is none."""
    if hasattr(annotation, "model_fields"):
        return annotation
    return next((model for part in get_args(annotation) if (model := _inner(part)) is not None), None)


def _unknown_keys(value: Any, model: Any, path: Path) -> Iterator[Refusal]:
    known = _wire_names(model)
    for key, item in value.items() if isinstance(value, Mapping) else ():
        if key not in known:
            place = _dotted(path) or "the object"
            yield Refusal(
                path=(*path, key), message=f"unknown field {key!r} in {place}", fix=nearest(key, sorted(known))
            )
            continue
        inner = _inner(known[key])
        if inner is None:
            continue
        if isinstance(item, list):
            for index, entry in enumerate(item):
                yield from _unknown_keys(entry, inner, (*path, key, index))
        elif hasattr(known[key], "model_fields") or not _is_dict(known[key]):
            yield from _unknown_keys(item, inner, (*path, key))
        elif isinstance(item, Mapping):
            for name, entry in item.items():
                yield from _unknown_keys(entry, inner, (*path, key, name))


def _is_dict(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is dict or any(_is_dict(part) for part in get_args(annotation))


def _dotted(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "model_type": "a mapping",
    "dict_type": "a mapping",
}


def _refusal(detail: Mapping[str, Any]) -> Refusal | None:
    path: Path = tuple(detail["loc"])
    name, value, kind = _dotted(path), detail["input"], detail["type"]
    if kind == "extra_forbidden" or (kind == "string_type" and _is_quantity(path, value)):
        return None
    if kind == "missing":
        above = _dotted(path[:-1]) or "the object"
        return Refusal(path=path, message=f"{above} lacks the field {path[-1]!r}", fix=f"add {path[-1]}")
    wanted = _TYPES.get(kind)
    if wanted is None:
        return Refusal(
            path=path, message=f"{name}: {_short(value)} is refused: {detail['msg']}", fix="correct the value"
        )
    if kind == "string_type" and isinstance(value, bool | int | float):
        fix = f"put it in quotes: {flow(_spelled(value))}"
    elif kind == "int_type" and isinstance(value, str) and value.isdecimal():
        fix = f"remove the quotes: {value}"
    else:
        fix = f"write {wanted}"
    return Refusal(path=path, message=f"{name}: {_short(value)} is not {wanted}", fix=fix)


def _is_quantity(path: Path, value: Any) -> bool:
    """Kubernetes takes a number for a quantity (``cpu: 2``); the models want text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return path[-2:-1] in (("limits",), ("requests",)) or path[-1] in ("sizeLimit", "averageValue")


def _spelled(value: bool | int | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _short(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return "a mapping" if isinstance(value, Mapping) else "a list"
    text = "nothing" if value is None else flow(value)
    return text if len(text) <= 60 else text[:57] + "..."
