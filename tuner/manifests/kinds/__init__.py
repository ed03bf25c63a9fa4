"""The kinds of workload that can be tuned, behind the seam in `model`.

A kind says where things are in an object of plain dicts and lists. It reads and writes no YAML, talks to no cluster,
and bears with objects that are not yet known to be valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.manifests.kinds.custom import SERVICE, CustomResource
from tuner.manifests.kinds.inference_service import InferenceServiceKind
from tuner.manifests.kinds.knative_service import KnativeServiceKind
from tuner.manifests.kinds.leader_worker_set import LeaderWorkerSetKind
from tuner.manifests.kinds.model import Place, Service, WorkloadKind, mapping
from tuner.manifests.kinds.pod import PodKind
from tuner.manifests.kinds.pod_template import DeploymentConfig, PodTemplate, ReplicaSet, Rollout
from tuner.manifests.kinds.ray_service import RayServiceKind
from tuner.manifests.kinds.seldon_deployment import SeldonDeploymentKind

KINDS: tuple[WorkloadKind, ...] = (
    PodTemplate("Deployment"),
    PodTemplate("StatefulSet"),
    ReplicaSet(),
    PodKind(),
    SeldonDeploymentKind(),
    InferenceServiceKind(),
    KnativeServiceKind(),
    LeaderWorkerSetKind(),
    RayServiceKind(),
    Rollout(),
    DeploymentConfig(),
)

__all__ = ["KINDS", "Place", "Service", "WorkloadKind", "kind_of"]


def kind_of(obj: Mapping[str, Any]) -> WorkloadKind | None:
    """The kind of workload that an object is; None for everything else."""
    group, kind = str(obj.get("apiVersion", "")).rpartition("/")[0], str(obj.get("kind"))
    known = next((known for known in KINDS if (known.group, known.kind) == (group, kind)), None)
    if known is None and group and SERVICE in mapping(obj, ("metadata", "annotations")):
        return CustomResource(group, kind)
    return known
