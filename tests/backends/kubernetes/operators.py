"""A stand-in for the operators of SeldonDeployment and InferenceService: makes of each a Deployment and a Service.

As small as the backend's expectations: names, labels, owners and status as the real ones give them (Seldon Core 1.17.1,
KServe 0.20.0 in RawDeployment mode), without an orchestrator.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tuner.backends.kubernetes.api import SERVICES, Api, Object, Refused, Resource
from tuner.errors import EnvironmentFailure

SHARED = Path(__file__).parents[4] / "shared" / "crds"
DEFINITIONS = Resource(
    api_version="apiextensions.k8s.io/v1",
    kind="CustomResourceDefinition",
    plural="customresourcedefinitions",
    namespaced=False,
)
DEPLOYMENTS = Resource(api_version="apps/v1", kind="Deployment", plural="deployments", namespaced=True)
SELDON = ("machinelearning.seldon.io", "v1", "SeldonDeployment", "seldondeployments")
KSERVE = ("serving.kserve.io", "v1beta1", "InferenceService", "inferenceservices")


@contextmanager
def operators(api: Api) -> Iterator[None]:
    """Definitions are installed where they are not, and removed again."""
    installed = [name for kind in (SELDON, KSERVE) if (name := _install(api, kind))]
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=(api, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)
        for name in installed:
            api.delete(DEFINITIONS, name)


def _install(api: Api, kind: tuple[str, str, str, str]) -> str:
    group, version, name, plural = kind
    if api.get(DEFINITIONS, f"{plural}.{group}") is not None:
        return ""
    api.create(DEFINITIONS, _published(name) or _loose(group, version, name, plural))
    for _ in range(100):
        try:
            api.items(api.resource(f"{group}/{version}", name))
        except Refused:
            threading.Event().wait(0.1)
        else:
            return f"{plural}.{group}"
    raise AssertionError(f"{name} did not get established")


def _published(kind: str) -> Object | None:
    """The definition as its project publishes it, where it is at hand."""
    for path in sorted(SHARED.glob("*.yaml")) if SHARED.is_dir() else ():
        for found in yaml.safe_load_all(path.read_text()):
            if found and found.get("kind") == "CustomResourceDefinition" and found["spec"]["names"]["kind"] == kind:
                found.pop("status", None)
                definition: Object = found
                return definition
    return None


def _loose(group: str, version: str, kind: str, plural: str) -> Object:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    served = {"name": version, "served": True, "storage": True, "schema": schema, "subresources": {"status": {}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [served],
        },
    }


def _run(api: Api, stop: threading.Event) -> None:
    while not stop.wait(0.1):
        for group, version, kind, _ in (SELDON, KSERVE):
            try:
                resource = api.resource(f"{group}/{version}", kind)
                for found in api.items(resource):
                    if not found["metadata"].get("deletionTimestamp"):
                        _reconcile(api, resource, found)
            except EnvironmentFailure:
                continue  # deleted meanwhile


def _reconcile(api: Api, resource: Resource, found: Object) -> None:
    name = found["metadata"]["name"]
    if resource.kind == "SeldonDeployment":
        predictor = found["spec"]["predictors"][0]
        template = predictor["componentSpecs"][0]
        container = template["spec"]["containers"][0]
        labels = {"seldon-deployment-id": name}
        made, service, port, target = f"{name}-{predictor['name']}-0", f"{name}-{predictor['name']}", 8000, 9000
        pods, replicas = template["spec"], predictor.get("replicas", 1)
    else:
        predictor = found["spec"]["predictor"]
        model = predictor["containers"][0]
        container = {**model, "name": model.get("name", "kserve-container")}
        labels = {"serving.kserve.io/inferenceservice": name}
        made, service, port, target = f"{name}-predictor", f"{name}-predictor", 80, 9000
        pods, replicas = {}, predictor.get("minReplicas", 1)
    container = {**container, "env": [*container.get("env", ()), {"name": "ADDED_BY", "value": "the operator"}]}
    owner = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": name,
        "uid": found["metadata"]["uid"],
        "controller": True,
    }
    metadata = {"name": made, "labels": labels, "ownerReferences": [owner]}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {**pods, "containers": [container]}},
    }
    if api.get(DEPLOYMENTS, made) is None:
        api.create(DEPLOYMENTS, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
        front = {"selector": labels, "ports": [{"name": "http", "port": port, "targetPort": target}]}
        api.create(
            SERVICES,
            {"apiVersion": "v1", "kind": "Service", "metadata": {**metadata, "name": service}, "spec": front},
        )
    there = api.get(DEPLOYMENTS, made) or {}
    ready = there.get("status", {}).get("readyReplicas", 0) >= replicas
    _tell(api, resource, found, ready)


def _tell(api: Api, resource: Resource, found: Mapping[str, Any], ready: bool) -> None:
    status: Object = {"observedGeneration": found["metadata"]["generation"]}
    if resource.kind == "SeldonDeployment":
        status["state"] = "Available" if ready else "Creating"
    else:
        status["conditions"] = [{"type": "Ready", "status": "True" if ready else "False"}]
    if found.get("status", {}).items() >= status.items():
        return
    path = resource.path(api.namespace, found["metadata"]["name"], "status")
    api.call("PATCH", path, body={"status": status}, patch="merge", what="the status")
