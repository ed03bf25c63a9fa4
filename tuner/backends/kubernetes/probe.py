"""Is there a cluster, and does it answer? Asked by `tune doctor`; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

_TIMEOUT_S = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    reachable: bool
    text: str
    advice: str = ""


def cluster() -> Cluster:
    """The cluster of the current kubeconfig context, or the one this pod runs in."""
    from kubernetes import client, config

    try:
        try:
            config.load_kube_config()  # type: ignore[no-untyped-call]
            name = config.list_kube_config_contexts()[1]["name"]  # type: ignore[no-untyped-call]
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
