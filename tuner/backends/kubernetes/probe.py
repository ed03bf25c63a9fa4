"""Is there a cluster, and does it answer? Asked by `tune doctor`; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

_TIMEOUT_S = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    reachable: bool
    text: str
    advice: str = ""


def cluster(context: str | None = None) -> Cluster:
    """The cluster of the current kubeconfig context or the one named, or the one this pod runs in."""
    from tuner.backends.kubernetes.client.api import Api
    from tuner.errors import EnvironmentFailure

    try:
        api = Api(context=context, away_at_most_s=_TIMEOUT_S)
    except EnvironmentFailure:
        return Cluster(reachable=False, text="no kubeconfig", advice="set KUBECONFIG to tune on a cluster")
    place = f"{api.cluster} at {api.server}"
    try:
        version = api.call("GET", "/version", what="the version")
    except (EnvironmentFailure, ValueError) as failure:
        return Cluster(reachable=False, text=f"{place} does not answer", advice=str(failure))
    return Cluster(reachable=True, text=f"{place}, Kubernetes {version.get('gitVersion')}")


def rights(namespace: str | None, context: str | None) -> tuple[str, str]:
    """Whether the credentials let trials run in the namespace, and what is missing, in words."""
    from tuner.backends.kubernetes.client.api import Api
    from tuner.backends.kubernetes.client.resources import DEPLOYMENTS
    from tuner.backends.kubernetes.rights.access import missing
    from tuner.backends.kubernetes.rights.access import rights as needed_for

    api = Api(namespace=namespace, context=context, away_at_most_s=_TIMEOUT_S)
    lacking = missing(api, needed_for([DEPLOYMENTS]))
    needed = any(right.needed for right, _ in lacking)
    told = "; ".join(f"may not {verb} {right} ({right.why})" for right, verb in lacking)
    what = "trials can run" if not needed else "trials cannot run"
    return f"{what} in namespace {api.namespace}", told
