"""Reading and setting the value at an address, in plain dicts and lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tuner.manifests.address import Address, Annotation, ContainerResource, Env, Flag, OfContainer, Pointer, Replicas
from tuner.manifests.commands import Command
from tuner.manifests.kinds.model import Place, at, mappings
from tuner.manifests.servers.flags import alike, joined
from tuner.manifests.shell import Script, ScriptFlag, flag_of, script_of, with_flag
from tuner.manifests.workload import Workload
from tuner.space.values import Value
from tuner.yaml.tree import Path

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_REFERENCE = re.compile(r"\$\((?P<name>[^()]+)\)")
"""What Kubernetes puts a variable of the container in place of."""


class Unaddressable(Exception):
    """There is nothing at the address, and nothing can be put there. `fix` says what to do, where that is known."""

    def __init__(self, message: str, fix: str | None = None) -> None:
        self.fix = fix
        super().__init__(message)


def text(value: Any) -> str:
    """A value as environment variables, flags and annotations hold it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def stands(present: Any, value: Value) -> bool:
    """Whether what is present already says `value`, in whatever spelling: it is then left as it is."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        spelled = text(present)
        return bool(_NUMBER.fullmatch(spelled)) and Decimal(spelled) == Decimal(str(value))
    return text(present) == text(value)


def read(objects: list[Any], workload: Workload, place: Place | None, address: Address) -> Any:
    """The value at the address, None where there is none. A flag that stands alone is True.

    Raises Unaddressable for an env variable that takes its value from elsewhere, or from the container's own script, and
    for a flag that a script works out.
    """
    match address:
        case Pointer():
            return at(*_pointed(objects, workload, address))
        case Env(name):
            entry = _env(objects[workload.index], _of(place), name)
            if entry is not None and entry.get("valueFrom") is not None:
                raise Unaddressable(f"{name} takes its value from {next(iter(entry['valueFrom']), 'elsewhere')}")
            script = script_of(objects[workload.index], _of(place))
            if script is not None and script.sets(name):
                fix = "change it in the script, or let it be and tune something else"
                raise Unaddressable(f"the container's script sets {name} itself", fix)
            if entry is None:
                return script.default(name) if script is not None else None
            return entry.get("value", "")
        case Flag(name):
            script = script_of(objects[workload.index], _of(place))
            if script is not None:
                in_script = _in_script(objects[workload.index], _of(place), script, name)
                return None if in_script is None else in_script.value
            found = _flag(objects[workload.index], _of(place), name)
            return None if found is None else _resolved(objects[workload.index], _of(place), found.value)
        case _:
            found = at(objects[workload.index], _some(paths(workload, place, address), workload)[0])
            counted = isinstance(address, Replicas) and isinstance(found, str) and found.isdecimal()
            return int(found) if counted else found


def _some(paths: tuple[Path, ...], workload: Workload) -> tuple[Path, ...]:
    if not paths:
        raise Unaddressable(f"a {workload.kind.kind} has one replica, and no number of them to set")
    return paths


def write(objects: list[Any], workload: Workload, place: Place | None, address: Address, value: Value) -> None:
    """Set the value at the address, making what is absent. Raises Unaddressable."""
    present = read(objects, workload, place, address)
    obj = objects[workload.index]
    if isinstance(address, OfContainer) and place is not None and not place.injected:
        for other in _before(workload, place):
            _ensure(obj, other)
        _ensure(obj, place)
    match address:
        case Pointer():
            if present is not None and stands(present, value):
                return
            target, path = _pointed(objects, workload, address)
            if isinstance(present, dict | list) or not _exists(target, path):
                what = "a list or mapping" if present is not None else "nothing"
                raise Unaddressable(f"there is {what} at /{'/'.join(map(str, path))} of the manifest")
            _put(target, path, text(value) if isinstance(present, str) else value)
        case Replicas():
            for path in _some(paths(workload, place, address), workload):
                if at(obj, path) is None or not stands(at(obj, path), value):
                    _put(obj, path, text(value) if "annotations" in path else value)
        case Env(name):
            if present is not None and stands(present, value):
                return
            entry = _env(obj, _of(place), name)
            if entry is not None:
                entry["value"] = text(value)
            else:
                _listed(obj, (*_of(place).path, "env")).append({"name": name, "value": text(value)})
        case Flag(name):
            if present is None or not stands(present, value):
                script = script_of(obj, _of(place))
                if script is None:
                    _set_flag(obj, _of(place), name, text(value))
                else:
                    command = _server(script, name)
                    at(obj, script.path)[script.index] = with_flag(script, command, name, text(value))
        case _:
            for path in paths(workload, place, address):
                if present is None or not stands(present, value):
                    _put(obj, path, text(value))


def paths(workload: Workload, place: Place | None, address: Address) -> tuple[Path, ...]:
    """Where a value that is an entry of a mapping stands, in the workload's object."""
    match address:
        case Replicas():
            return workload.kind.replicas(workload.obj)
        case ContainerResource(section, name):
            return ((*_of(place).path, "resources", section, name),)
        case Annotation(key, of_pod=True):
            return ((*workload.kind.pod_annotations(workload.obj, _of(place).path), key),)
        case Annotation(key):
            return (workload.kind.annotations(workload.obj, key),)
        case Env():
            return ((*_of(place).path, "env"),)
        case Flag():
            return ((*_of(place).path, "args"),)
        case Pointer():
            return (tuple(address.tokens),)


def _of(place: Place | None) -> Place:
    if place is None:
        raise Unaddressable("no container was named, and there is not just one")
    return place


def _pointed(objects: list[Any], workload: Workload, address: Pointer) -> tuple[Any, Path]:
    obj = objects[workload.index]
    if address.document is not None:
        kind, name = address.document
        found = [o for o in objects if o.get("kind") == kind and at(o, ("metadata", "name")) == name]
        if len(found) != 1:
            raise Unaddressable(f"the manifest has {len(found) or 'no'} object {kind}/{name}")
        obj = found[0]
    path: list[str | int] = []
    for token in address.tokens:
        index = re.fullmatch(r"0|[1-9][0-9]*", token)
        path.append(int(token) if index and isinstance(at(obj, tuple(path)), list) else token)
    return obj, tuple(path)


def _before(workload: Workload, place: Place) -> list[Place]:
    """The containers that come before it in the same list, and that an operator would make otherwise."""
    index = place.path[-1]
    listed = [one for one in workload.places() if one.path[:-1] == place.path[:-1] and not one.injected]
    return [one for one in listed if isinstance(index, int) and isinstance(one.path[-1], int) and one.path[-1] < index]


def _ensure(obj: Any, place: Place) -> None:
    """Make the entry of a container that an operator would make otherwise, with nothing but its name."""
    if at(obj, place.path) is not None:
        return
    for step, below in zip(place.path, (*place.path[1:], "name"), strict=True):
        if at(obj, (step,)) is None:
            made: Any = [] if isinstance(below, int) else {}
            if isinstance(obj, list) and step == len(obj):
                obj.append(made)
            elif isinstance(obj, dict) and isinstance(step, str):
                obj[step] = made
            else:
                raise Unaddressable(f"there is no list or mapping to hold {step!r} of container {place.name}")
        obj = obj[step]
    if not isinstance(obj, dict):
        raise Unaddressable(f"there is no mapping to hold container {place.name}")
    obj["name"] = place.name


def _exists(obj: Any, path: Path) -> bool:
    parent, last = at(obj, path[:-1]), path[-1]
    if isinstance(parent, list):
        return isinstance(last, int) and last < len(parent)
    return isinstance(parent, Mapping) and last in parent


def _put(obj: Any, path: Path, value: Any) -> None:
    """Set the value at `path`, with mappings on the way where there is nothing."""
    for step in path[:-1]:
        below = at(obj, (step,))
        if below is None:
            below = {}
            _put(obj, (step,), below)
        obj = below
    if not (isinstance(obj, dict) and isinstance(path[-1], str)) and at(obj, path[-1:]) is None:
        raise Unaddressable(f"there is no mapping or list to hold {path[-1]!r}")
    obj[path[-1]] = value


def _listed(obj: Any, path: Path) -> list[Any]:
    """The list at `path`, made where there is nothing."""
    if at(obj, path) is None:
        _put(obj, path, [])
    found = at(obj, path)
    if not isinstance(found, list):
        raise Unaddressable(f"{path[-1]} is not a list")
    return found


def _env(obj: Any, place: Place, name: str) -> Any:
    """The entry that counts: of several, Kubernetes takes the last."""
    return next((e for _, e in reversed(mappings(obj, (*place.path, "env"))) if e.get("name") == name), None)


class _Found:
    """A flag in a list of arguments: `--flag=value` or `-f1` at `index`, or `value` in the item after it."""

    def __init__(self, items: list[Any], index: int, value: Any, *, apart: bool) -> None:
        self.items, self.index, self.value, self.apart = items, index, value, apart


def _flag(obj: Any, place: Place, name: str) -> _Found | None:
    """Among the arguments, or among the command's own. Of several the last counts, as most parsers have it."""
    for section, first in (("args", 0), ("command", 1)):
        items = at(obj, (*place.path, section))
        if not isinstance(items, list):
            continue
        for index in range(len(items) - 1, first - 1, -1):
            item = items[index]
            given, equals, rest = item.partition("=") if isinstance(item, str) else ("", "", "")
            if equals and alike(given, name):
                return _Found(items, index, rest, apart=False)
            if isinstance(item, str) and (value := joined(item, name)) is not None:
                return _Found(items, index, value, apart=False)
            if alike(given, name):
                value = items[index + 1] if index + 1 < len(items) else None
                if value is None or (isinstance(value, str) and value.startswith("-") and not _NUMBER.fullmatch(value)):
                    return _Found(items, index, True, apart=False)
                return _Found(items, index, value, apart=True)
    return None


def _set_flag(obj: Any, place: Place, name: str, value: str) -> None:
    found = _flag(obj, place, name)
    if found is None:
        items = _listed(obj, (*place.path, "args"))
        items += place.args if not items else ()  # given any, the operator drops its own
        items += [f"{name}={value}"] if name.startswith("--") else [name, value]
    elif found.apart:
        found.items[found.index + 1] = value
    elif joined(found.items[found.index], name) is not None:
        found.items[found.index] = f"{name}{value}"
    else:
        given = found.items[found.index].partition("=")[0]
        found.items[found.index] = f"{given}={value}"


def reached(obj: Any, place: Place, address: Address) -> Address | None:
    """The address under which a value reaches the server: that of the variable, for a flag that takes its value from one.

    None: it never would, since the script of the container's shell sets or works it out itself, or starts no server
    that is sure; or since the variable takes its value from elsewhere.
    """
    script = script_of(obj, place)
    if isinstance(address, Env):
        return None if script is not None and script.sets(address.name) else address
    if not isinstance(address, Flag):
        return address
    variable = _variable(obj, place, script, address.name)
    if variable is not None:
        return None if _decided(obj, place, script, variable) else Env(variable)
    if script is None:
        return address
    command = script.server()
    found = flag_of(command, address.name) if command is not None else None
    return address if command is not None and (found is None or found.plain) else None


def hindrance(obj: Any, place: Place, address: Address) -> str | None:
    """Why no value reaches the server at this address, in words; None: it does."""
    if reached(obj, place, address) is not None:
        return None
    if isinstance(address, Env):
        return f"the container's script sets {address.name} itself"
    script, name = script_of(obj, place), address.name if isinstance(address, Flag) else ""
    if script is None:
        variable = _variable(obj, place, None, name) or ""
        return f"{name} is ${variable}, {_decided(obj, place, None, variable)}"
    try:
        _in_script(obj, place, script, name)
    except Unaddressable as error:
        return str(error)
    return None


def _variable(obj: Any, place: Place, script: Script | None, flag: str) -> str | None:
    """The variable that a flag takes its value from, by Kubernetes or by the container's shell."""
    if script is None:
        found = _flag(obj, place, flag)
        return None if found is None else _referred(obj, place, found.value)
    command = script.server()
    given = flag_of(command, flag) if command is not None else None
    if given is None:
        return None
    return _referred(obj, place, given.value) or (given.variable[0] if given.variable is not None else None)


def _referred(obj: Any, place: Place, value: Any) -> str | None:
    found = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return found["name"] if found is not None and _env(obj, place, found["name"]) is not None else None


def _resolved(obj: Any, place: Place, value: Any) -> Any:
    """What Kubernetes puts in place of a reference; the reference itself where that is not known."""
    name = _referred(obj, place, value)
    entry = _env(obj, place, name) if name is not None else None
    return value if entry is None or entry.get("valueFrom") else text(entry.get("value", ""))


def _decided(obj: Any, place: Place, script: Script | None, variable: str) -> str | None:
    """Why the variable can be given no other value, in words."""
    if script is not None and script.sets(variable):
        return "which the script sets itself"
    entry = _env(obj, place, variable)
    if entry is not None and entry.get("valueFrom"):
        return f"which takes its value from {next(iter(entry['valueFrom']), 'elsewhere')}"
    return None


def _server(script: Script, name: str) -> Command:
    command = script.server()
    if command is None:
        message = f"{name}: which command of the container's script is the server's cannot be told"
        raise Unaddressable(message, "write the server's command as a list without the shell, or set env/NAME in it")
    return command


def _in_script(obj: Any, place: Place, script: Script, name: str) -> ScriptFlag | None:
    found = flag_of(_server(script, name), name)
    if found is None or found.plain:
        return found
    variable = _variable(obj, place, script, name)
    if variable is None:
        raise Unaddressable(f"the container's script works {name} out", "write its value in the script, or a variable")
    if (why := _decided(obj, place, script, variable)) is not None:
        raise Unaddressable(f"{name} is ${variable}, {why}", "write its value in the script")
    raise Unaddressable(f"{name} is ${variable} in the container's script", f"set env/{variable} instead")
