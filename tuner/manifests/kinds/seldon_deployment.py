"""SeldonDeployment (machinelearning.seldon.io/v1), Seldon Core 1.x.

Its operator turns each predictor into a Deployment and a Service, and adds the orchestrator as a container of its own,
unless the predictor's annotation ``seldon.io/no-engine`` is "true". Requests go the way that clients' requests go:
through the orchestrator where there is one, straight to the model without. What is said here of the operator was read
in the source of Seldon Core 1.17.1 (operator/controllers, operator/apis) and seen when it ran.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.manifests.kinds.model import Obstacle, Place, Service, WorkloadKind, at, mapping, mappings, places, unseen
from tuner.yaml.tree import Path

ENGINE = "seldon-container-engine"
"""The orchestrator's container, as the operator names it; its env and resources stand under svcOrchSpec."""

_PREDICTOR: Path = ("spec", "predictors", 0)
_ANNOTATIONS: Path = (*_PREDICTOR, "annotations")
_NO_ENGINE, _SERVICE_NAME = "seldon.io/no-engine", "seldon.io/svc-name"
_SEPARATE_ENGINE = "seldon.io/engine-separate-pod"
_ENGINE_PORT, _ENGINE_GRPC_PORT = 8000, 5001
_LONGEST_NAME = 63


class SeldonDeploymentKind(WorkloadKind):
    group = "machinelearning.seldon.io"
    kind = "SeldonDeployment"
    default_port = 9000

    def containers(self, obj: Mapping[str, Any]) -> tuple[Place, ...]:
        specs: Path = (*_PREDICTOR, "componentSpecs")
        found = [
            place for index, _ in mappings(obj, specs) for place in places(obj, (*specs, index, "spec", "containers"))
        ]
        if self._has_engine(obj):
            found.append(Place(name=ENGINE, path=(*_PREDICTOR, "svcOrchSpec"), injected=True))
        return tuple(found)

    def replicas(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:
        """A component's own number goes before the predictor's, and that before the whole deployment's."""
        components = mappings(obj, (*_PREDICTOR, "componentSpecs"))
        own: tuple[Path, ...] = tuple(
            (*_PREDICTOR, "componentSpecs", index, "replicas")
            for index, component in components
            if "replicas" in component
        )
        predictor: Path = (*_PREDICTOR, "replicas")
        if own:
            return own if len(own) == len(components) else (*own, predictor)
        whole: Path = ("spec", "replicas")
        return (whole,) if at(obj, predictor) is None and at(obj, whole) is not None else (predictor,)

    def pod_annotations(self, obj: Mapping[str, Any], container: Path) -> Path:  # noqa: ARG002 - the seam's signature
        if container[3:4] == ("componentSpecs",):
            return (*container[:5], "metadata", "annotations")
        return _ANNOTATIONS

    def annotations(self, obj: Mapping[str, Any], key: str) -> Path:  # noqa: ARG002
        """Two switches are the predictor's; all others are read from the specification's own annotations."""
        if key in (_NO_ENGINE, _SERVICE_NAME):
            return (*_ANNOTATIONS, key)
        return ("spec", "annotations", key) if key.startswith("seldon.io/") else ("metadata", "annotations", key)

    def obstacles(self, obj: Mapping[str, Any]) -> tuple[Obstacle, ...]:
        return tuple(self._obstacles(obj))

    def autoscaler(self, obj: Mapping[str, Any]) -> Path | None:
        for index, component in mappings(obj, (*_PREDICTOR, "componentSpecs")):
            for name in ("hpaSpec", "kedaSpec"):
                if component.get(name):
                    return (*_PREDICTOR, "componentSpecs", index, name)
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
        """The predictor's: on 8000 and 5001 in front of the orchestrator or, without one, on the model's own ports."""
        name = f"{at(obj, ('metadata', 'name'))}-{at(obj, (*_PREDICTOR, 'name'))}"
        if len(name) > _LONGEST_NAME:
            name = f"seldon-{hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()}"
        if self._has_engine(obj):
            return Service(name=name, port=_ENGINE_PORT, grpc_port=_ENGINE_GRPC_PORT)
        return Service(name=name, port=self._model_port(obj), grpc_port=self._model_port(obj, "grpc", 9500))

    def selector(self, obj: Mapping[str, Any]) -> str | None:
        return f"seldon-deployment-id={at(obj, ('metadata', 'name'))}"

    def more_labels(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002
        """The model is told the predictor's labels in a variable, and without any those of the operator."""
        return ((*_PREDICTOR, "labels"),)

    def pod_selectors(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002
        return ()

    def _obstacles(self, obj: Mapping[str, Any]) -> Iterator[Obstacle]:
        predictors = mappings(obj, ("spec", "predictors"))
        if len(predictors) != 1:
            names = ", ".join(str(predictor.get("name")) for _, predictor in predictors)
            message = f"{len(predictors)} predictors ({names})" if predictors else "no predictor"
            yield Obstacle(path=("spec", "predictors"), message=message, fix="leave the one that is to be tuned")
            return
        if len(mappings(obj, (*_PREDICTOR, "componentSpecs"))) > 1:
            yield Obstacle(
                path=(*_PREDICTOR, "componentSpecs"),
                message="several componentSpecs: each becomes a Deployment with pods of its own",
                fix="put the containers into one componentSpec, or tune one component at a time",
            )
        if mapping(obj, (*_PREDICTOR, "explainer")):
            yield Obstacle(
                path=(*_PREDICTOR, "explainer"),
                message="an explainer becomes a Deployment with pods of its own",
                fix="leave it out while the model is tuned",
            )
        if mapping(obj, _ANNOTATIONS).get(_SERVICE_NAME):
            yield Obstacle(
                path=(*_ANNOTATIONS, _SERVICE_NAME),
                message=f"{_SERVICE_NAME} gives the Service of every trial one name, perhaps that of a Service in use",
                fix="leave it out here, and add it to the exported manifest",
            )
        if _is_on(mapping(obj, ("spec", "annotations")).get(_SEPARATE_ENGINE)):
            yield Obstacle(
                path=("spec", "annotations", _SEPARATE_ENGINE),
                message=f"{_SEPARATE_ENGINE} puts the orchestrator into pods of its own",
                fix="leave it out: the orchestrator then stands beside the model",
            )
        for path in (("metadata", "annotations"), ("spec", "annotations")):
            if _NO_ENGINE in mapping(obj, path):
                yield Obstacle(
                    path=(*path, _NO_ENGINE),
                    message=f"the operator does not read {_NO_ENGINE} here, so there would be an orchestrator",
                    fix="move it to spec.predictors[0].annotations",
                )

    def _has_engine(self, obj: Mapping[str, Any]) -> bool:
        return bool(at(obj, _PREDICTOR)) and not _is_on(mapping(obj, _ANNOTATIONS).get(_NO_ENGINE))

    def _model_port(self, obj: Mapping[str, Any], name: str = "http", first: int = 9000) -> int:
        """The operator takes the port of that name, else `first` for the first container and one more for each
        further.
        """
        unit = at(obj, (*_PREDICTOR, "graph", "name"))
        containers = [place for place in self.containers(obj) if not place.injected]
        for index, place in enumerate(containers):
            if place.name == unit:
                named = [
                    p.get("containerPort")
                    for _, p in mappings(at(obj, place.path), ("ports",))
                    if p.get("name") == name
                ]
                return next((port for port in named if isinstance(port, int)), first + index)
        return first


def _is_on(switch: Any) -> bool:
    return str(switch).lower() == "true"
