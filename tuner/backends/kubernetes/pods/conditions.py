"""How quiet the nodes of a trial's pods are, as the pods themselves can tell.

`/proc/stat` and `/proc/pressure` are not of the container but of the node, so that what reads a container's own counters
(`pods/exec`) tells at the same moment what the whole node did. The kubelet's and the metrics API's figures are older
than a window is long.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.pods import counters
from tuner.backends.kubernetes.pods.counters import Counters
from tuner.errors import EnvironmentFailure
from tuner.manifests.kinds.model import mapping
from tuner.measure.conditions import Conditions
from tuner.units import quantity

_STAT, _PRESSURE, _ONLINE = "/proc/stat", "/proc/pressure/cpu", "/sys/devices/system/cpu/online"
_TICKS = 100
"""A second, of the counters in `/proc/stat`: USER_HZ is 100 on every architecture that Linux still runs on."""
_CPU = re.compile(r"^cpu +(\d[\d ]*)$", re.MULTILINE)
_SOME = re.compile(r"^some .*\btotal=(\d+)$", re.MULTILINE)
_RANGES = re.compile(rf"^==> {re.escape(_ONLINE)} <==\n([\d,-]+)$", re.MULTILINE)
_NO_PROBE = "no probe of its speed: nothing of ours runs on the servers' CPUs of a cluster's node"

Key = tuple[str, str]
"""(pod, container)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReading:
    """Seconds since the node's start. None: it does not tell."""

    busy_s: float
    """Of all CPUs, without steal."""
    steal_s: float
    pressure_s: float | None
    cpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Snapshot:
    at_s: float
    """Monotonic clock."""
    nodes: Mapping[str, NodeReading]
    own: Mapping[Key, Counters]


class NodeMeter:
    """Started when it is made (see `tuner.backends.model.ConditionsMeter`); of several nodes it tells of the one that
    left the servers the least."""

    def __init__(
        self,
        api: Api,
        containers: Sequence[Key],
        nodes: Mapping[str, str],
        limits: Mapping[Key, float | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`nodes`: the node of each pod. `limits`: in cores; None: the container has none."""
        self._api = api
        self._containers = tuple(containers)
        self._nodes = nodes
        self._limits = limits
        self._clock = clock
        self._why = ""
        self._begin_s = clock()
        self._first = self._read()

    def stop(self) -> Conditions:
        first, last = self._first, self._read() if self._first is not None else None
        if first is None or last is None:
            return self._blind(self._why)
        found = [self._of_node(node, first, last) for node in sorted(last.nodes.keys() & first.nodes.keys())]
        if not found:
            return self._blind("the pods do not show their node's /proc/stat")
        return min(found, key=lambda one: 1.0 if one.share is None else one.share)

    def _blind(self, why: str) -> Conditions:
        cores = [limit for limit in self._limits.values() if limit is not None]
        allowed = sum(cores) or 1.0
        return Conditions(
            window_s=max(self._clock() - self._begin_s, 1e-9),
            cpus=allowed,
            allowed_cores=allowed,
            set_aside=False,
            not_told=(f"how quiet the node was cannot be told: {why}", _NO_PROBE),
        )

    def _of_node(self, node: str, first: _Snapshot, last: _Snapshot) -> Conditions:
        before, after = first.nodes[node], last.nodes[node]
        window_s = max(last.at_s - first.at_s, 1e-9)
        keys = [key for key in self._containers if self._nodes.get(key[0]) == node]
        own_s = _grown([first.own.get(key) for key in keys], [last.own.get(key) for key in keys])
        busy_s = max(0.0, after.busy_s - before.busy_s)
        limits = [self._limits.get(key) for key in keys]
        bounded = [limit for limit in limits if limit is not None]
        cpus = float(after.cpus)
        waited = (
            None
            if after.pressure_s is None or before.pressure_s is None
            else max(0.0, after.pressure_s - before.pressure_s)
        )
        return Conditions(
            window_s=window_s,
            cpus=cpus,
            allowed_cores=min(cpus, sum(bounded)) if bounded and len(bounded) == len(limits) else cpus,
            set_aside=False,
            own_cores=None if own_s is None else own_s / window_s,
            others_cores=None if own_s is None else max(0.0, busy_s - own_s) / window_s,
            steal_cores=max(0.0, after.steal_s - before.steal_s) / window_s,
            pressure_ratio=None if waited is None else min(1.0, waited / window_s),
            not_told=(_NO_PROBE,),
        )

    def _read(self) -> _Snapshot | None:
        """None: nothing can be run in the pods."""
        begin = self._clock()
        try:
            with ThreadPoolExecutor(max_workers=min(8, len(self._containers))) as pool:
                said = dict(zip(self._containers, pool.map(self._said, self._containers), strict=True))
        except EnvironmentFailure as failure:
            self._why = str(failure)
            return None
        at_s = (begin + self._clock()) / 2.0
        nodes: dict[str, NodeReading] = {}
        for (pod, _), text in said.items():
            reading = parse(text)
            if reading is not None:
                nodes.setdefault(self._nodes.get(pod, ""), reading)
        return _Snapshot(at_s=at_s, nodes=nodes, own={key: counters.parse(text, at_s) for key, text in said.items()})

    def _said(self, key: Key) -> str:
        return self._api.execute(*key, [*counters.COMMAND, _STAT, _PRESSURE, _ONLINE], any_status=True)


def limit_of(container: Mapping[str, Any]) -> float | None:
    """The CPU limit of a live pod's container, in cores; None: it has none."""
    limit = mapping(container, ("resources", "limits")).get("cpu")
    return None if limit is None else float(quantity(str(limit)))


def parse(text: str) -> NodeReading | None:
    """What `head -v` printed of the node's files; None: its CPU time is not among it."""
    cpu, online = _CPU.search(text), _RANGES.search(text)
    if cpu is None or online is None:
        return None
    ticks = [int(part) for part in cpu[1].split()]
    if len(ticks) < 8:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = ticks  # guests are counted in user and nice as well
    waited = _SOME.search(text)
    return NodeReading(
        busy_s=(user + nice + system + irq + softirq) / _TICKS,
        steal_s=steal / _TICKS,
        pressure_s=None if waited is None else int(waited[1]) / 1e6,
        cpus=_count(online[1]),
    )


def _count(ranges: str) -> int:
    """Of the CPUs in ``0-3,8,10-11``."""
    total = 0
    for part in ranges.split(","):
        low, _, high = part.partition("-")
        total += int(high or low) - int(low) + 1
    return total


def _grown(before: Sequence[Counters | None], after: Sequence[Counters | None]) -> float | None:
    """CPU time of all containers in between; None: one does not tell."""
    total = 0.0
    for then, now in zip(before, after, strict=True):
        if then is None or now is None or then.cpu_s is None or now.cpu_s is None:
            return None
        total += max(0.0, now.cpu_s - then.cpu_s)
    return total if before else None
