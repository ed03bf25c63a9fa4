"""Every right that is asked of a cluster: which verb on which resource, why, and what is lost without it.

The one list there is: the preflight checks it, `tune rbac` writes the Role from it, and docs/rbac.md explains it. Plain
data; the kubernetes client is not needed to read it.

Not in it is what every account may do: ask for its own rights (SelfSubjectAccessReview), and read the kinds and the
version of the API server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

Load = Literal["here", "cluster"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """Verbs on one resource that are needed for one reason, `why`; the core group's is empty."""

    group: str = ""
    resource: str
    verbs: tuple[str, ...]
    why: str
    lost: str = ""
    """It works without it, but for this; empty: it does not."""
    cluster: bool = False
    """Held at the cluster scope (a ClusterRole), not in the namespace."""
    spare: bool = False
    """Asked for now and then, and wide: no Role that we write holds it."""
    load: Load | None = None
    """Only where the load is sent from there; None: wherever it is sent from."""

    def __str__(self) -> str:
        return f"{self.resource}.{self.group}" if self.group else self.resource

    @property
    def needed(self) -> bool:
        return not self.lost

    @property
    def without(self) -> str:
        """What is lost without it, in words."""
        return self.lost or "nothing runs"


def _right(resource: str, verbs: str, why: str, **options: Any) -> Right:
    """`resource` as ``jobs.batch``, `verbs` with blanks between them."""
    name, _, group = resource.partition(".")
    return Right(resource=name, group=group, verbs=tuple(verbs.split()), why=why, **options)


ALWAYS = (
    _right("jobs.batch", "create", "the anchor that owns all objects of a trial"),
    _right("jobs.batch", "get", "whose trial it is where an anchor is there already"),
    _right("jobs.batch", "list", "finding trials that a killed tuner left behind"),
    _right("jobs.batch", "patch", "the heartbeat, without which the cluster ends a trial"),
    _right("jobs.batch", "delete", "a trial's end: what the anchor owns goes with it"),
    _right("pods", "list watch", "whether a trial's pods are ready, and what they are"),
    _right("pods", "delete", "a trial's pods are down in seconds, whatever their grace"),
    _right(
        "pods",
        "create",
        "a server-side dry run of the pods, which tells beforehand what quotas and admission refuse; none is made",
    ),
    _right("pods/log", "get", "the log of a server, above all of one that failed"),
    _right("events", "list watch", "what the cluster says of a pod that does not start"),
    _right("services", "create patch", "the Service in front of a trial's pods"),
    _right("services", "get", "the way to the pods where they are not routable"),
    *(
        _right(f"{resource}.apps", "list delete", "ending whoever would make a trial's pods anew")
        for resource in ("deployments", "statefulsets", "replicasets")
    ),
)
IN_CLUSTER = (
    _right(
        "jobs.batch",
        "create patch delete",
        "the Job that holds the load generator, its heartbeat, and its end",
        load="cluster",
    ),
    _right("pods/exec", "create get", "speaking to the load generator in its pod", load="cluster"),
)
"""For load from inside the cluster."""
OPTIONAL = (
    _right(
        "pods/exec",
        "create get",
        "CPU, memory and throttling of exactly the window that was measured, read inside the containers",
        lost="usage is read from the kubelet or the metrics API where that is allowed, less exactly, or not at all",
    ),
    _right(
        "pods/portforward",
        "create get",
        "load from here where neither pods nor Services can be reached",
        lost="the load must run inside the cluster, or where the pods can be reached",
        load="here",
    ),
    _right(
        "resourcequotas",
        "list",
        "knowing what the quota can never allow",
        lost="such a configuration is deployed and fails, instead of being left out",
    ),
    _right(
        "limitranges",
        "list",
        "knowing what a LimitRange can never allow",
        lost="such a configuration is deployed and fails, instead of being left out",
    ),
    *(
        _right(
            resource,
            "list",
            "which labels pods are selected by here, so that nothing takes a trial's pods for production",
            lost="only the usual labels get values of a trial's own, and what else selects its pods is not told",
        )
        for resource in (
            "services",
            "poddisruptionbudgets.policy",
            "horizontalpodautoscalers.autoscaling",
            "networkpolicies.networking.k8s.io",
        )
    ),
    _right(
        "nodes",
        "get list",
        "knowing what no node can ever hold, and on which nodes it was measured",
        lost="such a configuration is deployed and fails as unschedulable, and the result does not describe the nodes",
        cluster=True,
    ),
    _right(
        "leases.coordination.k8s.io",
        "get create update delete",
        "one study measures on a node at a time",
        lost="two studies may measure on one node at once, which is said beside each result",
    ),
    _right(
        "nodes/proxy",
        "get",
        "CPU and memory use from the kubelet, where pods/exec is not allowed",
        lost="nothing where pods/exec is allowed; it opens the kubelet of every node, so no Role that we write holds it",
        cluster=True,
        spare=True,
    ),
    _right(
        "pods.metrics.k8s.io",
        "get",
        "memory use from the metrics API, where pods/exec is not allowed",
        lost="nothing where pods/exec is allowed",
        spare=True,
    ),
    _right(
        "nodes.metrics.k8s.io",
        "get",
        "what others use of a trial's nodes, where the kubelet may not be asked",
        lost="it is not recorded",
        cluster=True,
        spare=True,
    ),
    _right(
        "pods",
        "list",
        "finding the DCGM exporter in another namespace, where GPUs are asked for",
        lost="the exporter is looked for in the trials' own namespace alone",
        cluster=True,
        spare=True,
    ),
    _right(
        "pods/proxy",
        "get",
        "reading the DCGM exporter through the API server, where GPUs are asked for",
        lost="the exporter is read at its own address, where that can be reached",
        cluster=True,
        spare=True,
    ),
    *(
        _right(
            f"{resource}.admissionregistration.k8s.io",
            "list",
            "naming what may have changed a pod that is not what was asked for",
            lost="what was changed is told all the same, without a name",
            cluster=True,
            spare=True,
        )
        for resource in ("mutatingwebhookconfigurations", "mutatingadmissionpolicies")
    ),
)
APPLY = (
    _right("pods", "list watch", "whether the new pods are ready, and what they are"),
    _right("events", "list watch", "what the cluster says of a pod that does not start"),
    _right("pods/log", "get", "the log of a server that fails"),
    _right("services", "get", "the way to the pods where they are not routable"),
    _right(
        "pods/exec",
        "create get",
        "CPU, memory and throttling while it is measured once more, read inside the containers",
        lost="bounds on CPU and memory are not looked at once more",
    ),
    _right(
        "pods/portforward",
        "create get",
        "load from here where neither pods nor Services can be reached",
        lost="`tune apply` must run where the pods can be reached, or with --load cluster, or with --no-measure",
        load="here",
    ),
)
"""For `tune apply`, beside the rights on what it applies."""


MADE_BY_OPERATORS = tuple(
    _right(
        f"{resource}.apps",
        "patch",
        "keeping what an operator made from the garbage collector until its pods are told to go",
        lost="a trial may take its pods' whole grace period to end",
    )
    for resource in ("deployments", "statefulsets")
)


def of_workload(group: str, resource: str, kind: str) -> tuple[Right, ...]:
    """For the objects of a trial that make its pods."""
    made = () if group == "apps" else MADE_BY_OPERATORS
    return (
        Right(group=group, resource=resource, verbs=("create", "patch"), why=f"deploying the manifest's {kind}"),
        Right(group=group, resource=resource, verbs=("get",), why="reading back what was deployed"),
        Right(group=group, resource=resource, verbs=("list", "watch"), why="following its status"),
        Right(group=group, resource=resource, verbs=("delete",), why="ending it before its pods"),
        *made,
    )


def of_companion(group: str, resource: str, kind: str) -> tuple[Right, ...]:
    """For the objects beside them: config maps, Services, claims. A trial's are removed by the cluster."""
    return (
        Right(group=group, resource=resource, verbs=("create", "patch"), why=f"deploying the manifest's {kind}"),
        Right(group=group, resource=resource, verbs=("get",), why="whose it is where one is there already"),
    )


def of_applied(group: str, resource: str, kind: str, *, workload: bool) -> tuple[Right, ...]:
    """For the objects that `tune apply` puts where they stay."""
    rights = (
        Right(group=group, resource=resource, verbs=("get",), why="what is there before, to show and to go back to"),
        Right(group=group, resource=resource, verbs=("create", "patch"), why=f"applying the manifest's {kind}"),
        Right(group=group, resource=resource, verbs=("delete",), why="rolling back where there was none before"),
    )
    watched = Right(group=group, resource=resource, verbs=("list", "watch"), why="following its rollout")
    return (*rights, watched) if workload else rights


def distinct(found: Sequence[Right]) -> Iterator[Right]:
    """The same without a verb on a resource that stood before, at the same scope."""
    seen: set[tuple[str, str, str, bool]] = set()
    for right in found:
        verbs = tuple(verb for verb in right.verbs if (right.group, right.resource, verb, right.cluster) not in seen)
        seen.update((right.group, right.resource, verb, right.cluster) for verb in verbs)
        if verbs:
            yield replace(right, verbs=verbs)
