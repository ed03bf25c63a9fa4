"""The toy server's Deployment as a user would write it for a cluster, and a space around it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from tests.servers.pods import toy_space
from tuner.backends.model import Deployment, Rendering
from tuner.manifests.model import Rendered
from tuner.manifests.pods import pods
from tuner.space.model import Configuration, SearchSpace

IMAGE = "example/toy:1"
SPACE: SearchSpace = toy_space()


def manifest(
    env: Mapping[str, str] | None = None,
    replicas: int = 1,
    cpu: str = "250m",
    memory: str = "64Mi",
    image: str = IMAGE,
    pod: Mapping[str, Any] | None = None,
    kind: str = "Deployment",
    container: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`pod` and `container`: what else stands in their specs, or instead."""
    server = {
        "name": "toy",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["--port", "9000"],
        "env": [{"name": name, "value": value} for name, value in (env or {}).items()],
        "ports": [{"name": "http", "containerPort": 9000}],
        "readinessProbe": {"httpGet": {"path": "/health/status", "port": "http"}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}},
        **(container or {}),
    }
    spec: dict[str, Any] = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "toy"}},
        "template": {"metadata": {"labels": {"app": "toy"}}, "spec": {"containers": [server], **(pod or {})}},
    }
    if kind == "StatefulSet":
        spec["serviceName"] = "toy"
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "toy"}, "spec": spec}


def rendered(objects: Sequence[Mapping[str, Any]]) -> Rendered:
    return Rendered(text=yaml.safe_dump_all(objects), objects=tuple(objects))


def deployment(objects: Sequence[Mapping[str, Any]], trial: int = 0, study: str | None = None) -> Deployment:
    found = rendered(objects)
    return Deployment(study=study or secrets.token_hex(4), trial=trial, rendered=found, pods=pods(SPACE, found))


def rendering(what: str, objects: Sequence[Mapping[str, Any]]) -> Rendering:
    found = rendered(objects)
    return Rendering(what=what, configuration=Configuration(values={}), rendered=found, pods=pods(SPACE, found))
