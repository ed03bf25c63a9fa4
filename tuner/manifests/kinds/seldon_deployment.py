"""SeldonDeployment (machinelearning.seldon.io/v1), Seldon Core 1.x.

Its operator turns each predictor into a Service, each of the predictor's componentSpecs into a Deployment, and adds the
orchestrator as a container of its own to the first of these, unless the predictor's annotation ``seldon.io/no-engine``
is "true". Requests go the way that clients' requests go: through the orchestrator where there is one, straight to the
model without. What is said here of the operator was read in the source of Seldon Core 1.17.1 and 1.19
(operator/controllers, operator/apis) and seen when it ran.

One predictor, and of several componentSpecs one of them, is tuned at a time (a *component*): the rest is deployed
beside it. A componentSpec goes by the name of its first container, and the load goes straight to that container's own
Service where the orchestrator stands in other pods.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.manifests.kinds import seldon_servers
from tuner.manifests.kinds.model import (
    Obstacle,
    Place,
    Role,
    Service,
    WorkloadKind,
    at,
    mapping,
    mappings,
    places,
    unseen,
)
from tuner.yaml.tree import Path

ENGINE = "seldon-container-engine"
"""The orchestrator's container, as the operator names it; its env and resources stand under svcOrchSpec."""

_NO_ENGINE, _SERVICE_NAME = "seldon.io/no-engine", "seldon.io/svc-name"
_SEPARATE_ENGINE = "seldon.io/engine-separate-pod"
_ENGINE_PORT, _ENGINE_GRPC_PORT = 8000, 5001
_FIRST_HTTP_PORT, _FIRST_GRPC_PORT = 9000, 9500
_LONGEST_NAME = 63
_ROLES: Mapping[str, Role] = {
    "MODEL": "model",
    "TRANSFORMER": "transformer",
    "OUTPUT_TRANSFORMER": "transformer",
    "ROUTER": "router",
    "COMBINER": "combiner",
}
_DEEPEST = 50
"""Nodes of a graph below each other that are looked at."""


class SeldonDeploymentKind(WorkloadKind):
    group = "machinelearning.seldon.io"
    kind = "SeldonDeployment"
    default_port = 9000

    def __init__(self, component: str | None = None) -> None:
        self._component = component

    def components(self, obj: Mapping[str, Any]) -> tuple[str, ...]:
        """``PREDICTOR``, or ``PREDICTOR/CONTAINER`` where it has several componentSpecs."""
        found = tuple(_components(obj))
        return found if len(found) > 1 else ()

    def of(self, component: str) -> WorkloadKind:
        return SeldonDeploymentKind(component)

    def usual_component(self, obj: Mapping[str, Any]) -> str | None:
        """Of the predictors the one with most traffic, not one that only shadows; of its parts the model's."""
        ranked = []
        for order, component in enumerate(self.components(obj)):
            kind = SeldonDeploymentKind(component)
            predictor = at(obj, kind._predictor(obj))
            traffic = at(predictor, ("traffic",))
            models = any(kind.role(obj, place) == "model" for place in kind.containers(obj))
            share = traffic if isinstance(traffic, int) else 0
            ranked.append((bool(at(predictor, ("shadow",))), -share, not models, order, component))
        return min(ranked)[-1] if ranked else None

    def containers(self, obj: Mapping[str, Any]) -> tuple[Place, ...]:
        specs: Path = (*self._predictor(obj), "componentSpecs")
        chosen = self._spec(obj)
        found: list[Place] = []
        for index, _ in mappings(obj, specs):
            if chosen is None or chosen == index:
                path: Path = (*specs, index, "spec", "containers")
                found += [self._with_args(obj, place) for place in places(obj, path)]
        if not chosen:
            found += self._made_by_the_operator(obj)
            if self._has_engine(obj) and not _engine_apart(obj):
                path = (*self._predictor(obj), "svcOrchSpec")
                found.append(Place(name=ENGINE, path=path, injected=True))
        return tuple(found)

    def container(self, obj: Mapping[str, Any], place: Place) -> Mapping[str, Any]:
        """With the image, the arguments, variables and ports that the operator fills in."""
        there: dict[str, Any] = dict(mapping(obj, place.path))
        if place.injected:
            return there
        http, _ = self._ports(obj, place.name)
        there.setdefault("name", place.name)
        if self._node(obj, place.name) is None:
            return there
        implementation = self._implementation(obj, place.name)
        spoken = self._spoken(obj, implementation)
        made_of = seldon_servers.image(implementation, spoken)
        # one's own build of a prepackaged server is that server, however its image is called
        image = str(
            (made_of if implementation in seldon_servers.IMPLEMENTATIONS else None)
            or there.get("image")
            or made_of
            or ""
        )
        own = there["env"] if isinstance(there.get("env"), list) else []
        made = seldon_servers.variables(spoken, image, place.name, http=http)
        ports = there["ports"] if isinstance(there.get("ports"), list) else []
        if not any(port.get("name") == "http" for _, port in mappings(there, ("ports",))):
            ports = [*ports, {"name": "http", "containerPort": http}]
        there |= {"image": image, "env": [*made, *own], "ports": ports}
        if place.args and not there.get("args"):
            there["args"] = list(place.args)
        return there

    def server(self, obj: Mapping[str, Any], place: Place) -> str | None:
        """The graph node's implementation; of TensorFlow Serving behind Seldon's protocol it is a proxy of Seldon's."""
        implementation = self._implementation(obj, place.name)
        proxied = implementation == "TENSORFLOW_SERVER" and self._spoken(obj, implementation) == "seldon"
        return None if proxied or not implementation else implementation

    def role(self, obj: Mapping[str, Any], place: Place) -> Role | None:
        """As the graph has it. A node that says nothing of itself is a model; so is a prepackaged server."""
        node = self._node(obj, place.name)
        if node is None:
            return None
        if self._implementation(obj, place.name):
            return "model"
        kind = node.get("type")
        if kind is None or kind == "UNKNOWN_TYPE":
            methods = node.get("methods")
            said = methods if isinstance(methods, list) else []
            for method, role in (("TRANSFORM_INPUT", "transformer"), ("ROUTE", "router"), ("AGGREGATE", "combiner")):
                if method in said:
                    return _ROLES[role.upper()]
            return "model"
        return _ROLES.get(str(kind))

    def protocol(self, obj: Mapping[str, Any], place: Place) -> str | None:
        spoken = self._spoken(obj, self._implementation(obj, place.name))
        endpoint = str(at(self._node(obj, place.name), ("endpoint", "type")) or "")
        calls = endpoint.upper() == "GRPC" or str(at(obj, ("spec", "transport"))).lower() == "grpc"
        return f"{spoken}-grpc" if calls and spoken in ("seldon", "v2") else spoken

    def model_name(self, obj: Mapping[str, Any], place: Place) -> str | None:
        """A prepackaged server is told the graph node's name; the orchestrator's paths begin with it, too."""
        return place.name if self._node(obj, place.name) is not None else None

    def replicas(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:
        """A component's own number goes before the predictor's, and that before the whole deployment's."""
        predictor: Path = (*self._predictor(obj), "replicas")
        components = mappings(obj, (*self._predictor(obj), "componentSpecs"))
        chosen = self._spec(obj)
        if chosen is not None and len(components) > 1:
            return ((*self._predictor(obj), "componentSpecs", chosen, "replicas"),)
        own: tuple[Path, ...] = tuple(
            (*self._predictor(obj), "componentSpecs", index, "replicas")
            for index, component in components
            if "replicas" in component
        )
        if own:
            return own if len(own) == len(components) else (*own, predictor)
        whole: Path = ("spec", "replicas")
        return (whole,) if at(obj, predictor) is None and at(obj, whole) is not None else (predictor,)

    def pod_annotations(self, obj: Mapping[str, Any], container: Path) -> Path:
        if container[3:4] == ("componentSpecs",):
            return (*container[:5], "metadata", "annotations")
        return (*self._predictor(obj), "annotations")

    def annotations(self, obj: Mapping[str, Any], key: str) -> Path:
        """Two switches are the predictor's; all others are read from the specification's own annotations."""
        if key in (_NO_ENGINE, _SERVICE_NAME):
            return (*self._predictor(obj), "annotations", key)
        return ("spec", "annotations", key) if key.startswith("seldon.io/") else ("metadata", "annotations", key)

    def obstacles(self, obj: Mapping[str, Any]) -> tuple[Obstacle, ...]:
        return tuple(self._obstacles(obj))

    def remarks(self, obj: Mapping[str, Any]) -> tuple[str, ...]:
        said = []
        served = self._served(obj)
        if self._is_direct(obj) and served is not None:
            said.append(f"the load goes straight to container {served}: the orchestrator stands in other pods")
        elif self._spec(obj) is not None:
            said.append("the graph's other pods are deployed as they stand, and answer as the orchestrator asks them")
        if len(mappings(obj, ("spec", "predictors"))) > 1:
            said.append("the other predictors are deployed as they stand, and asked nothing")
        if mapping(obj, (*self._predictor(obj), "explainer")):
            said.append("the explainer is deployed as it stands, and asked nothing")
        return tuple(said)

    def autoscaler(self, obj: Mapping[str, Any]) -> Path | None:
        chosen = self._spec(obj)
        for index, component in mappings(obj, (*self._predictor(obj), "componentSpecs")):
            for name in ("hpaSpec", "kedaSpec"):
                if component.get(name) and chosen in (None, index):
                    return (*self._predictor(obj), "componentSpecs", index, name)
        return None

    def waiting(self, live: Mapping[str, Any]) -> str | None:
        """The operator of 1.x never says which generation its status is of."""
        status = mapping(live, ("status",))
        if (not_seen := unseen(live)) is not None:
            return not_seen
        if status.get("state") == "Available":
            return None
        return ": ".join(str(status[part]) for part in ("state", "description") if status.get(part)) or "no status yet"

    def failed(self, live: Mapping[str, Any]) -> str | None:
        status = mapping(live, ("status",))
        return str(status.get("description") or "it says no more") if status.get("state") == "Failed" else None

    def service(self, obj: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> Service | None:  # noqa: ARG002
        """The predictor's: on 8000 and 5001 in front of the orchestrator or, without one, on the model's own ports; that
        of the chosen container where the orchestrator is in other pods."""
        served = self._served(obj)
        if self._is_direct(obj) and served is not None:
            http, grpc = self._ports(obj, served)
            return Service(name=self._own_service(obj, served), port=http, grpc_port=grpc)
        if self._has_engine(obj):
            http, grpc = _ENGINE_PORT, _ENGINE_GRPC_PORT
        else:
            http, grpc = self._ports(obj, str(at(obj, (*self._predictor(obj), "graph", "name"))))
        return Service(name=self._predictor_service(obj), port=http, grpc_port=grpc)

    def selector(self, obj: Mapping[str, Any]) -> str | None:
        """Of all its pods or, where they are not all of one Deployment, of those behind the Service."""
        whole = f"seldon-deployment-id={at(obj, ('metadata', 'name'))}"
        served = self._served(obj)
        if self._is_direct(obj) and served is not None:
            return f"{whole},seldon-app-svc-{served}={self._own_service(obj, served)}"
        explained = bool(mapping(obj, (*self._predictor(obj), "explainer")))
        if self._component is not None or explained:
            return f"{whole},seldon-app={self._predictor_service(obj)}"
        return whole

    def pod_labels(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:
        """Of every componentSpec, whichever is tuned. Pods that the operator makes without one are found by theirs."""
        return tuple((*spec, "metadata", "labels") for spec in self._all_specs(obj))

    def more_labels(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:
        """The model is told the predictor's labels in a variable, and without any those of the operator."""
        return tuple(("spec", "predictors", index, "labels") for index, _ in mappings(obj, ("spec", "predictors")))

    def pod_selectors(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002
        return ()

    def pod_specs(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:
        return tuple((*spec, "spec") for spec in self._all_specs(obj))

    def _all_specs(self, obj: Mapping[str, Any]) -> Iterator[Path]:
        for index, predictor in mappings(obj, ("spec", "predictors")):
            for spec, _ in mappings(predictor, ("componentSpecs",)):
                yield ("spec", "predictors", index, "componentSpecs", spec)

    # the component

    def _predictor(self, obj: Mapping[str, Any]) -> Path:
        wanted = (self._component or "").partition("/")[0]
        for index, predictor in mappings(obj, ("spec", "predictors")):
            if self._component is not None and str(predictor.get("name")) == wanted:
                return ("spec", "predictors", index)
        return ("spec", "predictors", 0)

    def _spec(self, obj: Mapping[str, Any]) -> int | None:
        """Index of the componentSpec that was chosen; None: all there are."""
        wanted = (self._component or "").partition("/")[2]
        for index, _ in mappings(obj, (*self._predictor(obj), "componentSpecs")):
            if wanted and _first_container(obj, self._predictor(obj), index) == wanted:
                return index
        return None

    def _is_direct(self, obj: Mapping[str, Any]) -> bool:
        """The orchestrator stands in other pods, so that the load goes past it."""
        return bool(self._spec(obj)) or (_engine_apart(obj) and self._has_engine(obj))

    def _served(self, obj: Mapping[str, Any]) -> str | None:
        """The first container of the component that the graph knows: only those have Services."""
        own = [place for place in self.containers(obj) if not place.injected]
        ranked = sorted(own, key=lambda place: self.role(obj, place) != "model")
        return next((place.name for place in ranked if self._node(obj, place.name) is not None), None)

    # the graph

    def _nodes(self, obj: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        return tuple(_below(mapping(obj, (*self._predictor(obj), "graph"))))

    def _node(self, obj: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
        return next((node for node in self._nodes(obj) if str(node.get("name")) == name), None)

    def _implementation(self, obj: Mapping[str, Any], name: str) -> str:
        """Of a prepackaged server; empty: the node of that name is none, or there is no such node."""
        implementation = str((self._node(obj, name) or {}).get("implementation") or "")
        return "" if implementation in seldon_servers.NO_SERVERS else implementation

    def _made_by_the_operator(self, obj: Mapping[str, Any]) -> Iterator[Place]:
        """Prepackaged servers without a container of their own, which it adds to the first componentSpec."""
        specs: Path = (*self._predictor(obj), "componentSpecs")
        given = [
            place.name
            for index, _ in mappings(obj, specs)
            for place in places(obj, (*specs, index, "spec", "containers"))
        ]
        first: Path = (*specs, 0, "spec", "containers")
        listed = at(obj, first)
        next_one = len(listed) if isinstance(listed, list) else 0
        for node in self._nodes(obj):
            name = str(node.get("name"))
            if name not in given and self._implementation(obj, name):
                given.append(name)
                yield self._with_args(obj, Place(name=name, path=(*first, next_one)))
                next_one += 1

    def _with_args(self, obj: Mapping[str, Any], place: Place) -> Place:
        implementation = self._implementation(obj, place.name)
        if not implementation:
            return place
        http, grpc = self._ports(obj, place.name)
        spoken = self._spoken(obj, implementation)
        args = seldon_servers.arguments(implementation, spoken, place.name, http=http, grpc=grpc)
        return Place(name=place.name, path=place.path, args=args)

    def _spoken(self, obj: Mapping[str, Any], implementation: str) -> str:
        asked = seldon_servers.PROTOCOLS.get(str(at(obj, ("spec", "protocol"))), "seldon")
        return seldon_servers.protocol(implementation, asked)

    # ports and Services

    def _ports(self, obj: Mapping[str, Any], name: str) -> tuple[int, int]:
        """HTTP and gRPC: those that the container names so; else the operator counts, over all predictors, each name
        once."""
        order: dict[str, int] = {}
        declared: dict[str, int] = {}
        for index, predictor in mappings(obj, ("spec", "predictors")):
            for spec, _ in mappings(predictor, ("componentSpecs",)):
                for _, container in mappings(predictor, ("componentSpecs", spec, "spec", "containers")):
                    order.setdefault(str(container.get("name")), len(order))
                    if ("spec", "predictors", index) == self._predictor(obj) and container.get("name") == name:
                        ports = [port for _, port in mappings(container, ("ports",))]
                        declared = {
                            str(port.get("name")): port["containerPort"]
                            for port in ports
                            if isinstance(port.get("containerPort"), int)
                        }
            for node in _below(mapping(predictor, ("graph",))):
                if str(node.get("implementation") or "") not in seldon_servers.NO_SERVERS:
                    order.setdefault(str(node.get("name")), len(order))
        place = order.get(name, 0)
        return declared.get("http", _FIRST_HTTP_PORT + place), declared.get("grpc", _FIRST_GRPC_PORT + place)

    def _predictor_service(self, obj: Mapping[str, Any]) -> str:
        return _named(f"{at(obj, ('metadata', 'name'))}-{at(obj, (*self._predictor(obj), 'name'))}")

    def _own_service(self, obj: Mapping[str, Any], container: str) -> str:
        return _named(f"{at(obj, ('metadata', 'name'))}-{at(obj, (*self._predictor(obj), 'name'))}-{container}")

    def _has_engine(self, obj: Mapping[str, Any]) -> bool:
        notes = mapping(obj, (*self._predictor(obj), "annotations"))
        return bool(at(obj, self._predictor(obj))) and not _is_on(notes.get(_NO_ENGINE))

    # what stands in the way

    def _obstacles(self, obj: Mapping[str, Any]) -> Iterator[Obstacle]:
        predictors = mappings(obj, ("spec", "predictors"))
        if not predictors:
            yield Obstacle(path=("spec", "predictors"), message="no predictor", fix="add the one that is to be tuned")
            return
        yield from self._unchosen(obj)
        notes: Path = (*self._predictor(obj), "annotations")
        for index, predictor in predictors:
            if mapping(predictor, ("annotations",)).get(_SERVICE_NAME):
                yield Obstacle(
                    path=("spec", "predictors", index, "annotations", _SERVICE_NAME),
                    message=f"{_SERVICE_NAME} gives the Service of every trial one name, perhaps that of one in use",
                    fix="leave it out here, and add it to the exported manifest",
                )
        for path in (("metadata", "annotations"), ("spec", "annotations")):
            if _NO_ENGINE in mapping(obj, path):
                yield Obstacle(
                    path=(*path, _NO_ENGINE),
                    message=f"the operator does not read {_NO_ENGINE} here, so there would be an orchestrator",
                    fix=f"move it to {'.'.join(map(str, notes))}",
                )

    def _unchosen(self, obj: Mapping[str, Any]) -> Iterator[Obstacle]:
        components = self.components(obj)
        if not components or self._component in components:
            return
        predictors = mappings(obj, ("spec", "predictors"))
        path: Path = ("spec", "predictors")
        message = f"{len(predictors)} predictors, each with pods and a Service of its own"
        if len(predictors) == 1:
            path = (*self._predictor(obj), "componentSpecs")
            message = "several componentSpecs: each becomes a Deployment with pods of its own"
        name = f"{self.kind}/{at(obj, ('metadata', 'name'))}"
        fix = " or ".join(f"object: {name}/{component}" for component in components[:8])
        yield Obstacle(path=path, message=message, fix=f"choose one in the search space: {fix}")


def _components(obj: Mapping[str, Any]) -> Iterator[str]:
    for index, predictor in mappings(obj, ("spec", "predictors")):
        name = str(predictor.get("name"))
        specs = [
            first
            for spec, _ in mappings(predictor, ("componentSpecs",))
            if (first := _first_container(obj, ("spec", "predictors", index), spec))
        ]
        if len(specs) > 1:
            yield from (f"{name}/{first}" for first in dict.fromkeys(specs))
        else:
            yield name


def _first_container(obj: Mapping[str, Any], predictor: Path, spec: int) -> str | None:
    found = places(obj, (*predictor, "componentSpecs", spec, "spec", "containers"))
    return found[0].name if found else None


def _below(node: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The node and all below it, from the outside in."""
    if node and depth < _DEEPEST:
        yield node
        for _, child in mappings(node, ("children",)):
            yield from _below(child, depth + 1)


def _named(name: str) -> str:
    if len(name) <= _LONGEST_NAME:
        return name
    return f"seldon-{hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()}"


def _engine_apart(obj: Mapping[str, Any]) -> bool:
    return _is_on(mapping(obj, ("spec", "annotations")).get(_SEPARATE_ENGINE))


def _is_on(switch: Any) -> bool:
    return str(switch).lower() == "true"
