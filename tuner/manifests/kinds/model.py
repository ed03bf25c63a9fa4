"""The seam of workload kinds: where the knobs of an object are, and how it serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from tuner.yaml.tree import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A container and where it stands in its object."""

    name: str
    path: Path
    injected: bool = False
    """Added by an operator: only its env and resources can be set here."""
    args: tuple[str, ...] = ()
    """Arguments that an operator gives it only as long as the manifest gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The cluster Service that spreads requests over the replicas."""

    name: str
    port: int
    grpc_port: int | None = None
    """Where it has one for gRPC besides, as an operator makes it; None: that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Something about an object that stands in the way of tuning it."""

    path: Path
    message: str
    fix: str


Role = Literal["model", "transformer", "router", "combiner"]


class WorkloadKind(Protocol):
    """All methods take the object as plain dicts and lists. Some kinds leave some of them as they are here."""

    group: str
    kind: str
    default_port: int | None
    """Port on which its container answers HTTP where it names none."""
    usual_protocol: str = "http"
    """Of a server that is not known."""

    def containers(self, obj: Mapping[str, Any]) -> tuple[Place, ...]:
        """In the object's order."""
        ...

    def components(self, obj: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG002 - the seam's signature
        """Names of the parts of which one is tuned at a time, since each has pods and a Service of its own; the others
        are deployed beside it as they stand. Empty: there is only the whole."""
        return ()

    def of(self, component: str) -> WorkloadKind:  # noqa: ARG002
        """This kind, with all it says of an object said of that component."""
        return self

    def usual_component(self, obj: Mapping[str, Any]) -> str | None:
        """The one that answers most of the requests."""
        return next(iter(self.components(obj)), None)

    def container(self, obj: Mapping[str, Any], place: Place) -> Mapping[str, Any]:
        """The container as it will run, as far as that is known: where the manifest says nothing, what its operator
        puts there. Its image tells the server, not the version."""
        return mapping(obj, place.path)

    def server(self, obj: Mapping[str, Any], place: Place) -> str | None:  # noqa: ARG002
        """What an operator is told to start there, in the operator's own words; None: the container says it."""
        return None

    def role(self, obj: Mapping[str, Any], place: Place) -> Role | None:  # noqa: ARG002
        """What a container does to a request on its way; None: the kind does not say."""
        return None

    def protocol(self, obj: Mapping[str, Any], place: Place) -> str | None:  # noqa: ARG002
        """The protocol of requests that the object itself asks for, as a search space spells it."""
        return None

    def model_name(self, obj: Mapping[str, Any], place: Place) -> str | None:  # noqa: ARG002
        """What its operator calls the model of a container."""
        return None

    def path(self, obj: Mapping[str, Any], place: Place) -> str | None:  # noqa: ARG002
        """Where requests go to, as the object itself says; None: it does not, or at the protocol's usual path."""
        return None

    def replicas(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:
        """Every place that holds the number of replicas; the first is read, all are written. It may be absent (1).
        Empty: there is one, and no number to choose."""
        ...

    def beside(self, obj: Mapping[str, Any]) -> tuple[Place, ...]:  # noqa: ARG002
        """Containers of the further pods that belong to each replica and answer no requests; one entry a container."""
        return ()

    def pod_annotations(self, obj: Mapping[str, Any], container: Path) -> Path:
        """Where the annotations of the pod with that container are."""
        ...

    def annotations(self, obj: Mapping[str, Any], key: str) -> Path:  # noqa: ARG002 - the seam's signature
        """Where an annotation of the object has to be for whoever reads that key."""
        return ("metadata", "annotations", key)

    def obstacles(self, obj: Mapping[str, Any]) -> tuple[Obstacle, ...]: ...

    def remarks(self, obj: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        """Sentences on what a trial of the object does otherwise than its clients see it."""
        return ()

    def autoscaler(self, obj: Mapping[str, Any]) -> Path | None:  # noqa: ARG002
        """Where the object itself asks for its replicas to be scaled."""
        return None

    def waiting(self, live: Mapping[str, Any]) -> str | None:
        """Why an object read from the cluster is not ready yet, in words; None when it is."""
        ...

    def failed(self, live: Mapping[str, Any]) -> str | None:  # noqa: ARG002
        """Why its operator has given up on an object read from the cluster, in its words; None: it has not."""
        return None

    def service(self, obj: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> Service | None:
        """The Service in front of it, made by an operator or found among the manifest's `objects`."""
        ...

    def selector(self, obj: Mapping[str, Any]) -> str | None:  # noqa: ARG002
        """The label selector of the pods that an operator makes; None: they carry a pod template's labels."""
        return None

    # what a trial's pods are told from others by: these four are right where there is a pod template around `containers`

    def pod_labels(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:
        """Where its pods can be given labels; they may be absent there."""
        beside = (self.pod_annotations(obj, place.path) for place in self.containers(obj) if not place.injected)
        return tuple(dict.fromkeys((*path[:-1], "labels") for path in beside))

    def more_labels(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002
        """Where its pods get labels from besides, if there are any: nothing may be added there."""
        return ()

    def pod_selectors(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002
        """Its own selectors of its pods, with matchLabels or plain labels, which must select what `pod_labels` says."""
        return (("spec", "selector"),)

    def pod_specs(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:
        """Where affinity and topologySpreadConstraints of its pods are."""
        paths = (place.path for place in self.containers(obj) if not place.injected)
        return tuple(dict.fromkeys(path[: -2 if isinstance(path[-1], int) else -1] for path in paths))


def at(value: Any, path: Path) -> Any:
    """The value at `path`, or None."""
    for step in path:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def mapping(value: Any, path: Path) -> Mapping[str, Any]:
    """The mapping at `path`; empty where there is none."""
    found = at(value, path)
    return found if isinstance(found, Mapping) else {}


def mappings(value: Any, path: Path) -> tuple[tuple[int, Mapping[str, Any]], ...]:
    """The mappings of the list at `path`, with their indices."""
    found = at(value, path)
    return (
        tuple((i, item) for i, item in enumerate(found) if isinstance(item, Mapping)) if isinstance(found, list) else ()
    )


def places(obj: Mapping[str, Any], path: Path) -> tuple[Place, ...]:
    """The containers of the list at `path`."""
    return tuple(
        Place(name=str(container.get("name", "")), path=(*path, index)) for index, container in mappings(obj, path)
    )


def count(kind: WorkloadKind, obj: Mapping[str, Any]) -> int | None:
    """The number of replicas that an object asks for; None: it says nothing, or no number."""
    for path in kind.replicas(obj)[:1]:
        found = at(obj, path)
        if isinstance(found, str) and found.isdecimal():  # where it is an annotation
            return int(found)
        if isinstance(found, int) and not isinstance(found, bool):
            return found
    return None


def unseen(live: Mapping[str, Any]) -> str | None:
    """That the operator has not seen the specification as it is now, in words; None: it has, or never says."""
    seen = at(live, ("status", "observedGeneration"))
    if isinstance(seen, int) and seen < mapping(live, ("metadata",)).get("generation", 0):
        return "the operator has not seen the new specification yet"
    return None


def condition(live: Mapping[str, Any], name: str) -> str | None:
    """Why the status condition `name` is not True, in words; None when it is."""
    for _, found in mappings(live, ("status", "conditions")):
        if found.get("type") == name:
            if found.get("status") == "True":
                return None
            reason = ": ".join(str(found[part]) for part in ("reason", "message") if found.get(part))
            return reason or f"condition {name} is {found.get('status')}"
    return f"no condition {name} yet"
