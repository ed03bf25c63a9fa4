"""InferenceService (serving.kserve.io/v1beta1), KServe.

Its predictor, and the transformer that may stand before it, each have pods and a Service of their own: one of them is
tuned at a time, and the load goes straight to it. The transformer's requests go on to the predictor; an explainer is
deployed and left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.manifests.kinds import kserve_runtimes
from tuner.manifests.kinds.model import (
    Obstacle,
    Place,
    Role,
    Service,
    WorkloadKind,
    at,
    condition,
    mapping,
    mappings,
    places,
)
from tuner.yaml.tree import Path

_CONTAINER = "kserve-container"
_FRAMEWORKS = (
    *("sklearn", "xgboost", "lightgbm", "pytorch", "tensorflow", "triton", "onnx", "pmml"),
    *("paddle", "huggingface"),
)
"""The older spelling of `model`, still served: one key for each framework, the same fields below."""
_ASKED_FOR_V2 = ("triton", "onnx", "huggingface")
"""Frameworks whose older spelling means protocol v2 where none is named."""
_PARTS = ("predictor", "transformer")


class InferenceServiceKind(WorkloadKind):
    group = "serving.kserve.io"
    kind = "InferenceService"
    default_port = 8080
    usual_protocol = "tensorflow"

    def __init__(self, component: str = "predictor") -> None:
        self._part = component

    def components(self, obj: Mapping[str, Any]) -> tuple[str, ...]:
        found = tuple(part for part in _PARTS if mapping(obj, ("spec", part)))
        return found if len(found) > 1 else ()

    def of(self, component: str) -> WorkloadKind:
        return InferenceServiceKind(component)

    def containers(self, obj: Mapping[str, Any]) -> tuple[Place, ...]:
        """`model` becomes the container that KServe calls kserve-container."""
        models = tuple(
            Place(name=str(spec.get("name") or _CONTAINER), path=(*self._path, key))
            for key in ("model", *_FRAMEWORKS)
            if isinstance(spec := at(obj, (*self._path, key)), Mapping)
        )
        named = {place.name for place in models}
        beside = (
            Place(name=place.name or _CONTAINER, path=place.path) for place in places(obj, (*self._path, "containers"))
        )
        return models + tuple(place for place in beside if place.name not in named)

    def container(self, obj: Mapping[str, Any], place: Place) -> Mapping[str, Any]:
        """Of a model: with the arguments of its runtime, and the port that KServe's runtimes serve on."""
        there: dict[str, Any] = dict(mapping(obj, place.path))
        runtime = self.server(obj, place)
        if runtime is None:
            return there
        known = kserve_runtimes.RUNTIMES.get(runtime)
        name = str(at(obj, ("metadata", "name")))
        made = [word.replace("NAME", name) for word in known.args] if known else []
        own = there.get("args") if isinstance(there.get("args"), list) else []
        if made or own:
            there["args"] = [*made, *(own or [])]
        if known and known.variables:
            ports = [{"name": name, "value": value} for name, value in known.variables]
            there["env"] = [*ports, *(entry for _, entry in mappings(there, ("env",)))]
        if not mappings(there, ("ports",)):
            there["ports"] = [{"containerPort": self.default_port}]
        return there

    def server(self, obj: Mapping[str, Any], place: Place) -> str | None:
        """The serving runtime: the one that is named, else the one KServe takes; else the model's format."""
        spec, key = mapping(obj, place.path), place.path[-1]
        if isinstance(key, int):
            return None
        if spec.get("runtime"):
            return str(spec["runtime"])
        named = str(at(spec, ("modelFormat", "name"))) if key == "model" else str(key)
        return kserve_runtimes.runtime_of(named, self._version(obj, place)) or named

    def role(self, obj: Mapping[str, Any], place: Place) -> Role | None:  # noqa: ARG002 - the seam's signature
        if isinstance(place.path[-1], int) and place.name != _CONTAINER:
            return None
        return "model" if self._part == "predictor" else "transformer"

    def protocol(self, obj: Mapping[str, Any], place: Place) -> str | None:
        version, runtime = self._version(obj, place), self.server(obj, place)
        if runtime is None:
            return kserve_runtimes.PROTOCOLS.get(version or "")
        args = at(self.container(obj, place), ("args",))
        return kserve_runtimes.protocol_of(runtime, version, [str(word) for word in args or []])

    def model_name(self, obj: Mapping[str, Any], place: Place) -> str | None:
        """The object's own, which its runtimes are told; of a container that is told another, that one."""
        spec = mapping(obj, place.path) if isinstance(place.path[-1], int) else {}
        words = [str(word) for part in ("command", "args") for word in spec.get(part) or []]
        return kserve_runtimes.model_named(words) or str(at(obj, ("metadata", "name")))

    def replicas(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:
        """minReplicas; and maxReplicas where it is set, since it may not be the smaller."""
        least: Path = (*self._path, "minReplicas")
        most: Path = (*self._path, "maxReplicas")
        return (least, most) if at(obj, most) else (least,)

    def pod_annotations(self, obj: Mapping[str, Any], container: Path) -> Path:  # noqa: ARG002 - the seam's signature
        return (*self._path, "annotations")

    def obstacles(self, obj: Mapping[str, Any]) -> tuple[Obstacle, ...]:
        return tuple(self._obstacles(obj))

    def remarks(self, obj: Mapping[str, Any]) -> tuple[str, ...]:
        said = []
        if self._part == "predictor" and mapping(obj, ("spec", "transformer")):
            said.append("the load goes straight to the predictor: requests are those that the transformer sends on")
        if mapping(obj, ("spec", "explainer")):
            said.append("the explainer is deployed as it stands, and asked nothing")
        return tuple(said)

    def autoscaler(self, obj: Mapping[str, Any]) -> Path | None:
        least, most = at(obj, (*self._path, "minReplicas")), at(obj, (*self._path, "maxReplicas"))
        if most and most != (1 if least is None else least):
            return (*self._path, "maxReplicas")
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
        return Service(name=f"{at(obj, ('metadata', 'name'))}-{self._part}", port=80)

    def selector(self, obj: Mapping[str, Any]) -> str | None:
        whole = f"serving.kserve.io/inferenceservice={at(obj, ('metadata', 'name'))}"
        alone = not any(mapping(obj, ("spec", part)) for part in ("transformer", "explainer"))
        return whole if alone else f"{whole},component={self._part}"

    def pod_labels(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:
        return tuple((*part, "labels") for part in self._parts(obj))

    def more_labels(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002
        return (("metadata", "labels"),)

    def pod_selectors(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002
        return ()

    def pod_specs(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:
        """Each part is a pod's specification and more."""
        return self._parts(obj)

    def _parts(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:
        """All that have pods, whichever is tuned."""
        parts = ("predictor", "transformer", "explainer")
        return tuple(("spec", part) for part in parts if mapping(obj, ("spec", part)))

    @property
    def _path(self) -> Path:
        return ("spec", self._part)

    def _version(self, obj: Mapping[str, Any], place: Place) -> str | None:
        named = at(obj, (*place.path, "protocolVersion"))
        if named is None and place.path[-1] in _ASKED_FOR_V2:
            return "v2"
        return None if named is None else str(named)

    def _obstacles(self, obj: Mapping[str, Any]) -> Iterator[Obstacle]:
        if mapping(obj, ("spec", "default")):
            message = "spec.default is of v1alpha2, which KServe serves no longer"
            yield Obstacle(
                path=("spec", "default"), message=message, fix="write what is below it as v1beta1 has it: spec"
            )
        elif not mapping(obj, ("spec", "predictor")):
            fix = "add the model's predictor, with its modelFormat and storageUri"
            yield Obstacle(path=("spec",), message="no predictor", fix=fix)
        if mapping(obj, ("spec", "predictor", "workerSpec")):
            yield Obstacle(
                path=("spec", "predictor", "workerSpec"),
                message="a workerSpec spreads each replica over several pods, which are not measured as one",
                fix="leave it out: tune the model on one node",
            )
