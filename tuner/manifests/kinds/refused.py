"""Kinds that people serve models with, and that no trial can honestly be run of: why, and what to tune instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    why: str
    instead: str


_ITS_DEPLOYMENT = "tune the workload that its controller makes: `kubectl get {what} -o yaml`, less status and owners"
_OLD_WORKLOAD = Refused(
    why="Kubernetes serves extensions/v1beta1 no longer",
    instead="write apiVersion: apps/v1, with a selector of the pod template's labels",
)
_OLD_KSERVE = Refused(
    why="KServe serves serving.kubeflow.org no longer", instead="write apiVersion: serving.kserve.io/v1beta1"
)
_KINDS: Mapping[tuple[str, str], Refused] = {
    ("extensions", "Deployment"): _OLD_WORKLOAD,
    ("extensions", "ReplicaSet"): _OLD_WORKLOAD,
    ("extensions", "DaemonSet"): _OLD_WORKLOAD,
    ("serving.kubeflow.org", "InferenceService"): _OLD_KSERVE,
    ("", "ReplicationController"): Refused(
        why="Deployments took its place", instead="write it as a Deployment, kind: Deployment of apps/v1"
    ),
    ("apps", "DaemonSet"): Refused(
        why="it runs a pod on every node, so that a trial would take them all and no number of replicas can be chosen",
        instead="write its pod template into a Deployment for tuning, and the values back",
    ),
    ("batch", "Job"): Refused(why="it ends, and serves nothing", instead="name the workload that serves"),
    ("batch", "CronJob"): Refused(why="it ends, and serves nothing", instead="name the workload that serves"),
    ("serving.kserve.io", "LLMInferenceService"): Refused(
        why="what runs comes from templates and a router of the cluster that the manifest does not show",
        instead=_ITS_DEPLOYMENT.format(what="deployment NAME-kserve"),
    ),
    ("serving.kserve.io", "ServingRuntime"): Refused(
        why="it is a template of servers, without a model", instead="tune the InferenceService that names it"
    ),
    ("serving.kserve.io", "ClusterServingRuntime"): Refused(
        why="it is a template of servers, without a model", instead="tune the InferenceService that names it"
    ),
    ("serving.kserve.io", "InferenceGraph"): Refused(
        why="it sends requests on and holds no model", instead="tune the InferenceServices it names, one at a time"
    ),
    ("serving.kserve.io", "TrainedModel"): Refused(
        why="it is loaded into a server of another object", instead="tune its InferenceService"
    ),
    ("mlops.seldon.io", "Model"): Refused(
        why="in Seldon Core 2 the knobs live on the Server that loads the model",
        instead=_ITS_DEPLOYMENT.format(what="statefulset SERVER") + ", with the model in its image or volume",
    ),
    ("mlops.seldon.io", "Server"): Refused(
        why="its container comes from a ServerConfig, and its models are loaded by Seldon's scheduler",
        instead=_ITS_DEPLOYMENT.format(what="statefulset NAME") + ", with the model in its image or volume",
    ),
    ("mlops.seldon.io", "Pipeline"): Refused(
        why="it joins models of other objects", instead="tune the Servers that load its models, one at a time"
    ),
    ("production-stack.vllm.ai", "VLLMRuntime"): Refused(
        why="its container is made by an operator from fields of its own",
        instead=_ITS_DEPLOYMENT.format(what="deployment NAME"),
    ),
    ("apps.nvidia.com", "NIMService"): Refused(
        why="its container is made by an operator from fields of its own",
        instead=_ITS_DEPLOYMENT.format(what="deployment NAME"),
    ),
    ("ray.io", "RayCluster"): Refused(
        why="what it serves is deployed into it afterwards", instead="write it as a RayService"
    ),
    ("ray.io", "RayJob"): Refused(why="it ends, and serves nothing", instead="write what is served as a RayService"),
    ("argoproj.io", "Workflow"): Refused(why="it ends, and serves nothing", instead="name the workload that serves"),
    ("kubeflow.org", "PyTorchJob"): Refused(
        why="it trains and ends, and serves nothing", instead="name the workload that serves"
    ),
}


def refused(obj: Mapping[str, Any]) -> Refused | None:
    """Why an object of this kind is not tuned; None: it is, or is nothing that serves."""
    return _KINDS.get((str(obj.get("apiVersion", "")).rpartition("/")[0], str(obj.get("kind"))))
