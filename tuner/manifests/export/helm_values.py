"""A fragment of a chart's values (``helm --values``) that sets what a configuration set.

A chart decides what its keys are called and do. So a knob goes to the key that is named for it, or to the one among the
chart's values that has a usual name and holds what the manifest held; without the values only to those that
`helm create` gives every chart. Where several fit, the one in the section of those that can be told is meant. What is
left is refused, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from tuner.errors import InputError, Mistake, Problem
from tuner.manifests import knobs
from tuner.manifests.address import Address, Annotation, ContainerResource, Env, Flag, Replicas
from tuner.manifests.export.values_path import ValuesPath, spelled, walk
from tuner.manifests.kinds.model import Place, at
from tuner.manifests.kinds.pod import PodKind
from tuner.manifests.workload import Workload
from tuner.space.values import Value

_REPLICAS = ("replicaCount", "replicas")
_ENV = ("env", "envs", "envVars", "extraEnv", "extraEnvs", "extraEnvVars", "environment", "extraEnvironmentVars")
_ARGS = ("args", "extraArgs", "additionalArgs", "extraArguments")
_POD_ANNOTATIONS = ("podAnnotations",)
_PATCH_INSTEAD = (
    "or patch what the chart renders: --format kustomize, as helm's --post-renderer or Flux's postRenderers"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One address of a parameter, whose value differs from that of the manifest as it stood (None: it had none)."""

    parameter: str
    spelled: str
    address: Address
    before: Any
    value: Value
    resources: Mapping[str, Any] = field(default_factory=dict)
    """All that the container had of them in the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    values: dict[str, Any]
    keys: tuple[tuple[str, str], ...]
    """Each address with the key that sets it."""


def fragment(settings: Sequence[Setting], chart: Mapping[str, Any] | None, paths: Mapping[str, ValuesPath]) -> Fragment:
    """`chart`: its values as they are used today; None: not known. `paths`: keys by address or by parameter.

    Raises InputError with everything that cannot be expressed.
    """
    found: dict[str, Any] = {}
    keys, problems = [], []
    section = _common_section(settings, chart or {}, paths)
    unused = [name for name in paths if not any(name in (one.spelled, one.parameter) for one in settings)]
    problems += [_unused(name, settings) for name in unused]
    for setting in settings:
        try:
            path = _path(setting, chart, paths, section)
            keys.append((setting.spelled, spelled(_put(found, chart or {}, path, setting))))
        except Mistake as mistake:
            message = f"{setting.spelled} cannot be expressed: {mistake.message}"
            problems.append(Problem.at("--format helm-values", message, mistake.fix))
    if problems:
        raise InputError(problems)
    return Fragment(values=found, keys=tuple(keys))


def _unused(name: str, settings: Sequence[Setting]) -> Problem:
    there = ", ".join(one.spelled for one in settings) or "none"
    return Problem.at("--values-path", f"{name!r} is no address that changed", f"those that did: {there}")


def _common_section(
    settings: Sequence[Setting], chart: Mapping[str, Any], paths: Mapping[str, ValuesPath]
) -> ValuesPath | None:
    """The one section of the values that has all keys that are named or hold what the manifest had, the values
    themselves where there are none; None: there are several."""
    sections = set()
    for setting in settings:
        named = _named(setting, paths)
        fitting = [named] if named is not None else [] if setting.before is None else _fitting(setting, chart)
        if len(fitting) == 1:
            sections.add(_section_of(fitting[0], setting.address))
    return sections.pop() if len(sections) == 1 else None if sections else ()


def _section_of(path: ValuesPath, address: Address) -> ValuesPath:
    """What a key is in, beside the keys of the same component: ``server`` of ``server.resources.limits.cpu``."""
    match address:
        case ContainerResource(section, name) if path[-2:] == (section, name):
            return path[:-3]
        case Annotation(key) if path[-1] == key:
            return path[:-2]
    return path[:-1]


def _named(setting: Setting, paths: Mapping[str, ValuesPath]) -> ValuesPath | None:
    return paths.get(setting.spelled, paths.get(setting.parameter))


def _path(
    setting: Setting, chart: Mapping[str, Any] | None, paths: Mapping[str, ValuesPath], section: ValuesPath | None
) -> ValuesPath:
    """Of the key that sets it, or of the list or mapping that it is an entry of."""
    named = _named(setting, paths)
    if named is not None:
        _must_hold(setting, chart, named)
        return named
    name_it = f"name its key: --values-path {setting.spelled}=KEY, {_PATCH_INSTEAD}"
    if chart is None:
        usual = _created(setting.address)
        if usual is None:
            raise Mistake("every chart calls it otherwise", f"give the chart's values with --values, {name_it}")
        return usual
    found = list(_candidates(setting, chart))
    if not found:
        held = "nothing" if setting.before is None else repr(knobs.text(setting.before))
        raise Mistake(f"no key of the values of a usual name holds what the manifest had there ({held})", name_it)
    beside = [path for path in found if _section_of(path, setting.address) == section]
    if len(beside) == 1:
        return beside[0]
    if len(found) > 1 or setting.before is None:  # that there is nothing, too, tells nothing
        raise Mistake(f"it may be {' or '.join(map(spelled, found))}", name_it)
    return found[0]


def _must_hold(setting: Setting, chart: Mapping[str, Any] | None, path: ValuesPath) -> None:
    """Raises Mistake where the chart's value is not what the manifest had: then something else sets it."""
    there = at(chart, path)
    if chart is None and (any(isinstance(step, int) for step in path) or _is_list(path, setting.address)):
        message = f"{spelled(path)} is in a list or is one, and helm replaces lists whole"
        raise Mistake(message, "give the chart's values with --values")
    if there is None or isinstance(there, list | dict) or setting.before is None or knobs.stands(there, setting.before):
        return
    message = f"{spelled(path)} is {there!r} in the values, but the manifest had {setting.before!r}"
    raise Mistake(message, "name the key that sets it, and give the values that the manifest was rendered with")


def _created(address: Address) -> ValuesPath | None:
    """The key in a chart that `helm create` made."""
    match address:
        case Replicas():
            return ("replicaCount",)
        case ContainerResource(section, name):
            return ("resources", section, name)
        case Annotation(key, of_pod=True):
            return ("podAnnotations", key)
    return None


def _fitting(setting: Setting, chart: Mapping[str, Any]) -> list[ValuesPath]:
    try:
        return list(_candidates(setting, chart))
    except Mistake:
        return []  # which is told where the key is looked for


def _candidates(setting: Setting, chart: Mapping[str, Any]) -> Iterator[ValuesPath]:
    for path, value in walk(chart):
        field = path[-1]
        match setting.address:
            case Replicas() if field in _REPLICAS and _holds(value, setting.before):
                yield path
            case ContainerResource(section, name) if field == "resources" and isinstance(value, Mapping | None):
                if _holds(at(value, (section, name)), setting.before) or _is_preset(chart, path):
                    yield (*path, section, name)
            case Env(name) if field in _ENV and _has(value, name, setting):
                yield path
            case Flag(name) if field in _ARGS and _has(value, name.lstrip("-"), setting):
                yield path
            case Annotation(key, of_pod=True) if field in _POD_ANNOTATIONS and isinstance(value, Mapping | None):
                if _holds(at(value, (key,)), setting.before):
                    yield (*path, key)


def _is_preset(chart: Mapping[str, Any], path: ValuesPath) -> bool:
    """Whether a size sets the resources as long as nothing stands at their key, as in Bitnami's charts."""
    return not at(chart, path) and at(chart, (*path[:-1], "resourcesPreset")) not in (None, "none")


def _holds(value: Any, before: Any) -> bool:
    if value is None or before is None:
        return value is None and before is None
    return not isinstance(value, list | dict) and knobs.stands(value, before)


def _has(value: Any, key: str, setting: Setting) -> bool:
    """Whether a list (of name and value, or of words) or a mapping holds what the manifest had."""
    if isinstance(value, list):
        return _holds(_of_list(value, setting.address), setting.before)
    return isinstance(value, Mapping) and _holds(value.get(key), setting.before)


def _put(found: dict[str, Any], chart: Mapping[str, Any], path: ValuesPath, setting: Setting) -> ValuesPath:
    """Write it into the fragment, and whole every list on the way; returns the key itself."""
    present = at(found, path) if at(found, path) is not None else at(chart, path)
    value: Any = setting.value
    if isinstance(present, list) or (present is None and _is_list(path, setting.address)):
        value = _with(present or [], setting)
    elif isinstance(present, Mapping):
        named = setting.address.name if isinstance(setting.address, Env | Flag) else ""
        path = (*path, named.lstrip("-"))
        present = at(chart, path)
    if isinstance(present, str) or (present is None and isinstance(setting.address, ContainerResource)):
        value = knobs.text(value)
    if isinstance(setting.address, ContainerResource) and _is_preset(chart, path[:-2]) and not at(found, path[:-2]):
        _at_key(found, chart, path[:-2])[path[-3]] = deepcopy(dict(setting.resources))  # which would go with the size
    _at_key(found, chart, path)[path[-1]] = value
    return path


def _at_key(found: dict[str, Any], chart: Mapping[str, Any], path: ValuesPath) -> Any:
    """What holds the key, made with all on the way; lists whole."""
    into: Any = found
    for depth, step in enumerate(path[:-1]):
        if isinstance(into, dict) and step not in into:
            there = at(chart, path[: depth + 1])
            into[step] = deepcopy(there) if isinstance(there, list) else {}
        into = into[step]
    return into


def _is_list(path: ValuesPath, address: Address) -> bool:
    """Whether a key that the values do not have is by its name one of variables or of arguments."""
    return (isinstance(address, Env) and path[-1] in _ENV) or (isinstance(address, Flag) and path[-1] in _ARGS)


def _of_list(items: list[Any], address: Address) -> Any:
    container, workload, place = _alone(items, address)
    try:
        return knobs.read([container], workload, place, address)
    except knobs.Unaddressable as error:
        raise Mistake(str(error), error.fix or _PATCH_INSTEAD) from None


def _with(items: list[Any], setting: Setting) -> list[Any]:
    container, workload, place = _alone(items, setting.address)
    knobs.write([container], workload, place, setting.address, setting.value)
    changed: list[Any] = at(container, (*place.path, _section(setting.address)))
    return changed


def _alone(items: list[Any], address: Address) -> tuple[dict[str, Any], Workload, Place]:
    """A list of the values as that of a container with nothing else, which knobs are read and set in."""
    container = {"name": "chart", _section(address): deepcopy(items)}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "chart"}, "spec": {"containers": [container]}}
    place = Place(name="chart", path=("spec", "containers", 0))
    return pod, Workload(index=0, kind=PodKind(), obj=pod), place


def _section(address: Address) -> str:
    return "env" if isinstance(address, Env) else "args"


def coalesced(several: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Values of several files, of which later ones win, as helm takes them together."""
    whole: dict[str, Any] = {}
    for values in several:
        _into(whole, values)
    return whole


def _into(whole: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        present = whole.get(name)
        if isinstance(present, dict) and isinstance(value, Mapping):
            _into(present, value)
        else:
            whole[name] = deepcopy(value)
