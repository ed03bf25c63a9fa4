"""Trials on a Kubernetes cluster. The only room, with the manifest check, that imports the kubernetes client.

Here lives all that turns a rendered manifest into the objects of one trial (`objects`), owned by one (`anchor`), and
takes them down again (`teardown`); what became of them (`running`, `feed`, `diagnosis`), whether they are what was asked
for (`readback`, `admission`), where they answer (`addresses`, `forward`) and what they use (`usage`, `counters`, `gpu`); and what is asked of
the cluster beforehand (`preflight`, `access`, `capacity`). All talk with the API server goes through `api`. How the
servers are put under load, and which configuration comes next, is none of its business.
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
