"""Where the load of a study comes from: processes beside the tuner, or a place for it that the backend has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import tuner
from tuner.backends.model import Backend
from tuner.errors import EnvironmentFailure, InputError, Problem, Where
from tuner.load.local import local_generator
from tuner.load.model import Generator, Pipe, Target
from tuner.load.piped import PipedGenerator

Place = Literal["here", "cluster"]
IMAGE = f"tuner-load:{tuner.__version__}"


class LoadHost(Protocol):
    """A place where load generators run."""

    def start(self) -> Pipe:
        """A load generator that nobody has spoken to yet. Raises GeneratorFailure."""
        ...


@runtime_checkable
class HostsLoad(Protocol):
    """A backend that has a place for load generators beside its servers. It knows nothing of load: the pipes fit."""

    def host_load(self, *, study: str, image: str) -> AbstractContextManager[LoadHost]:
        """The place, for as long as the context lasts: trials deployed meanwhile have addresses for generators there.

        Raises EnvironmentFailure.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSource:
    place: Place
    image: str | None
    """Of the generators in the cluster."""
    generator: Callable[[Target], AbstractContextManager[Generator]]


@contextmanager
def load_source(
    backend: Backend, *, study: str, place: Place | None, image: str | None, notice: Callable[[str], None]
) -> Iterator[LoadSource]:
    """`place` None: in the cluster where the backend has one and the image can run there, else here, which is told.

    Raises InputError for a place that the backend does not have, EnvironmentFailure where it cannot be used.
    """
    image = image or IMAGE
    with ExitStack() as stack:
        host = None if place == "here" else _host(stack, backend, study, image, place, notice)
        if host is None:
            yield LoadSource(place="here", image=None, generator=local_generator)
        else:
            start = host.start
            yield LoadSource(place="cluster", image=image, generator=lambda target: PipedGenerator(target, start))


def _host(
    stack: ExitStack, backend: Backend, study: str, image: str, place: Place | None, notice: Callable[[str], None]
) -> LoadHost | None:
    if not isinstance(backend, HostsLoad):
        if place == "cluster":
            message = f"the {backend.name} backend has no cluster that load could come from"
            raise InputError([Problem(where=Where(file="--load"), message=message, fix="leave it out")])
        return None
    try:
        return stack.enter_context(backend.host_load(study=study, image=image))
    except EnvironmentFailure as failure:
        if place == "cluster":
            raise
        notice(
            f"the load comes from this machine, not from inside the cluster (--load-image names its image): {failure}"
        )
        return None
