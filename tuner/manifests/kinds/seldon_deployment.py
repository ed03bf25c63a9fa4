"""SeldonDeployment (machinelearning.seldon.io/v1), Seldon Core 1.x.

Its operator turns each predictor into a Deployment and a Service, and adds the orchestrator as a container of its own,
unless the annotation ``seldon.io/no-engine`` is "true".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.manifests.kinds.model import Fault, Path, Place, Service, at, mapping, mappings, places

ENGINE = "seldon-container-engine"
"""The orchestrator's container, as the operator names it; its env and resources stand under svcOrchSpec."""

_PREDICTOR: Path = ("spec", "predictors", 0)


class SeldonDeployment:
    group = "machinelearning.seldon.io"
    kind = "SeldonDeployment"
    default_port: int | None = 9000

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
        return (*_PREDICTOR, "annotations")

    def faults(self, obj: Mapping[str, Any]) -> tuple[Fault, ...]:
        predictors = mappings(obj, ("spec", "predictors"))
        if len(predictors) == 1:
            return ()
        names = ", ".join(str(predictor.get("name")) for _, predictor in predictors)
        message = f"{len(predictors)} predictors ({names})" if predictors else "no predictor"
        return (Fault(path=("spec", "predictors"), message=message, fix="leave the one that is to be tuned"),)

    def autoscaler(self, obj: Mapping[str, Any]) -> Path | None:
        for index, component in mappings(obj, (*_PREDICTOR, "componentSpecs")):
            for name in ("hpaSpec", "kedaSpec"):
                if component.get(name):
                    return (*_PREDICTOR, "componentSpecs", index, name)
        return None

    def waiting(self, live: Mapping[str, Any]) -> str | None:
        status = mapping(live, ("status",))
        if status.get("observedGeneration", 0) < mapping(live, ("metadata",)).get("generation", 0):
            return "the operator has not seen the new specification yet"
        if status.get("state") == "Available":
            return None
        return ": ".join(str(status[part]) for part in ("state", "description") if status.get(part)) or "no status yet"

    def service(self, obj: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> Service | None:  # noqa: ARG002
        """The operator's: NAME-PREDICTOR on 8000, in front of the orchestrator or, without one, of the model."""
        name, predictor = at(obj, ("metadata", "name")), at(obj, (*_PREDICTOR, "name"))
        return Service(name=f"{name}-{predictor}", port=8000)

    def _has_engine(self, obj: Mapping[str, Any]) -> bool:
        annotations: tuple[Path, ...] = (
            ("metadata", "annotations"),
            ("spec", "annotations"),
            (*_PREDICTOR, "annotations"),
        )
        off = any(mapping(obj, path).get("seldon.io/no-engine") == "true" for path in annotations)
        return bool(at(obj, _PREDICTOR)) and not off
