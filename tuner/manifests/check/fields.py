"""A manifest's object against what the kubernetes client knows: every field of every built-in kind, and its type.

The client is read, not imported: its models are one text a class, a field a line, and an object has to do with a dozen
of them, while importing one brings a hundred others and pydantic: a quarter of a second. A test holds what is read here
against the models themselves, all of them.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from tuner.errors import Mistake
from tuner.nearest import nearest
from tuner.yaml.scalars import flow
from tuner.yaml.tree import Path

_PLACEHOLDER = re.compile(r"\$\w+|\$\{\w+\}|<[A-Za-z][\w -]*>")
FILL_IN = "fill the placeholder in, for example with `envsubst < FILE > manifest.yaml`"


def is_placeholder(value: str) -> bool:
    """What is to be replaced before anything takes the manifest: ``${PORT}``, ``$PORT``, ``<port>``."""
    return _PLACEHOLDER.fullmatch(value) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What is wrong with a value. `path` leads to it; its last step may not exist."""

    path: Path
    message: str
    fix: str
    unknown: bool = False
    """There is no such field."""


class UnknownKind(Mistake):
    """The group is Kubernetes' own, but it has no such version or kind."""


def refusals(obj: Mapping[str, Any]) -> tuple[Refusal, ...] | None:
    """Everything that is wrong with the fields of an object, unknown ones first; None for a custom resource.

    Raises UnknownKind.
    """
    model = model_of(str(obj["apiVersion"]), str(obj["kind"]))
    if model is None:
        return None
    return tuple(sorted(_refusals(obj, ast.Name(model), ()), key=lambda refusal: not refusal.unknown))


_CREATES = re.compile(r"def create_\w+\(\s+self,\s+(?:\w+: [^\n]+\s+)?body: (\w+),")
_MODEL_PREFIX = re.compile(r"^[A-Za-z]*?V\d+((alpha|beta)\d+)?")


def model_of(api_version: str, kind: str) -> str | None:
    """The model's class name; None for a custom resource. Raises UnknownKind.

    The client has a file for each group and version, with a method that creates each kind: what is in its text is
    what Kubernetes serves.
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


@cache
def _kinds(file: FilePath) -> dict[str, str]:
    """The kinds that can be created in one group and version, with their models."""
    models: list[str] = _CREATES.findall(file.read_text(encoding="utf-8"))
    return {_MODEL_PREFIX.sub("", model): model for model in models}


def _served_as(folder: FilePath, kind: str) -> list[str]:
    """The apiVersions that have a kind. Reads all files, so only for a message."""
    having = [path for path in sorted(folder.glob("*_v*_api.py")) if kind in _kinds(path)]
    served = (re.search(r"'/api(?:s/([a-z0-9.]+))?/(v[a-z0-9]+)/", path.read_text(encoding="utf-8")) for path in having)
    return [f"{found[1]}/{found[2]}" if found[1] else found[2] for found in served if found]


@cache
def _client() -> FilePath:
    spec = importlib.util.find_spec("kubernetes")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the kubernetes client is not installed", name="kubernetes")
    return FilePath(spec.submodule_search_locations[0]) / "client"


_EXPORT = re.compile(r'^ +"(\w+)": "\.(\w+)",$', re.MULTILINE)
_FIELD = re.compile(r"^    (?P<name>\w+): (?P<type>.+?)(?: = (?P<default>.*))?$", re.MULTILINE)
_WIRE_NAME = re.compile(r'\b(?:serialization_)?alias="([^"]+)"')
_IN_ONE_WORD = {
    "Union[Annotated[bytes, Field(strict=True)], Annotated[str, Field(strict=True)]]": "bytes",
    "Union[StrictFloat, StrictInt]": "StrictFloat",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    type: ast.expr
    """As the client writes it: ``List[V1Container]``."""
    optional: bool


@cache
def fields(model: str) -> Mapping[str, Field]:
    """A model's fields by their names in a manifest."""
    text = (_client() / "models" / f"{_files()[model]}.py").read_text(encoding="utf-8")
    found = {}
    for field in _FIELD.finditer(text.partition("    openapi_types: ClassVar")[0].rpartition('"""')[2]):
        name, type_ = _WIRE_NAME.search(field["default"] or ""), field["type"]
        optional = type_.startswith("Optional[")
        type_ = type_[len("Optional[") : -1] if optional else type_
        for long, short in _IN_ONE_WORD.items():
            type_ = type_.replace(long, short)
        parsed = ast.parse(type_, mode="eval").body
        found[name[1] if name else field["name"]] = Field(type=parsed, optional=optional or type_ == "Any")
    return found


@cache
def _files() -> Mapping[str, str]:
    """The file of each model."""
    return dict(_EXPORT.findall((_client() / "models" / "__init__.py").read_text(encoding="utf-8")))


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value) is not None
    except ValueError:
        return False


_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_SCALARS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "Any": ("anything", lambda _: True),
    "StrictStr": ("text", lambda value: isinstance(value, str)),
    "str": ("text", lambda value: isinstance(value, str)),
    "bytes": ("base64", lambda value: isinstance(value, str) and _BASE64.fullmatch(value) is not None),
    "datetime": ("a time such as 2026-01-31T12:00:00Z", _is_time),
    "StrictBool": ("true or false", lambda value: isinstance(value, bool)),
    "StrictInt": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "StrictFloat": ("a number", lambda value: isinstance(value, int | float) and not isinstance(value, bool)),
}
"""In words, and whether a value is one."""


def _refusals(value: Any, wanted: ast.expr, path: Path) -> Iterator[Refusal]:
    if not _fits(value, wanted):
        if not (_called(wanted) == "text" and _is_quantity(path, value)):
            yield _refusal(value, _called(wanted), path)
        return
    match wanted:
        case ast.BinOp(one, _, other):
            yield from _refusals(value, one if _fits(value, one) else other, path)
        case ast.Subscript(ast.Name("List"), inner):
            for index, item in enumerate(value):
                yield from _refusals(item, inner, (*path, index))
        case ast.Subscript(ast.Name("Dict"), ast.Tuple([_, inner])):
            for key, item in value.items():
                yield from _refusals(item, inner, (*path, key))
        case ast.Name(model) if model not in _SCALARS:
            yield from _of_model(value, fields(model), path)


def _of_model(value: Mapping[str, Any], known: Mapping[str, Field], path: Path) -> Iterator[Refusal]:
    place = _dotted(path) or "the object"
    for key in value:
        if key not in known:
            message = f"unknown field {key!r} in {place}"
            yield Refusal(path=(*path, key), message=message, fix=nearest(key, sorted(known)), unknown=True)
    for key, field in known.items():
        if key not in value and not field.optional:
            yield Refusal(path=(*path, key), message=f"{place} lacks the field {key!r}", fix=f"add {key}")
        elif key in value and not (value[key] is None and field.optional):
            yield from _refusals(value[key], field.type, (*path, key))


def _fits(value: Any, wanted: ast.expr) -> bool:
    """Whether a value is of a type, apart from what is in it."""
    match wanted:
        case ast.BinOp(one, _, other):
            return _fits(value, one) or _fits(value, other)
        case ast.Subscript(ast.Name("List")):
            return isinstance(value, list)
        case ast.Name(name) if name in _SCALARS:
            return _SCALARS[name][1](value)
    return isinstance(value, Mapping)


def _called(wanted: ast.expr) -> str:
    match wanted:
        case ast.BinOp(one, _, other):
            return f"{_called(one)} or {_called(other)}"
        case ast.Subscript(ast.Name("List")):
            return "a list"
        case ast.Name(name) if name in _SCALARS:
            return _SCALARS[name][0]
    return "a mapping"


def _dotted(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _refusal(value: Any, wanted: str, path: Path) -> Refusal:
    if wanted == "text" and isinstance(value, bool | int | float):
        fix = f"put it in quotes: {flow(str(value).lower() if isinstance(value, bool) else str(value))}"
    elif wanted == "a whole number" and isinstance(value, str) and value.isdecimal():
        fix = f"remove the quotes: {value}"
    elif isinstance(value, str) and is_placeholder(value):
        fix = FILL_IN
    else:
        fix = f"write {wanted}"
    return Refusal(path=path, message=f"{_dotted(path)}: {_short(value)} is not {wanted}", fix=fix)


def _is_quantity(path: Path, value: Any) -> bool:
    """Kubernetes takes a number for a quantity (``cpu: 2``), which the client has as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return path[-2:-1] in (("limits",), ("requests",)) or path[-1] in ("sizeLimit", "averageValue")


def _short(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return "a mapping" if isinstance(value, Mapping) else "a list"
    text = "nothing" if value is None else flow(value)
    return text if len(text) <= 60 else text[:57] + "..."
