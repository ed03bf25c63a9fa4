"""Where the load of a study comes from: processes beside the tuner, or a place for it that the backend has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import tuner
from tuner.backends.model import Backend
from tuner.errors import EnvironmentFailure, InputError
from tuner.load.model import Pipe, Target
from tuner.load.process.local import local_generator
from tuner.load.process.piped import PipedGenerator
from tuner.load.process.several import SeveralGenerator
from tuner.trials.serving import StartGenerator

Place = Literal["here", "cluster"]
IMAGE = f"tuner-load:{tuner.__version__}"
_HOSTED_LEAD_S = 0.5
"""For an order to get to a pod by way of the API server."""


class LoadHost(Protocol):
    """A place where load generators run."""

    def start(self) -> Pipe:
        """A load generator that nobody has spoken to yet. Raises GeneratorFailure."""
        ...


@runtime_checkable
class HostsLoad(Protocol):
    """A backend that has a place for load generators beside its servers. It knows nothing of load: the pipes fit."""

    def host_load(self, *, study: str, image: str, cpus: int, study_name: str = "") -> AbstractContextManager[LoadHost]:
        """The place, with so many CPUs, for as long as the context lasts: trials deployed meanwhile have addresses for
        generators there.

        Raises EnvironmentFailure.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSource:
    place: Place
    image: str | None
    """Of the generators in the cluster."""
    cpus: int
    """Engine processes in the cluster, each with a CPU; from here they have what the backend sets aside."""
    generator: StartGenerator


def hosted(target: Target, start: Callable[[], Pipe], cpus: int) -> PipedGenerator | SeveralGenerator:
    """Of so many processes that `start` starts on one machine."""
    if cpus == 1:
        return PipedGenerator(target, start)
    return SeveralGenerator(target, start, cpus, _HOSTED_LEAD_S)


@contextmanager
def load_source(
    backend: Backend,
    *,
    study: str,
    place: Place | None,
    image: str | None,
    cpus: int = 1,
    study_name: str = "",
    notice: Callable[[str], None],
) -> Iterator[LoadSource]:
    """`place` None: in the cluster where the backend has one and the image can run there, else here, which is told;
    but with more than one of `cpus` only in the cluster.

    Raises InputError for a place that the backend does not have, EnvironmentFailure where it cannot be used.
    """
    image = image or IMAGE
    if cpus > 1 and (place == "here" or not isinstance(backend, HostsLoad)):
        message = f"{cpus} CPUs are for a load generator inside a cluster; from here it has those that servers leave it"
        raise InputError.at("--load-cpus", message, "leave it out")
    if place == "cluster" and not isinstance(backend, HostsLoad):
        raise InputError.at(
            "--load", f"the {backend.name} backend has no cluster that load could come from", "leave it out"
        )
    with ExitStack() as stack:
        host = None
        if place != "here" and isinstance(backend, HostsLoad):
            try:
                host = stack.enter_context(
                    backend.host_load(study=study, image=image, cpus=cpus, study_name=study_name)
                )
            except EnvironmentFailure as failure:
                if place == "cluster" or cpus > 1:
                    raise
                notice(
                    "the load comes from this machine, not from inside the cluster (--load-image names its image): "
                    f"{failure}"
                )
        if host is None:
            yield LoadSource(place="here", image=None, cpus=1, generator=local_generator)
        else:
            start = host.start
            yield LoadSource(
                place="cluster", image=image, cpus=cpus, generator=lambda target: hosted(target, start, cpus)
            )
