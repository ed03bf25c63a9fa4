"""A custom resource of the tests' own, with the little that any operator has: a Ready condition and a named Service."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from tests.cluster.standin.loop import Object, Operator, available, condition, deployment, service

_ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "scorers.models.example.com"},
    "spec": {
        "group": "models.example.com",
        "scope": "Namespaced",
        "names": {"kind": "Scorer", "plural": "scorers", "singular": "scorer"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {"size": {"type": "integer", "minimum": 1}, "server": _ANYTHING},
                            },
                            "status": _ANYTHING,
                        },
                    }
                },
            }
        ],
    },
}


def operator() -> Operator:
    return Operator(api_version="models.example.com/v1", plural="scorers", made=_made, status=_status)


def _made(found: Object) -> list[Object]:
    name, spec = found["metadata"]["name"], found["spec"]
    labels = {"scorer": name}
    container = {"name": "server", **copy.deepcopy(spec["server"])}
    port = {"name": "http", "port": 80, "targetPort": container["ports"][0]["containerPort"]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    metadata = {"name": f"{name}-front", "labels": labels}
    return [
        service(metadata, labels, [port]),
        deployment(
            {"name": f"{name}-pods"},
            replicas=spec.get("size", 1),
            selector={"matchLabels": labels},
            template=template,
        ),
    ]


def _status(found: Object, deployments: Sequence[Object]) -> Object:
    before = (found.get("status") or {}).get("conditions") or ()
    ready = bool(deployments) and all(map(available, deployments))
    why = "AllPodsReady" if ready else "PodsNotReady"
    return {
        "observedGeneration": found["metadata"]["generation"],
        "conditions": [condition("Ready", ready, why, before)],
    }
