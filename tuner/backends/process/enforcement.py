"""What of a manifest this machine cannot do, in words: what rules a configuration out, and what is not enforced."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tuner.backends.process.machine import Machine
from tuner.backends.process.sandbox.model import Limiter, Limits
from tuner.manifests.model import Container, PodSet
from tuner.space.model import LocalImage
from tuner.units import format_bytes, format_cores, quantity

_STANDARD = ("cpu", "memory", "ephemeral-storage")
_GPU = "nvidia.com/gpu"
_MIN_CORES = 0.01


def limits_of(container: Container) -> Limits:
    """The container's CPU and memory limits as numbers."""
    cpu, memory = container.limits.get("cpu"), container.limits.get("memory")
    return Limits(
        cpu_cores=float(quantity(cpu)) if cpu is not None else None,
        memory_bytes=int(quantity(memory)) if memory is not None else None,
    )


def insufficient(pods: PodSet, machine: Machine) -> str | None:
    """Why these pods do not fit on this machine, as the scheduler of Kubernetes would say it; None: they fit."""
    cores = _total(pods, "cpu")
    if cores > len(machine.server_cpus):
        kept = (
            "they are the load generator's too"
            if machine.shared
            else f"{len(machine.generator_cpus)} kept for the load generator"
        )
        return (
            f"Insufficient cpu: {cores:.6g} requested, {len(machine.server_cpus)} available to servers on this machine "
            f"(of {machine.cpus}; {kept})"
        )
    memory = _total(pods, "memory")
    if memory > machine.memory_bytes:
        there = format_bytes(machine.memory_bytes)
        return f"Insufficient memory: {format_bytes(memory)} requested, this machine has {there}"
    extended = {name for container in pods.containers for name in container.requests if name not in _STANDARD}
    for name in sorted(extended):
        present = machine.gpus if name == _GPU else 0
        if _total(pods, name) > present:
            return f"Insufficient {name}: {_total(pods, name):.6g} requested, {present} on this machine"
    return None


def not_enforced(
    pods: PodSet, images: dict[str, LocalImage], machine: Machine, limiter: Limiter, overcommitted: str | None
) -> Iterator[str]:
    """Sentences, with numbers. `images` by container name; `overcommitted` as `insufficient` says it."""
    if overcommitted is not None:
        yield f"{overcommitted}; it was run all the same (local.overcommit)"
    if machine.shared:
        yield "the load generator and the servers share the only CPU this machine has"
    total = sum(limits_of(container).cpu_cores or 0.0 for container in pods.containers) * pods.replicas
    if total > len(machine.server_cpus):
        there = _cpus(len(machine.server_cpus))
        yield f"the CPU limits of all replicas add up to {format_cores(total)}, but the servers have {there} here"
    for container in pods.containers:
        yield from _of_container(container, images[container.name], machine, limiter)


def _of_container(container: Container, image: LocalImage, machine: Machine, limiter: Limiter) -> Iterator[str]:
    limits, who = limits_of(container), f"container {container.name}"
    if limits.cpu_cores is not None and not limiter.enforces_cpu:
        pinned = min(len(machine.server_cpus), max(1, math.ceil(limits.cpu_cores)))
        yield (
            f"{who}: the CPU limit of {format_cores(limits.cpu_cores)} is not enforced, no control group for CPU can "
            f"be written here; each replica is pinned to {_cpus(pinned)} instead"
        )
    elif limits.cpu_cores is not None and limits.cpu_cores < _MIN_CORES:
        asked = f"the CPU limit of {limits.cpu_cores:.3g} cores"
        yield f"{who}: {asked} is raised to {_MIN_CORES}, the least the kernel takes"
    if limits.memory_bytes is not None and not limiter.enforces_memory:
        yield (
            f"{who}: the memory limit of {format_bytes(limits.memory_bytes)} is not enforced, no control group for "
            "memory can be written here"
        )
    for name, amount in container.limits.items():
        if name not in ("cpu", "memory"):
            yield f"{who}: {name}: {amount} is not set apart for it; processes of this machine share it"
    missing = [name for name in container.unresolved_env if name not in image.env]
    if missing:
        yield (
            f"{who}: {', '.join(missing)} come{'s' if len(missing) == 1 else ''} from a secret, config map or field "
            "and is not set here; give it in local.env"
        )


def _total(pods: PodSet, resource: str) -> float:
    each = sum(quantity(container.requests.get(resource, "0")) for container in pods.containers)
    return float(each * pods.replicas)


def _cpus(count: int) -> str:
    return f"{count} CPU" if count == 1 else f"{count} CPUs"
