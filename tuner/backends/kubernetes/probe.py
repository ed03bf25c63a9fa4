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
    from kubernetes import client, config

    try:
        try:
            config.load_kube_config(context=context)  # type: ignore[no-untyped-call]
            name = context or config.list_kube_config_contexts()[1]["name"]  # type: ignore[no-untyped-call]
        except config.ConfigException:
            config.load_incluster_config()  # type: ignore[no-untyped-call]
            name = "the cluster this pod runs in"
    except config.ConfigException:
        return Cluster(reachable=False, text="no kubeconfig", advice="set KUBECONFIG to tune on a cluster")
    server = client.Configuration.get_default_copy().host
    try:
        version = client.VersionApi().get_code(_request_timeout=_TIMEOUT_S)
    except Exception as error:
        return Cluster(
            reachable=False, text=f"{name} at {server} does not answer", advice=f"{type(error).__name__}: {error}"[:300]
        )
    return Cluster(reachable=True, text=f"{name} at {server}, Kubernetes {version.git_version}")


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
