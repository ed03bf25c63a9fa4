"""Kinds of objects as the API server names them, those that we ask for ourselves among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuner.manifests.kinds.model import at

Object = dict[str, Any]
"""An object as the API server speaks it: JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiResource:
    """One kind of object, as the API server's discovery names it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str = "", sub: str = "") -> str:
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        scope = f"/namespaces/{namespace}" if self.namespaced else ""
        return "/".join(part for part in (f"{root}{scope}/{self.plural}", name, sub) if part)


def name_of(obj: Mapping[str, Any]) -> str:
    return str(at(obj, ("metadata", "name")))


PODS = ApiResource(api_version="v1", kind="Pod", plural="pods", namespaced=True)
EVENTS = ApiResource(api_version="v1", kind="Event", plural="events", namespaced=True)
SERVICES = ApiResource(api_version="v1", kind="Service", plural="services", namespaced=True)
NODES = ApiResource(api_version="v1", kind="Node", plural="nodes", namespaced=False)
QUOTAS = ApiResource(api_version="v1", kind="ResourceQuota", plural="resourcequotas", namespaced=True)
LIMIT_RANGES = ApiResource(api_version="v1", kind="LimitRange", plural="limitranges", namespaced=True)
NAMESPACES = ApiResource(api_version="v1", kind="Namespace", plural="namespaces", namespaced=False)
DEPLOYMENTS = ApiResource(api_version="apps/v1", kind="Deployment", plural="deployments", namespaced=True)
STATEFUL_SETS = ApiResource(api_version="apps/v1", kind="StatefulSet", plural="statefulsets", namespaced=True)
REPLICA_SETS = ApiResource(api_version="apps/v1", kind="ReplicaSet", plural="replicasets", namespaced=True)
POLICIES = ApiResource(
    api_version="networking.k8s.io/v1", kind="NetworkPolicy", plural="networkpolicies", namespaced=True
)
LEASES = ApiResource(api_version="coordination.k8s.io/v1", kind="Lease", plural="leases", namespaced=True)
JOBS = ApiResource(api_version="batch/v1", kind="Job", plural="jobs", namespaced=True)
