"""What KServe makes of an InferenceService's predictor in its standard mode, without Knative.

The real one leaves the number of replicas to an autoscaler between minReplicas and maxReplicas; here it is minReplicas.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from tests.cluster.standin.loop import Object, Operator, available, condition, deployment, service

CONTAINER = "kserve-container"
_DEFAULT_PORT = 8080
_NOT_OF_THE_POD = frozenset({"model", "containers", "minReplicas", "maxReplicas", "labels", "annotations"})
_OF_THE_MODEL = frozenset({"modelFormat", "protocolVersion", "runtime", "storageUri", "storage", "runtimeVersion"})


def operator() -> Operator:
    """A `model` needs an image of its own: there are no serving runtimes here."""
    return Operator(api_version="serving.kserve.io/v1beta1", plural="inferenceservices", made=_made, status=_status)


def _made(found: Object) -> list[Object]:
    name, predictor = f"{found['metadata']['name']}-predictor", found["spec"]["predictor"]
    pod = {key: copy.deepcopy(value) for key, value in predictor.items() if key not in _NOT_OF_THE_POD}
    pod["containers"] = _containers(predictor)
    serving = pod["containers"][0]
    ports = serving.get("ports") or [{"name": name, "containerPort": _DEFAULT_PORT}]
    probe = {"tcpSocket": {"port": ports[0]["containerPort"]}, "periodSeconds": 10}
    serving.setdefault("readinessProbe", probe)
    app = f"isvc.{name}"
    labels = {
        **(found["metadata"].get("labels") or {}),
        **(predictor.get("labels") or {}),
        "serving.kserve.io/inferenceservice": found["metadata"]["name"],
        "component": "predictor",
        "app": app,
    }
    annotations = {**(found["metadata"].get("annotations") or {}), **(predictor.get("annotations") or {})}
    metadata = {"name": name, "labels": labels, "annotations": annotations}
    listed = [
        {
            "name": port.get("name") or name,
            "port": 80 if index == 0 else port["containerPort"],
            "targetPort": port["containerPort"],
            "protocol": port.get("protocol", "TCP"),
        }
        for index, port in enumerate(ports)
    ]
    template = {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod}
    pods, replicas = {"app": app}, predictor.get("minReplicas", 1)
    return [
        service(metadata, pods, listed),
        deployment(metadata, replicas=replicas, selector={"matchLabels": pods}, template=template),
    ]


def _containers(predictor: Object) -> list[Object]:
    containers = copy.deepcopy(predictor.get("containers") or [])
    if model := predictor.get("model"):
        fields = {key: copy.deepcopy(value) for key, value in model.items() if key not in _OF_THE_MODEL}
        containers.insert(0, {**fields, "name": CONTAINER})
    return containers


def _status(found: Object, deployments: Sequence[Object]) -> Object:
    name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
    before = (found.get("status") or {}).get("conditions") or ()
    ready = bool(deployments) and all(map(available, deployments))
    reason = "NewReplicaSetAvailable" if ready else "MinimumReplicasUnavailable"
    conditions = [
        condition("IngressReady", True, "IngressReconciled", before),
        condition("PredictorReady", ready, reason, before),
        condition("Ready", ready, reason, before),
    ]
    url = f"http://{name}-predictor.{namespace}.svc.cluster.local"
    return {
        "conditions": conditions,
        "address": {"url": url},
        "url": f"http://{name}-{namespace}.example.com",
        "components": {"predictor": {"url": url}},
        "deploymentMode": "Standard",
    }
