"""What exactly is started for one container of one replica: program, arguments, environment and working folder."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tuner.backends.process.container.ports import (
    LOOPBACK,
    LOOPBACK_ENV,
    NAMED_PORT_ENV,
    SERVING_PORT_ENV,
    give_out,
    substitute_args,
    substitute_env,
)
from tuner.manifests.companions import companion
from tuner.manifests.expansion import expand, expand_env
from tuner.manifests.model import Container, PodSet
from tuner.manifests.servers.flags import value
from tuner.manifests.servers.launch import launch as launch_of
from tuner.manifests.servers.launch import script_of
from tuner.manifests.workload import container_of
from tuner.space.model import LocalImage, LocalSpec, SearchSpace

_INHERITED = ("LD_LIBRARY_PATH", "TZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One process to start. `asked_env` is the part of `env` the manifest asks for, ports replaced."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    asked_env: Mapping[str, str]
    folder: Path
    ports: Mapping[int, int]
    """By the port number in the manifest (or the server's default), the one it has here."""


def image_of(container: Container, local: LocalSpec, *, serving: str) -> LocalImage:
    """The local entry for the container's image, else the one for every image, else an empty one.

    That for every image leaves the command of a container that does not serve as it stands in the manifest.
    """
    for image in local.images:
        if image.image == container.image:
            return image
    for image in local.images:
        if image.image is None:
            beside = container.name != serving and container.command
            return replace(image, command=None) if beside else image
    return LocalImage()


def command_of(container: Container, image: LocalImage, *, flags: Sequence[str] = ()) -> tuple[str, ...]:
    """The local command, which stands for the image's entry point and for a command of the manifest's own; else the
    manifest's. Its arguments follow, and before them those of `flags` (the knobs') that stood in the replaced command.

    Empty where neither names a program.
    """
    if not image.command:
        return (*container.command, *container.args) if container.command else ()
    if not container.command:
        return (*image.command, *container.args)
    script = script_of((*container.command, *container.args)) is not None
    words = [word for line in launch_of(_spec(container)).lines for word in line] if script else container.command
    given = ((name, value(words, (name,))) for name in flags)
    kept = [word for name, text in given if text is not None for word in _written(name, text)]
    return (*image.command, *kept, *(() if script else container.args))


def _spec(container: Container) -> Mapping[str, object]:
    env = [{"name": name, "value": text} for name, text in container.env.items()]
    return {"command": list(container.command), "args": list(container.args), "env": env}


def _written(name: str, text: str) -> tuple[str, ...]:
    if not text:
        return (name,)
    return (f"{name}={text}",) if name.startswith("--") else (name, text)


def flags_of(space: SearchSpace, container: str) -> tuple[str, ...]:
    """The command-line flags that parameters set on a container."""
    return tuple(
        target.removeprefix("args/")
        for parameter in space.parameters
        if (container_of(space, parameter) or container) == container
        for target in parameter.targets
        if target.startswith("args/")
    )


def runs_here(container: Container, local: LocalSpec, *, serving: str) -> bool:
    """False for one that is known to stand beside servers, with a program that only its image has: it is left out."""
    own = any(image.image == container.image for image in local.images)
    meant = container.name == serving or own or container.command
    return bool(meant) or companion(container.image, container.name) is None


def search_path(venv: Path | None) -> str:
    """PATH of a container: its own virtual environment, this Python's programs, then what we were given."""
    own = [str(venv / "bin")] if venv is not None else []
    return os.pathsep.join([*own, str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def find_program(program: str, folder: Path, path: str) -> str | None:
    """The file to run, as the started process would find it; None: there is none."""
    if "/" in program:
        file = folder / program
        return program if file.is_file() and os.access(file, os.X_OK) else None
    return shutil.which(program, path=path)


def prepare(
    pods: PodSet,
    container: Container,
    image: LocalImage,
    *,
    folder: Path,
    venv: Path | None,
    scratch: Path,
    pod_ports: Mapping[int, int],
    taken: set[int],
    flags: Sequence[str] = (),
) -> Launch:
    """Decide all that is started.

    `pod_ports` maps the ports declared in the pod, whose containers share one network, to those of this replica;
    ports already given out are in `taken`; `flags` as in `command_of`. `scratch` holds HOME and TMPDIR:
    HOME is the container's own because servers put sockets there by fixed names (gunicorn's control socket).
    """
    serves = container.name == pods.serving
    conventions = {name: str(number) for name, number in NAMED_PORT_ENV.items()}
    if pods.kind == "SeldonDeployment" and serves:
        # as Seldon's operator sets them
        conventions["PREDICTIVE_UNIT_HTTP_SERVICE_PORT"] = conventions["MLSERVER_HTTP_PORT"] = str(pods.port)
        conventions["PREDICTIVE_UNIT_METRICS_ENDPOINT"] = "/prometheus"
        if pods.load is not None and not pods.added:
            conventions["PREDICTIVE_UNIT_GRPC_SERVICE_PORT"] = conventions["MLSERVER_GRPC_PORT"] = str(pods.load)
    told = {**conventions, **image.env, **container.env}
    own = {int(told[name]) for name in NAMED_PORT_ENV if told[name].isdigit()} - pod_ports.keys()
    taken.update(own)
    ports = {**pod_ports, **give_out(sorted(own), taken)}
    declared = declared_ports(container)
    placeholder = str(ports[pods.port] if serves or not declared else ports[declared[0]])
    local = {
        **conventions,
        **dict.fromkeys(SERVING_PORT_ENV, placeholder),
        **dict.fromkeys(LOOPBACK_ENV, LOOPBACK),
        **{name: value.replace("{port}", placeholder) for name, value in image.env.items()},
    }
    expanded = expand_env(container.env)
    asked_env = {name: substitute_env(name, value, ports) for name, value in expanded.items()}
    env = {
        "PATH": search_path(venv),
        "HOME": str(scratch / "home"),
        "TMPDIR": str(scratch / "tmp"),
        "LANG": "C.UTF-8",
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        **({"VIRTUAL_ENV": str(venv)} if venv is not None else {}),
        **{name: substitute_env(name, value, ports) for name, value in local.items()},
        **asked_env,
    }
    command = tuple(expand(part, expanded) for part in command_of(container, image, flags=flags))
    program, *args = (part.replace("{port}", placeholder) for part in command)
    return Launch(
        argv=(find_program(program, folder, env["PATH"]) or program, *substitute_args(tuple(args), ports)),
        env=env,
        asked_env=asked_env,
        folder=folder,
        ports=ports,
    )


def map_ports(pods: PodSet, taken: set[int]) -> dict[int, int]:
    """A free port for each that the pod declares, its serving port among them; adds them to `taken`."""
    declared = {
        pods.port,
        pods.load_port,
        *(number for container in pods.containers for number in declared_ports(container)),
    }
    taken.update(declared)  # a port given out must not look like one of the manifest's
    return give_out(sorted(declared), taken)


def declared_ports(container: Container) -> tuple[int, ...]:
    """Port numbers of the container's ports and its probe, in that order; none twice."""
    probed = (container.probe.port,) if container.probe is not None else ()
    return tuple(dict.fromkeys((*(number for _, number in container.ports), *probed)))
