"""All that is applied: accounts and rights, the search space, and the Workflow, its template, or its schedule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.argo import rights
from tuner.argo.pods import executor_patch, volumes
from tuner.argo.settings import Settings
from tuner.argo.steps import templates
from tuner.backends.kubernetes.rights.table import Load
from tuner.in_cluster.inputs import Inputs
from tuner.in_cluster.pods import SECURITY
from tuner.yaml.block import block

_API = "argoproj.io/v1alpha1"


def text(settings: Settings, inputs: Inputs, objects: Sequence[Mapping[str, Any]], load: Load, *, nodes: bool) -> str:
    """YAML of several documents. `objects`: of the manifest, whose kinds are among the rights; `load`: where it is sent
    from; `nodes`: whether a ClusterRole to read the nodes is written, too.
    """
    made = (
        *rights.documents(settings, objects, load, nodes=nodes),
        inputs.config_map(inputs.named(settings.name), settings.namespace),
        block(workflow(settings, inputs)),
    )
    return "---\n".join(made)


def workflow(settings: Settings, inputs: Inputs) -> dict[str, Any]:
    """The Workflow, WorkflowTemplate or CronWorkflow."""
    metadata = {
        "name": settings.name,
        "namespace": settings.namespace,
        "labels": {"app.kubernetes.io/managed-by": "tuner"},
    }
    spec = dict(_spec(settings, inputs))
    if settings.schedule is None:
        kind = "WorkflowTemplate" if settings.template else "Workflow"
        return {"apiVersion": _API, "kind": kind, "metadata": metadata, "spec": spec}
    cron: dict[str, Any] = {
        "schedules": [settings.schedule],
        **({"timezone": settings.timezone} if settings.timezone else {}),
        "concurrencyPolicy": "Forbid",  # two studies of one service would only wait for each other's nodes
        "workflowSpec": spec,
    }
    return {"apiVersion": _API, "kind": "CronWorkflow", "metadata": metadata, "spec": cron}


def _spec(settings: Settings, inputs: Inputs) -> Iterator[tuple[str, Any]]:
    mounted = volumes(settings)
    yield "entrypoint", "tune"
    yield "serviceAccountName", settings.accounts["report"]
    yield "securityContext", SECURITY
    if settings.patch_executor:
        yield "podSpecPatch", executor_patch()
    yield "volumes", [inputs.volume(inputs.named(settings.name)), *mounted["volumes"]]
    if "volumeClaimTemplates" in mounted:
        yield "volumeClaimTemplates", mounted["volumeClaimTemplates"]
    yield "templates", templates(settings, inputs)
