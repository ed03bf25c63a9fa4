"""Watches nothing, asks often: a namespace's custom resources, what was made for them, and whether it is ready."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import urllib3
from kubernetes import client, config

Object = dict[str, Any]

_EVERY_S = 0.5
_PLURALS = {"Deployment": "deployments", "Service": "services"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """What an operator does for one kind: pure functions of objects as the cluster has them."""

    api_version: str
    plural: str
    made: Callable[[Object], Sequence[Object]]
    """The objects of a custom resource, without namespace and owner."""
    status: Callable[[Object, Sequence[Object]], Object]
    """The status of a custom resource, by its Deployments."""


class StandIn:
    """Runs in a thread from entering the context to leaving it; an error inside is raised on leaving."""

    def __init__(self, kubeconfig: Path, namespace: str, operators: Sequence[Operator]) -> None:
        configuration = client.Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
        self._client = client.ApiClient(configuration)
        self._namespace = namespace
        self._operators = operators
        self._seen: dict[tuple[str, int], bool] = {}
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="stand-in operator", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=30.0)
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            try:
                for operator in self._operators:
                    self._reconcile(operator)
            except (urllib3.exceptions.HTTPError, OSError):
                continue  # the API server is away
            except Exception as error:
                self._failure = error
                return

    def _reconcile(self, operator: Operator) -> None:
        path = f"/apis/{operator.api_version}/namespaces/{self._namespace}/{operator.plural}"
        resources = [found for found in self._items(path) if not found["metadata"].get("deletionTimestamp")]
        deployments = self._items(self._path("Deployment")) if resources else []
        for found in resources:
            metadata = found["metadata"]
            generation = (metadata["uid"], metadata["generation"])
            if generation not in self._seen:
                for obj in operator.made(found):
                    self._make(obj, found)
                self._seen[generation] = True
            owned = [deployment for deployment in deployments if _is_owned(deployment, metadata["uid"])]
            status = operator.status(found, owned)
            if status != found.get("status"):
                self._call("PATCH", f"{path}/{metadata['name']}/status", {"status": status}, "merge-patch+json")

    def _make(self, obj: Object, owner: Object) -> None:
        reference = {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        metadata = {**obj["metadata"], "namespace": self._namespace, "ownerReferences": [reference]}
        path = f"{self._path(obj['kind'])}/{metadata['name']}?fieldManager=stand-in&force=true"
        self._call("PATCH", path, {**obj, "metadata": metadata}, "apply-patch+yaml")

    def _path(self, kind: str) -> str:
        root = "/apis/apps/v1" if kind == "Deployment" else "/api/v1"
        return f"{root}/namespaces/{self._namespace}/{_PLURALS[kind]}"

    def _items(self, path: str) -> list[Object]:
        # from the API server's memory, not from etcd
        items: list[Object] = self._call("GET", f"{path}?resourceVersion=0").get("items") or []
        return items

    def _call(self, method: str, path: str, body: Object | None = None, patch: str = "json") -> Object:
        headers = {"Accept": "application/json", "Content-Type": f"application/{patch}"}
        method, url, headers, _, _ = self._client.param_serialize(
            method, path, header_params=headers, auth_settings=["BearerToken"]
        )
        content = None if body is None else json.dumps(body)
        response = self._client.rest_client.pool_manager.request(method, url, body=content, headers=headers)
        answer: Object = json.loads(response.data)
        if response.status == 404 and method != "GET":
            return {}  # deleted meanwhile
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.get('message', response.status)}")
        return answer


def _is_owned(obj: Mapping[str, Any], uid: str) -> bool:
    return any(reference.get("uid") == uid for reference in obj["metadata"].get("ownerReferences") or ())


def service(metadata: Object, selector: Object, ports: Sequence[Object], **spec: object) -> Object:
    spec |= {"selector": selector, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def deployment(metadata: Object, **spec: object) -> Object:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def condition(name: str, true: bool, reason: str, before: Sequence[Mapping[str, Any]] = ()) -> Object:
    """A status condition; its time is that of its last change, so that an unchanged status stays the same."""
    status = "True" if true else "False"
    for old in before:
        if (old.get("type"), old.get("status"), old.get("reason")) == (name, status, reason):
            return dict(old)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": name, "status": status, "reason": reason, "lastTransitionTime": now}


def available(deployment: Mapping[str, Any]) -> bool:
    """As the operators judge it: all of its pods are there and ready."""
    status = deployment.get("status") or {}
    seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    return seen and status.get("readyReplicas", 0) > 0 and not status.get("unavailableReplicas")
