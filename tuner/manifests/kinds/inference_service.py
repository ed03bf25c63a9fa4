"""InferenceService (serving.kserve.io/v1beta1), KServe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.manifests.kinds.model import Obstacle, Place, Service, WorkloadKind, at, condition, mapping, places
from tuner.yaml.tree import Path

_PREDICTOR: Path = ("spec", "predictor")
_CONTAINER = "kserve-container"
_FRAMEWORKS = (
    *("sklearn", "xgboost", "lightgbm", "pytorch", "tensorflow", "triton", "onnx", "pmml"),
    *("paddle", "huggingface"),
)
"""The older spelling of `model`, still served: one key for each framework, the same fields below."""


class InferenceServiceKind(WorkloadKind):
    group = "serving.kserve.io"
    kind = "InferenceService"
    default_port = 8080

    def containers(self, obj: Mapping[str, Any]) -> tuple[Place, ...]:
        """`model` becomes the container that KServe calls kserve-container."""
        models = tuple(
            Place(name=str(spec.get("name") or _CONTAINER), path=(*_PREDICTOR, key))
            for key in ("model", *_FRAMEWORKS)
            if isinstance(spec := at(obj, (*_PREDICTOR, key)), Mapping)
        )
        return models + places(obj, (*_PREDICTOR, "containers"))

    def replicas(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:
        """minReplicas; and maxReplicas where it is set, since it may not be the smaller."""
        least: Path = (*_PREDICTOR, "minReplicas")
        most: Path = (*_PREDICTOR, "maxReplicas")
        return (least, most) if at(obj, most) else (least,)

    def pod_annotations(self, obj: Mapping[str, Any], container: Path) -> Path:  # noqa: ARG002 - the seam's signature
        return (*_PREDICTOR, "annotations")

    def obstacles(self, obj: Mapping[str, Any]) -> tuple[Obstacle, ...]:
        fix = "leave the predictor alone, or tune the transformer as a Deployment of its own"
        return tuple(
            Obstacle(path=("spec", part), message=f"a {part} stands before the predictor", fix=fix)
            for part in ("transformer", "explainer")
            if mapping(obj, ("spec", part))
        )

    def autoscaler(self, obj: Mapping[str, Any]) -> Path | None:
        least, most = at(obj, (*_PREDICTOR, "minReplicas")), at(obj, (*_PREDICTOR, "maxReplicas"))
        if most and most != (1 if least is None else least):
            return (*_PREDICTOR, "maxReplicas")
        return None

    def waiting(self, live: Mapping[str, Any]) -> str | None:
        """In its standard mode, KServe's observedGeneration is its Deployment's, and compares with nothing."""
        return condition(live, "Ready")

    def failed(self, live: Mapping[str, Any]) -> str | None:
        """A model that cannot be loaded, or a specification that no runtime takes."""
        model = mapping(live, ("status", "modelStatus"))
        if model.get("transitionStatus") not in ("InvalidSpec", "BlockedByFailedLoad"):
            return None
        why = mapping(model, ("lastFailureInfo",))
        reason = ": ".join(str(why[part]) for part in ("reason", "message") if why.get(part))
        return reason or str(model["transitionStatus"])

    def service(self, obj: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> Service | None:  # noqa: ARG002
        return Service(name=f"{at(obj, ('metadata', 'name'))}-predictor", port=80)

    def selector(self, obj: Mapping[str, Any]) -> str | None:
        return f"serving.kserve.io/inferenceservice={at(obj, ('metadata', 'name'))}"

    def more_labels(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002
        return (("metadata", "labels"),)

    def pod_selectors(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002
        return ()

    def pod_specs(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002
        """The predictor is a pod's specification and more."""
        return (_PREDICTOR,)
