"""Rollout (Argo Rollouts), LeaderWorkerSet, Knative's Service and RayService, as far as a tuner can see their operators.

Their definitions here are the tests' own and let any field pass: what the projects publish has hundreds of them. Left
out are steps of rollouts, groups' restarts, scaling, queue-proxies and what Ray itself does.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from tests.cluster.standin.loop import Object, Operator, available, condition, deployment, service

_ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_KINDS = {
    "rollouts": ("argoproj.io", "v1alpha1", "Rollout"),
    "leaderworkersets": ("leaderworkerset.x-k8s.io", "v1", "LeaderWorkerSet"),
    "services": ("serving.knative.dev", "v1", "Service"),
    "rayservices": ("ray.io", "v1", "RayService"),
}
NAMES = {plural: f"{plural}.{group}" for plural, (group, _, _) in _KINDS.items()}


def definition(plural: str) -> dict[str, Any]:
    group, version, kind = _KINDS[plural]
    schema = {"type": "object", "properties": {"spec": _ANYTHING, "status": _ANYTHING}}
    served = {
        "name": version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    }
    singular = kind.lower()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAMES[plural]},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": singular, "listKind": f"{kind}List"},
            "versions": [served],
        },
    }


def operators() -> list[Operator]:
    made = {"rollouts": _rollout, "leaderworkersets": _groups, "services": _knative, "rayservices": _ray}
    status = {"rollouts": _counts, "leaderworkersets": _available, "services": _ready, "rayservices": _ready}
    return [
        Operator(api_version=f"{group}/{version}", plural=plural, made=made[plural], status=status[plural])
        for plural, (group, version, _) in _KINDS.items()
    ]


def _rollout(found: Object) -> list[Object]:
    spec = found["spec"]
    name = found["metadata"]["name"]
    return [
        deployment(
            {"name": name}, replicas=spec.get("replicas", 1), selector=spec["selector"], template=spec["template"]
        )
    ]


def _counts(found: Object, deployments: Sequence[Object]) -> Object:
    told = next((one.get("status") or {} for one in deployments), {})
    counts = {name: told[name] for name in ("replicas", "updatedReplicas", "readyReplicas") if name in told}
    whole = bool(deployments) and all(map(available, deployments))
    phase = "Healthy" if whole else "Progressing"
    return {**counts, "phase": phase, "observedGeneration": str(found["metadata"]["generation"])}


def _groups(found: Object) -> list[Object]:
    name, group = found["metadata"]["name"], found["spec"]["leaderWorkerTemplate"]
    replicas = found["spec"].get("replicas", 1)
    leader = group.get("leaderTemplate") or group["workerTemplate"]
    of_it = {"leaderworkerset.sigs.k8s.io/name": name}
    made = [_pods(name, replicas, leader, {**of_it, "leaderworkerset.sigs.k8s.io/worker-index": "0"})]
    if workers := group.get("size", 1) - 1:
        labels = {**of_it, "leaderworkerset.sigs.k8s.io/worker-index": "1"}
        made.append(_pods(f"{name}-workers", replicas * workers, group["workerTemplate"], labels))
    return made


def _available(found: Object, deployments: Sequence[Object]) -> Object:
    return _told(found, deployments, "Available")


def _knative(found: Object) -> list[Object]:
    name, template = found["metadata"]["name"], found["spec"]["template"]
    labels = {"serving.knative.dev/service": name}
    least = (template.get("metadata", {}).get("annotations") or {}).get("autoscaling.knative.dev/min-scale", "1")
    port = template["spec"]["containers"][0]["ports"][0]["containerPort"]
    listed = [{"name": "http", "port": 80, "targetPort": port}]
    made = f"{name}-00001"
    return [
        _pods(f"{made}-deployment", int(least), template, labels),
        service({"name": f"{made}-private"}, labels, listed),
    ]


def _ray(found: Object) -> list[Object]:
    name, cluster = found["metadata"]["name"], found["spec"]["rayClusterConfig"]
    head = {"ray.io/node-type": "head", "ray.io/serve": "true", "ray.io/originated-from-cr-name": name}
    made = [
        _pods(f"{name}-head", 1, cluster["headGroupSpec"]["template"], head),
        service({"name": f"{name}-serve-svc"}, head, [{"name": "serve", "port": 8000, "targetPort": 9000}]),
    ]
    for group in cluster.get("workerGroupSpecs") or ():
        labels = {
            "ray.io/node-type": "worker",
            "ray.io/group": group["groupName"],
            "ray.io/originated-from-cr-name": name,
        }
        made.append(_pods(f"{name}-{group['groupName']}", group.get("replicas", 1), group["template"], labels))
    return made


def _ready(found: Object, deployments: Sequence[Object]) -> Object:
    return _told(found, deployments, "Ready")


def _told(found: Object, deployments: Sequence[Object], name: str) -> Object:
    before = (found.get("status") or {}).get("conditions") or ()
    ready = bool(deployments) and all(map(available, deployments))
    why = "AllPodsReady" if ready else "PodsNotReady"
    return {
        "observedGeneration": found["metadata"]["generation"],
        "conditions": [{"message": why, **condition(name, ready, why, before)}],
    }


def _pods(name: str, replicas: int, template: Mapping[str, Any], labels: Mapping[str, str]) -> Object:
    """Pods of a template, with the labels that its operator adds and selects them by."""
    template = copy.deepcopy(dict(template))
    metadata = template.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    return deployment({"name": name}, replicas=replicas, selector={"matchLabels": dict(labels)}, template=template)
