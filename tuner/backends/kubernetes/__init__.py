"""Trials on a Kubernetes cluster. The only room, with the manifest check, that imports the kubernetes client.

`client` speaks with the API server; `rights` is what that has to allow, `pods` what becomes of a workload's pods;
`trial` turns a rendered manifest into the objects of one trial and takes them down again; `rollout` applies what is to
stay. `backend` ties them together, and `probe` is what `tune doctor` asks. How the servers are put under load, and
which configuration comes next, is none of its business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.backends.kubernetes.backend import KubernetesBackend

__all__ = ["KubernetesBackend"]


def __getattr__(name: str) -> Any:
    """The client takes its time to import: `tune doctor` needs only the probe."""
    if name == "KubernetesBackend":
        from tuner.backends.kubernetes.backend import KubernetesBackend

        return KubernetesBackend
    raise AttributeError(name)
