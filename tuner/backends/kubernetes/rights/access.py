"""Whether the given credentials have the rights that a trial needs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.resources import ApiResource
from tuner.backends.kubernetes.rights.table import ALWAYS, OPTIONAL, Right, distinct, of_workload


def rights(resources: Sequence[ApiResource]) -> tuple[Right, ...]:
    """All that trials of workloads of these kinds need, the optional ones last."""
    made = [
        right
        for resource in dict.fromkeys(resources)
        for right in of_workload(resource.api_version.rpartition("/")[0], resource.plural, resource.kind)
    ]
    return tuple(distinct([*ALWAYS, *made, *OPTIONAL]))


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
