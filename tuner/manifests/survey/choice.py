"""Which workload and which container a search space is proposed for, and what else there was to choose from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.manifests.companions import ANSWERING, companion
from tuner.manifests.kinds import Place
from tuner.manifests.servers.answers import Named, declared, targets_in
from tuner.manifests.servers.config_maps import with_config_maps
from tuner.manifests.servers.hardware import hardware
from tuner.manifests.servers.recognition import Recognised, recognise
from tuner.manifests.servers.serving_runtimes import with_runtime
from tuner.manifests.services import selecting
from tuner.manifests.workload import NoWorkload, Workload, components, named, none_in, refused_in, workloads
from tuner.nearest import nearest

_GENERIC = frozenset({"gunicorn", "uvicorn", "hypercorn", "FastAPI"})
"""Servers that serve anything, of which a model is only one thing."""
_ROLES = ("model", None, "transformer", "combiner", "router")
"""The more worth tuning, the earlier."""
_LISTED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A container that might be the one."""

    workload: Workload
    place: Place
    spec: Mapping[str, Any]
    """As it will run, as far as that is known."""
    found: Recognised
    companion: str | None
    """What it is, if it is known not to serve a model."""
    targets: tuple[Named, ...]
    """Its ports that Services send to."""
    order: int

    @property
    def targeted(self) -> bool:
        return bool(self.targets)

    @property
    def rank(self) -> tuple[object, ...]:
        """The less, the more likely."""
        role = self.workload.kind.role(self.workload.obj, self.place)
        server = self.found.server
        asks = hardware(self.spec)
        return (
            server is None and (self.companion is not None) + (self.companion not in (None, *ANSWERING)),
            _ROLES.index(role),
            2 if server is None else int(server.name in _GENERIC),
            not asks.gpus,
            not self.targeted,
            not declared(self.spec),
            not self.spec.get("readinessProbe"),
            self.order,
        )

    def __str__(self) -> str:
        what = self.companion or (self.found.server.name if self.found.server else "")
        return f"{self.place.name} ({what})" if what else self.place.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    workload: Workload
    place: Place | None
    """None: it has no container of its own."""
    found: Recognised
    by_user: bool
    """Whether the user named the workload or the container."""
    workloads: tuple[Workload, ...]
    """All there are to choose from, parts of which one is tuned at a time one by one; the chosen one too."""
    containers: tuple[Candidate, ...]
    """All of the workload, the chosen one first."""

    @property
    def spec(self) -> Mapping[str, Any]:
        return self.workload.kind.container(self.workload.obj, self.place) if self.place else {}


def choose(
    objects: Sequence[Mapping[str, Any]], *, workload: str | None = None, container: str | None = None
) -> Choice:
    """The likeliest, or the one that is named: ``KIND/NAME`` (``KIND/NAME/COMPONENT``), and a container's name.

    Raises NoWorkload where there is none, or none of that name.
    """
    everything = _everything(objects)
    found = everything
    if workload is not None:
        one = named(workloads(objects), workload)
        found = components(one) if one.component is None else (one,)
    ranked = sorted(
        (candidate for order, one in enumerate(found) for candidate in _candidates(one, objects, order)),
        key=lambda candidate: (*candidate.rank[:3], not _usual(candidate.workload), *candidate.rank[3:]),
    )
    if container is not None:
        ranked = _of_name(ranked, container, workload)
    if not ranked:
        if not found:
            raise none_in(objects)
        first = found[0]
        return Choice(
            workload=first,
            place=None,
            found=recognise({}),
            by_user=workload is not None,
            workloads=everything,
            containers=(),
        )
    best = ranked[0]
    serves = best.companion is None or best.companion in ANSWERING or best.found.server is not None
    if not serves and container is None and workload is None:
        if (other := refused_in(objects)) is not None:
            raise other
        raise NoWorkload(
            f"no container in it serves a model, as far as can be told: {listed(map(str, ranked))}",
            f"name the one that does with --container NAME, for example --container {best.place.name}",
        )
    if len(everything) > 1:
        named(workloads(objects), best.workload.spelled)  # a search space has to be able to name it
    beside = [one for one in ranked if one.workload == best.workload]
    if container is not None:
        beside = [best, *(one for one in _sorted(best.workload, objects) if one.place != best.place)]
    return Choice(
        workload=best.workload,
        place=best.place,
        found=best.found,
        by_user=workload is not None or container is not None,
        workloads=everything,
        containers=tuple(beside),
    )


def _everything(objects: Sequence[Mapping[str, Any]]) -> tuple[Workload, ...]:
    return tuple(part for one in workloads(objects) for part in components(one))


def _usual(workload: Workload) -> bool:
    return workload.component == workload.kind.usual_component(workload.obj)


def _sorted(workload: Workload, objects: Sequence[Mapping[str, Any]]) -> list[Candidate]:
    return sorted(_candidates(workload, objects, 0), key=lambda candidate: candidate.rank)


def _candidates(workload: Workload, objects: Sequence[Mapping[str, Any]], order: int) -> tuple[Candidate, ...]:
    own = [place for place in workload.places() if not place.injected]
    specs = {
        place.path: with_runtime(workload.kind.container(workload.obj, place), objects, workload.name) for place in own
    }
    return tuple(
        Candidate(
            workload=workload,
            place=place,
            spec=specs[place.path],
            found=recognise(
                with_config_maps(specs[place.path], objects), known_as=workload.kind.server(workload.obj, place)
            ),
            companion=companion(str(specs[place.path].get("image") or ""), place.name),
            targets=targets_in(
                specs[place.path],
                selecting(workload, place, objects),
                [spec for path, spec in specs.items() if path != place.path],
            ),
            order=order,
        )
        for place in own
    )


def _of_name(ranked: Sequence[Candidate], name: str, workload: str | None) -> list[Candidate]:
    having = [candidate for candidate in ranked if candidate.place.name == name]
    if not having:
        names = [candidate.place.name for candidate in ranked]
        there = f"; there: {listed(dict.fromkeys(names))}" if names else ""
        raise NoWorkload(f"no container is called {name!r}", nearest(name, names) + there)
    owners = list(dict.fromkeys(candidate.workload.spelled for candidate in having))
    if len(owners) > 1 and workload is None:
        raise NoWorkload(
            f"{len(owners)} workloads have a container {name!r}: {listed(owners)}",
            f"name one of them, too: --workload {owners[0]}",
        )
    return having


def listed(words: Iterable[str], most: int = _LISTED) -> str:
    """Separated by commas; of many the first and how many more."""
    found = list(words)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
