"""What a trial's containers use during one window: from inside them where that is allowed, else from the kubelet."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.refusals import NotAllowed, Refused
from tuner.backends.kubernetes.pods import counters
from tuner.backends.kubernetes.pods.counters import Counters
from tuner.backends.kubernetes.pods.gpu import GpuMeter, Gpus
from tuner.errors import EnvironmentFailure
from tuner.manifests.kinds.model import mapping, mappings
from tuner.measure.model import Usage
from tuner.units import quantity

_LEAST_COVER = 0.5
"""The kubelet's own interval between two figures must cover so much of the window, and the window of it."""

Key = tuple[str, str]
"""(pod, container)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    counters: Mapping[Key, Counters]
    at_s: float
    """Monotonic clock."""


class Gauge:
    """Reads the counters of a fixed set of containers by the best way that the given rights allow.

    `notes` says in words what could not be read, and why.
    """

    def __init__(self, api: Api, containers: Sequence[Key], nodes: Mapping[str, str]) -> None:
        """`nodes`: the node of each pod."""
        self._api = api
        self._containers = tuple(containers)
        self._nodes = nodes
        self._ways: list[Callable[[], Mapping[Key, Counters]]] = [self._inside, self._kubelet, self._metrics]
        self._inside_works = True
        self._closed: set[Key] = set()
        self.notes: dict[str, str] = {}

    @property
    def exact(self) -> bool:
        """Counters are of the moment they are read, but those of containers that nothing can be run in."""
        return self._inside_works

    def read(self) -> Snapshot:
        while self._ways:
            try:
                return Snapshot(counters=self._ways[0](), at_s=time.monotonic())
            except EnvironmentFailure as failure:
                self.notes.setdefault(self._ways.pop(0).__name__.strip("_"), str(failure))
                self._inside_works = False
        return Snapshot(counters={}, at_s=time.monotonic())

    def _inside(self) -> Mapping[Key, Counters]:
        """A side-car may hold its program and nothing else: what it uses the others tell."""
        open_ones = [key for key in self._containers if key not in self._closed]
        with ThreadPoolExecutor(max_workers=min(8, len(open_ones))) as pool:
            read = dict(zip(open_ones, pool.map(self._one, open_ones), strict=True))
        found = {key: one for key, one in read.items() if isinstance(one, Counters)}
        if not found:
            raise next(one for one in read.values() if isinstance(one, Refused))
        self._closed.update(read.keys() - found.keys())
        return {**found, **self._outside()} if self._closed else found

    def _one(self, key: Key) -> Counters | Refused:
        try:
            return counters.read(self._api, *key)
        except NotAllowed:
            raise
        except Refused as refused:
            return refused

    def _outside(self) -> Mapping[Key, Counters]:
        """Of the containers that nothing can be run in; where nobody tells, there is no sum."""
        for way in (self._kubelet, self._metrics):
            try:
                told = way()
            except EnvironmentFailure as failure:
                why = str(failure)
            else:
                return {key: told.get(key, Counters(at_s=time.monotonic())) for key in self._closed}
        names = ", ".join(sorted({container for _, container in self._closed}))
        self.notes.setdefault("inside", f"nothing can be run in container {names}, and nobody else tells: {why}")
        return {key: Counters(at_s=time.monotonic()) for key in self._closed}

    def _kubelet(self) -> Mapping[Key, Counters]:
        found: dict[Key, Counters] = {}
        for node in sorted(set(self._nodes.values())):
            path = f"/api/v1/nodes/{node}/proxy/stats/summary"
            told = json.loads(self._api.text(path, {"only_cpu_and_memory": "true"}, what=f"the kubelet of {node}"))
            for _, pod in mappings(told, ("pods",)):
                reference = mapping(pod, ("podRef",))
                if reference.get("namespace") != self._api.namespace:
                    continue
                for _, container in mappings(pod, ("containers",)):
                    key = (str(reference.get("name")), str(container.get("name")))
                    if key in self._containers:
                        found[key] = _from_kubelet(container)
        return found

    def _metrics(self) -> Mapping[Key, Counters]:
        """The metrics API: memory; its CPU figure is a mean over a time of its own, not over the window."""
        found: dict[Key, Counters] = {}
        for pod in sorted(self._nodes):
            path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{self._api.namespace}/pods/{pod}"
            told = self._api.call("GET", path, what=f"the metrics of {pod}")
            for _, container in mappings(told, ("containers",)):
                used = mapping(container, ("usage",)).get("memory")
                memory = int(quantity(str(used))) if used is not None else None
                found[pod, str(container.get("name"))] = Counters(at_s=time.monotonic(), memory_bytes=memory)
        return found


class PodMeter:
    """Started when it is made; implements `tuner.backends.model.UsageMeter`."""

    def __init__(self, gauge: Gauge, restarts: Callable[[], int], gpus: Gpus | None = None) -> None:
        """`restarts` counts those since the pods were ready; `gpus` None: they hold none."""
        self._gauge = gauge
        self._restarts = restarts
        self._gpus = GpuMeter(gpus) if gpus is not None else None
        self._before = gauge.read()

    def stop(self) -> Usage:
        after = self._gauge.read()
        found = usage(self._before, after, exact=self._gauge.exact, restarts=self._restarts())
        if self._gpus is None:
            return found
        told = self._gpus.stop()
        return replace(found, gpu_utilization_ratio=told.utilization_ratio, gpu_memory_bytes=told.memory_bytes)


def usage(before: Snapshot, after: Snapshot, *, exact: bool, restarts: int) -> Usage:
    """The usage between two readings. A sum is None unless every container has it."""
    pairs = [(before.counters[key], now) for key, now in after.counters.items() if key in before.counters]
    peaks = [_largest(then.memory_bytes, now.memory_bytes) for then, now in pairs]
    window_s = after.at_s - before.at_s
    cores = [_cores(then, now, window_s if now.of_the_past or not exact else None) for then, now in pairs]
    pods = [pod for pod, container in after.counters if (pod, container) in before.counters]
    return Usage(
        cpu_cores=_sum(cores),
        memory_peak_bytes=_sum(peaks),
        throttled_ratio=_throttled(pairs),
        restarts=restarts,
        cpu_share=_by_pod(pods, cores),
    )


def _by_pod(pods: Sequence[str], cores: Sequence[float | None]) -> tuple[float, ...]:
    """Each pod's share of all the CPU time; empty unless every container's is known."""
    used = dict.fromkeys(pods, 0.0)
    for pod, one in zip(pods, cores, strict=True):
        if one is None:
            return ()
        used[pod] += one
    total = sum(used.values())
    return tuple(one / total for one in used.values()) if total > 0 else ()


def _cores(then: Counters, now: Counters, window_s: float | None) -> float | None:
    """`window_s`: the counters have times of their own, which must cover the window well enough."""
    if then.cpu_s is None or now.cpu_s is None or now.at_s <= then.at_s:
        return None
    between_s = now.at_s - then.at_s
    if window_s is not None and not window_s * _LEAST_COVER <= between_s <= window_s / _LEAST_COVER:
        return None
    return max(0.0, now.cpu_s - then.cpu_s) / between_s


def _throttled(pairs: Sequence[tuple[Counters, Counters]]) -> float | None:
    total = throttled = 0
    for then, now in pairs:
        if now.periods is None or then.periods is None or now.throttled is None or then.throttled is None:
            continue  # no CPU limit: nothing to be throttled by
        total += now.periods - then.periods
        throttled += now.throttled - then.throttled
    return throttled / total if total > 0 else None


def _from_kubelet(container: Mapping[str, Any]) -> Counters:
    cpu, memory = mapping(container, ("cpu",)), mapping(container, ("memory",))
    used, working_set = cpu.get("usageCoreNanoSeconds"), memory.get("workingSetBytes")
    when = str(cpu.get("time") or "")
    return Counters(
        at_s=datetime.fromisoformat(when).timestamp() if when else 0.0,
        cpu_s=used / 1e9 if used is not None else None,
        of_the_past=True,
        memory_bytes=int(working_set) if working_set is not None else None,
    )


def _largest(*values: int | None) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _sum[N: (int, float)](values: Sequence[N | None]) -> N | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None
