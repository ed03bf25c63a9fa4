"""RayService (ray.io/v1): a Ray cluster of a head and groups of workers, and the applications it serves.

The head answers on Ray Serve's port for the whole cluster, so that the cluster is the one replica; its size is set by
path:/spec/rayClusterConfig/workerGroupSpecs/0/replicas, and what an application is given by `serveConfigV2`, which is
text that no knob reaches into. It tells where the first application is asked, and whether it is a language model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.manifests.kinds.model import Obstacle, Place, Service, WorkloadKind, at, condition, mapping, mappings, places
from tuner.yaml.tree import Malformed, Path, load_all

_CLUSTER: Path = ("spec", "rayClusterConfig")
_HEAD: Path = (*_CLUSTER, "headGroupSpec", "template")
_GROUPS: Path = (*_CLUSTER, "workerGroupSpecs")
_SERVE = "serve"
"""What KubeRay's Service looks for among the names of the ports."""
_OPENAI = ("ray.serve.llm:", "rayllm.backend:")
"""Applications of Ray's own that answer OpenAI's requests."""


class RayServiceKind(WorkloadKind):
    group = "ray.io"
    kind = "RayService"
    default_port: int = 8000

    def containers(self, obj: Mapping[str, Any]) -> tuple[Place, ...]:
        return places(obj, (*_HEAD, "spec", "containers"))

    def container(self, obj: Mapping[str, Any], place: Place) -> Mapping[str, Any]:
        """Of Ray's container, the first: with the port it serves on, and no image, which tells nothing of what it serves."""
        spec = dict(mapping(obj, place.path))
        if place.path[-1] != 0:
            return spec
        spec.pop("image", None)
        ports = spec.get("ports") if isinstance(spec.get("ports"), list) else []
        spec["ports"] = [*(ports or []), {"name": _SERVE, "containerPort": self._port(obj)}]
        return spec

    def server(self, obj: Mapping[str, Any], place: Place) -> str | None:
        if place.path[-1] != 0:
            return None
        return "ray.serve.llm" if str(_application(obj).get("import_path")).startswith(_OPENAI) else self.kind

    def model_name(self, obj: Mapping[str, Any], place: Place) -> str | None:  # noqa: ARG002 - the seam's signature
        models = [model for _, model in mappings(_application(obj), ("args", "llm_configs"))]
        names = (at(model, ("model_loading_config", "model_id")) for model in models)
        return next((str(name) for name in names if name), None)

    def path(self, obj: Mapping[str, Any], place: Place) -> str | None:
        prefix = _application(obj).get("route_prefix")
        if place.path[-1] != 0 or not isinstance(prefix, str) or not prefix.strip("/"):
            return None
        is_openai = self.server(obj, place) != self.kind
        return f"/{prefix.strip('/')}" + ("/v1/completions" if is_openai else "")

    def beside(self, obj: Mapping[str, Any]) -> tuple[Place, ...]:
        found: tuple[Place, ...] = ()
        for index, group in mappings(obj, _GROUPS):
            number = group.get("replicas")
            workers = places(obj, (*_GROUPS, index, "template", "spec", "containers"))
            found += workers * (number if isinstance(number, int) and number >= 0 else 1)
        return found

    def replicas(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002 - the seam's signature
        return ()

    def pod_annotations(self, obj: Mapping[str, Any], container: Path) -> Path:  # noqa: ARG002
        return (*_HEAD, "metadata", "annotations")

    def pod_selectors(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002
        return ()

    def obstacles(self, obj: Mapping[str, Any]) -> tuple[Obstacle, ...]:
        if at(obj, (*_CLUSTER, "enableInTreeAutoscaling")) is True:
            message = "Ray's autoscaler changes the number of workers in the middle of a measurement"
            fix = "leave it out for tuning, and set the workers' replicas"
            return (Obstacle(path=(*_CLUSTER, "enableInTreeAutoscaling"), message=message, fix=fix),)
        return ()

    def remarks(self, obj: Mapping[str, Any]) -> tuple[str, ...]:
        if not self.beside(obj):
            return ()
        return ("what Ray's workers request is in the cost; what they use is not measured, only the head is",)

    def waiting(self, live: Mapping[str, Any]) -> str | None:
        if mapping(live, ("status",)).get("serviceStatus") == "Running":  # KubeRay before 1.3 has no conditions
            return None
        return condition(live, "Ready")

    def service(self, obj: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> Service | None:  # noqa: ARG002
        own = at(obj, ("spec", "serveService", "metadata", "name"))
        return Service(name=str(own or f"{at(obj, ('metadata', 'name'))}-serve-svc"), port=self._port(obj))

    def _port(self, obj: Mapping[str, Any]) -> int:
        ports = mappings(obj, (*_HEAD, "spec", "containers", 0, "ports"))
        named = [port.get("containerPort") for _, port in ports if port.get("name") == _SERVE]
        return next((port for port in named if isinstance(port, int)), self.default_port)


def _application(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first that is served; empty where the text is no configuration."""
    text = at(obj, ("spec", "serveConfigV2"))
    try:
        documents = load_all(text) if isinstance(text, str) else ()
    except Malformed:
        return {}
    found = [one for _, one in mappings(next(iter(documents), None), ("applications",))]
    return found[0] if found else {}
