"""What a workload's containers wrote, as far as it can be read; else why not, in words."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.refusals import NotAllowed, Refused
from tuner.backends.kubernetes.client.resources import Object, name_of
from tuner.backends.kubernetes.pods.diagnosis import WorkloadFault, in_order
from tuner.manifests.kinds.model import mappings

FAILED_LINES = 50
"""So many are kept of a server that failed."""


def of_pods(api: Api, pods: Sequence[Object], tail: int) -> str:
    """Lines are prefixed by the replica (and container) where there are several."""
    written = [
        (index, name, _of_container(api, name_of(pod), name, tail))
        for index, pod in enumerate(in_order(pods))
        for _, container in mappings(pod, ("spec", "containers"))
        for name in [str(container["name"])]
    ]
    if len(written) == 1:
        return written[0][2].rstrip("\n")
    several = len(written) > len(pods)
    return "\n".join(
        f"[replica {index}{f', {name}' if several else ''}] {line}"
        for index, name, text in written
        for line in text.splitlines()
    )


def of_fault(api: Api, fault: WorkloadFault) -> str:
    """The last words of the container it is about; empty where it is about none."""
    return _of_container(api, fault.pod, fault.container, FAILED_LINES, previous=fault.previous) if fault.pod else ""


def _of_container(api: Api, pod: str, container: str, tail: int, *, previous: bool = False) -> str:
    try:
        return api.logs(pod, container, tail=tail, previous=previous)
    except NotAllowed as refused:
        return f"the log cannot be read: {refused}"
    except Refused:
        return _of_container(api, pod, container, tail) if previous else ""  # not started yet, or gone
