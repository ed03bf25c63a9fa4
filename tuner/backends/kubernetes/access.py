"""Which rights a trial needs, and whether the given credentials have them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tuner.backends.kubernetes.api import Api, Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """`why` says what it is needed for. `needed` False: without it a trial runs, and its result says what is missing."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str
    needed: bool = True
    cluster: bool = False
    """Held at the cluster scope (a ClusterRole), not in the namespace."""

    def __str__(self) -> str:
        return f"{self.resource}.{self.group}" if self.group else self.resource


ALWAYS = (
    Right(
        group="batch",
        resource="jobs",
        verbs=("create", "get", "list", "patch", "delete"),
        why="the anchor that owns a trial's objects",
    ),
    Right(
        group="",
        resource="pods",
        verbs=("get", "list", "watch", "delete", "create"),
        why="watching and ending a trial's pods",
    ),
    Right(group="", resource="pods/log", verbs=("get",), why="logs of a server that failed"),
    Right(
        group="", resource="events", verbs=("list", "watch"), why="what the cluster says of a pod that does not start"
    ),
    Right(
        group="", resource="services", verbs=("get", "list", "create", "patch", "delete"), why="the Service of a trial"
    ),
    Right(group="apps", resource="deployments", verbs=("list", "delete"), why="ending whoever makes new pods"),
    Right(group="apps", resource="statefulsets", verbs=("list", "delete"), why="ending whoever makes new pods"),
    Right(group="apps", resource="replicasets", verbs=("list", "delete"), why="ending whoever makes new pods"),
)
OPTIONAL = (
    Right(
        group="",
        resource="pods/exec",
        verbs=("create", "get"),
        why="exact CPU and memory use of a window",
        needed=False,
    ),
    Right(
        group="",
        resource="pods/portforward",
        verbs=("create", "get"),
        why="load where no pod is routable",
        needed=False,
    ),
    Right(group="", resource="resourcequotas", verbs=("list",), why="what the quota can never allow", needed=False),
    Right(group="", resource="limitranges", verbs=("list",), why="what a LimitRange can never allow", needed=False),
    Right(
        group="", resource="nodes", verbs=("get", "list"), why="what no node can ever hold", needed=False, cluster=True
    ),
    Right(
        group="",
        resource="nodes/proxy",
        verbs=("get",),
        why="CPU and memory use from the kubelet",
        needed=False,
        cluster=True,
    ),
    Right(group="metrics.k8s.io", resource="pods", verbs=("get",), why="memory use from the metrics API", needed=False),
)


def rights(resources: Sequence[Resource]) -> tuple[Right, ...]:
    """All that trials with objects of these kinds need, the optional ones last."""
    made = [
        Right(
            group=resource.api_version.rpartition("/")[0],
            resource=resource.plural,
            verbs=("create", "get", "list", "watch", "patch", "delete"),
            why=f"the manifest's {resource.kind}",
        )
        for resource in dict.fromkeys(resources)
    ]
    return tuple(_merged([*ALWAYS, *made, *OPTIONAL]))


def missing(api: Api, wanted: Sequence[Right]) -> tuple[tuple[Right, str], ...]:
    """(right, verb) that the credentials do not have."""
    asked = [(right, verb) for right in wanted for verb in right.verbs]
    with ThreadPoolExecutor(max_workers=4) as pool:
        allowed = list(pool.map(lambda pair: _allowed(api, *pair), asked))
    return tuple(pair for pair, yes in zip(asked, allowed, strict=True) if not yes)


def _allowed(api: Api, right: Right, verb: str) -> bool:
    resource, _, sub = right.resource.partition("/")
    attributes = {"verb": verb, "group": right.group, "resource": resource, "subresource": sub}
    if not right.cluster:
        attributes["namespace"] = api.namespace
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = api.call("POST", path, body=review, what="an access review")
    return bool(answer.get("status", {}).get("allowed"))


def _merged(found: Sequence[Right]) -> Iterator[Right]:
    """One a resource, with all its verbs, in the order met."""
    keys = list(dict.fromkeys((right.group, right.resource) for right in found))
    for key in keys:
        same = [right for right in found if (right.group, right.resource) == key]
        first = same[0]
        yield Right(
            group=first.group,
            resource=first.resource,
            verbs=tuple(dict.fromkeys(verb for right in same for verb in right.verbs)),
            why=first.why,
            needed=any(right.needed for right in same),
            cluster=first.cluster,
        )
