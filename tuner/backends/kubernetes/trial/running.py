"""A deployed trial: are its pods ready and alive, are they what was asked for, what do they use and say?"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.backends.kubernetes.client.api import BEHIND_S, Api
from tuner.backends.kubernetes.client.forward import PortForward
from tuner.backends.kubernetes.client.resources import EVENTS, NODES, PODS, POLICIES, SERVICES, Object, name_of
from tuner.backends.kubernetes.pods import (
    addresses,
    admission,
    admitted,
    conditions,
    diagnosis,
    gpu,
    logs,
    policies,
    readback,
)
from tuner.backends.kubernetes.pods.addresses import Addresses
from tuner.backends.kubernetes.pods.admitted import Knob
from tuner.backends.kubernetes.pods.beside import Nodes
from tuner.backends.kubernetes.pods.capacity import requests_of
from tuner.backends.kubernetes.pods.conditions import NodeMeter
from tuner.backends.kubernetes.pods.diagnosis import WorkloadFault
from tuner.backends.kubernetes.pods.gpu import Gpus
from tuner.backends.kubernetes.pods.pools import resources
from tuner.backends.kubernetes.pods.readback import Change
from tuner.backends.kubernetes.pods.startup import Startup
from tuner.backends.kubernetes.pods.usage import Gauge, PodMeter
from tuner.backends.kubernetes.pods.watch import Watch
from tuner.backends.kubernetes.trial import neighbours
from tuner.backends.kubernetes.trial.anchor import Holding
from tuner.backends.kubernetes.trial.load_job import LOAD, inside
from tuner.backends.kubernetes.trial.node_lease import NodeLeases
from tuner.backends.kubernetes.trial.objects import MANAGED_BY, MANAGER, STUDY, TRIAL, Identity
from tuner.backends.model import Admitted, Difference, Endpoint
from tuner.errors import BackendFailure, EnvironmentFailure, TrialFailure
from tuner.manifests.kinds.model import Service, WorkloadKind, at, mapping, mappings
from tuner.manifests.model import PodSet
from tuner.measure.model import NodeUsed
from tuner.space.model import Admission
from tuner.units import format_seconds

_ASKED_AGAIN_AFTER_S = 0.5
_COUNTED_EVERY_S = 1.0
_AWAY_S = 5.0
_WORTH_TELLING_S = 1.0
"""A wait for the cluster that is told beside the result."""
_UNHURRIED_KINDS = ("Deployment", "StatefulSet")
_TAKEN_BY_OTHERS = frozenset({"Unschedulable", "QuotaExceeded"})
_OTHERS_SEEN_EVERY_S = 2.0
_LEAVES_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A trial's workload as it was put into the cluster."""

    identity: Identity
    pods: PodSet
    kind: WorkloadKind
    workload: Mapping[str, Any]
    service: Service
    """In front of the pods: the manifest's, an operator's, or ours."""
    template: Mapping[str, Any] | None
    """The pod template; None where an operator makes the pods."""
    holding: Holding
    started_at: float
    """Monotonic clock, when the first object was made."""
    made_at: str
    """The anchor's creation, on the API server's clock."""


class KubernetesRunning:
    """Implements `tuner.backends.model.Running`."""

    def __init__(
        self,
        api: Api,
        placed: Placed,
        *,
        ready_timeout_s: float,
        said: Sequence[str] = (),
        load_node: str = "",
        load_holds: str = "",
        knobs: Sequence[Knob] | None = None,
        admission_is: Admission = "accept",
        leases: NodeLeases | None = None,
        turn: NodeLeases | None = None,
        routable: Callable[[str, int], bool] = addresses.routable,
    ) -> None:
        """`load_node`: the node of the load generator inside the cluster; empty: the load comes from here.
        `load_holds`: what that takes of the namespace's quotas, in words. `knobs`: those that stand in a pod; None: not
        known, so that nothing that was asked for may differ. `admission_is`: what becomes of all else that differs.
        `leases`: of the nodes it is measured on; None: they are not held. `turn`: to get nodes, let go when it has them;
        None: no other trial of the study runs meanwhile. `routable`: whether packets from here get to an address and
        port.
        """
        self._leases = leases
        self._turn = turn
        self._others_seen = (-math.inf, False)
        self._nodes_used: Nodes | None = None
        self._routable = routable
        self._api = api
        self._load_node = load_node
        self._load_holds = load_holds
        self._knobs = knobs
        self._accepts = admission_is == "accept"
        self._added: dict[str, None] = {}
        self._placed = placed
        self._ready_timeout_s = ready_timeout_s
        self._said = list(said)
        self._addresses: Addresses | None = None
        self._forwards: list[PortForward] = []
        self._ready: list[Object] = []
        self._gauge: Gauge | None = None
        self._gpus: Gpus | None = None
        self._oom_kills: dict[tuple[str, str], int] = {}
        self._counted_at = 0.0
        self._startup = Startup(placed.started_at)
        self._waits_since: float | None = None
        self._waited_for: dict[str, str] = {}
        self._tell_waiting: Callable[[str], None] = lambda _: None
        self._watch = Watch(
            api,
            pods=placed.holding.pods,
            name=placed.holding.name,
            workload=api.resource_of(placed.workload),
            since=placed.made_at,
            excused=lambda fault: bool(self._nodes_away(fault)) or self._may_pass_with_others(fault),
        )

    @property
    def not_enforced(self) -> tuple[str, ...]:
        notes = self._gauge.notes if self._gauge is not None else {}
        used = [f"usage was not read {_WAYS[way]}: {why}" for way, why in notes.items()]
        if self._gpus is not None and self._gpus.note:
            used.append(f"the usage of the GPUs was not read: {self._gpus.note}")
        return (*self._said, *used)

    @property
    def endpoint(self) -> Endpoint:
        """Known once every pod has an address: asking for it waits for that, and raises what `wait_ready` does."""
        if self._addresses is None:
            self._addresses = self._find_addresses()
            self._said.extend(self._addresses.said)
        return Endpoint(urls=self._addresses.urls, load_from=self._addresses.load_from)

    def wait_ready(self, deadline_s: float) -> float:
        end = self._end(deadline_s)
        self._wait(lambda: self._all_ready() or None, end, deadline_s)
        self._ready = self._watch.pods()
        startup_s = self._startup.took_s(self._ready, time.monotonic())
        self._say_waited()
        urls = self.endpoint.urls
        if self._at_own_addresses() and urls != self._pod_urls(self._ready):
            raise self._failed(
                "ready", WorkloadFault(kind="Removed", reason="a pod was replaced by another while it started")
            )
        self._watch.close()
        if self._turn is None:
            self._others_are_gone(end)
        self._hold_nodes()
        if self._turn is not None:
            self._leaving_are_gone(time.monotonic() + _LEAVES_WITHIN_S)
        self._nodes_used = Nodes(self._api, self._ready, self._own_nodes())
        self._are_only_ours()
        self._said.extend(readback.uneven_images(self._ready))
        self._gauge = Gauge(self._api, self._containers(), {name_of(p): str(at(p, _NODE)) for p in self._ready})
        self._gpus = Gpus(self._api, self._ready) if gpu.asked(self._ready) else None
        if (found := self._child_out_of_memory()) is not None:
            raise self._failed("ready", found)
        return startup_s

    def tell_waiting(self, tell: Callable[[str], None]) -> None:
        """Implements `tuner.backends.model.TellsWaiting`."""
        self._tell_waiting = tell

    def metrics_urls(self) -> tuple[str, ...]:
        """Of the pods' own addresses alone: through a Service or a port-forward another pod, or none, would answer."""
        own = self._ready if self._at_own_addresses() else []
        return addresses.metrics_urls(own, self._placed.pods.metrics)

    def differences(self) -> tuple[Difference, ...]:
        workload = self._placed.workload
        there = self._api.get(self._api.resource_of(workload), workload["metadata"]["name"])
        suspects = functools.cache(lambda: admission.of_pods(self._api))
        placed = self._placed
        return tuple(
            readback.differences(placed.pods, placed.template, self._live(), there, suspects, self._is_accepted)
        )

    def admitted(self) -> Admitted:
        """Implements `tuner.backends.model.TellsAdmitted`."""
        pods = self._placed.pods
        if not self._ready:
            return Admitted(pods=pods)
        found = admitted.as_admitted(pods, self._ready[0])
        beside = (one.name for one in found.added if one.name not in {known.name for known in pods.added})
        said = (*self._added, *(f"container {name} was added" for name in beside))
        return Admitted(pods=found, said=tuple(dict.fromkeys(said)))

    def check_alive(self) -> None:
        """A node that looks lost right after the API server was away is given time to be heard of again."""
        end = time.monotonic() + BEHIND_S
        while (found := self._fault_now()) is not None:
            only_unheard = found.kind == "NodeLost" and self._api.was_away(BEHIND_S)
            if not only_unheard or time.monotonic() > end:
                raise self._failed("measure", found)
            time.sleep(_ASKED_AGAIN_AFTER_S)

    def meter(self) -> PodMeter:
        if self._gauge is None:
            raise ValueError("there is nothing to measure before `wait_ready` has returned")
        return PodMeter(self._gauge, self._restarts_since_ready, self._gpus)

    def watch_conditions(self) -> NodeMeter:
        """Implements `tuner.backends.model.TellsConditions`."""
        nodes = {name_of(pod): str(at(pod, _NODE)) for pod in self._ready}
        limits = {
            (name_of(pod), str(one["name"])): conditions.limit_of(one)
            for pod in self._ready
            for one in admitted.running_containers(pod)
        }
        return NodeMeter(self._api, self._containers(), nodes, limits)

    def logs(self, tail: int) -> str:
        try:
            return logs.of_pods(self._api, self._live(), tail)
        except EnvironmentFailure as failure:
            return f"the log cannot be read: {failure}"

    def images(self) -> tuple[str, ...]:
        """Implements `tuner.backends.model.NamesImages`."""
        return readback.images(self._ready)

    def blocked(self) -> str | None:
        """Implements `tuner.backends.model.TellsBlocked`."""
        study = self._placed.identity.labels[STUDY]
        source = {LOAD: "true", MANAGED_BY: MANAGER, STUDY: study}
        try:
            there = self._api.items(POLICIES)
            generators = self._api.items(PODS, labels=f"{LOAD}=true,{STUDY}={study}") if self._load_node else []
            source.update(*(mapping(pod, ("metadata", "labels")) for pod in generators[:1]))
        except EnvironmentFailure:
            return None
        port = self._port(self._ready)
        for pod in self._ready:
            names = policies.closed(
                there,
                namespace=self._api.namespace,
                pod=pod,
                source=source if self._load_node else None,
                port=port,
            )
            if names:
                return (
                    f"the pods are ready, but NetworkPolicy {', '.join(names)} lets no load through to port {port} of them: "
                    "`tune rbac --network-policy` writes the rule that load needs"
                )
        return None

    def nodes(self) -> tuple[NodeUsed, ...]:
        """Implements `tuner.backends.model.NamesNodes`."""
        return self._nodes_used.used() if self._nodes_used is not None else ()

    def close(self) -> None:
        self._watch.close()
        if self._turn is not None:
            self._turn.let_go()
        if self._leases is not None:
            self._leases.let_go()
        for forward in self._forwards:
            forward.close()

    # waiting

    def _wait[T](self, look: Callable[[], T | None], end: float, deadline_s: float) -> T:
        """What `look` finds. Raises TrialFailure as soon as a fault is certain, or when it is not found in time."""

        def observed() -> T | None:
            self._observe()
            return look()

        while True:
            found = self._watch.wait(observed, end)
            if found is not None or not (self._cluster_is_behind() or self._waits_for_others()):
                break
            end = time.monotonic() + deadline_s  # the servers have not had it yet
        if isinstance(found, WorkloadFault):
            raise self._failed("ready", found)
        if found is None:
            raise self._too_late(deadline_s)
        return found

    def _end(self, deadline_s: float) -> float:
        """Of all waiting, for addresses and for readiness together."""
        if self._waits_since is None:
            self._waits_since = time.monotonic()
        return self._waits_since + deadline_s

    def _observe(self) -> None:
        pods, events = self._watch.pods(), self._watch.events()
        self._startup.saw(pods, events, time.monotonic())
        if self._turn is not None and self._have_nodes():
            self._turn.let_go()
        found = self._watch.awaited()
        if found is not None and self._waited_for.get(found.what) != found.text:
            self._waited_for[found.what] = found.text
            self._tell_waiting(f"wait for {found.text}")

    def _say_waited(self) -> None:
        waited_s = self._startup.waited_s(self._ready)
        if waited_s > _WORTH_TELLING_S:
            what = "; ".join(self._waited_for.values()) or "the cluster"
            self._said.append(f"waited {format_seconds(waited_s)}, which is not counted as start-up, for {what}")

    def _cluster_is_behind(self) -> bool:
        """Its controllers have not made all pods, or nodes have not begun with them: they may still not have found the
        API server again.
        """
        begun = [pod for pod in self._watch.pods() if mappings(pod, ("status", "containerStatuses"))]
        return self._api.was_away(BEHIND_S) and len(begun) < self._placed.pods.replicas

    def _waits_for_others(self) -> bool:
        """Its pods have no nodes yet, and those of other trials of the study take room."""
        return not self._have_nodes() and self._others_run()

    def _have_nodes(self) -> bool:
        """All of its pods have one."""
        pods = self._watch.pods()
        return len(pods) == self._placed.pods.replicas and all(at(pod, _NODE) for pod in pods)

    def _may_pass_with_others(self, fault: WorkloadFault) -> bool:
        """Room, or quota, that other trials of the study take comes back."""
        return fault.kind in _TAKEN_BY_OTHERS and self._others_run()

    def _others_run(self) -> bool:
        """Whether other trials of the study have pods, as it was a moment ago."""
        if self._turn is None:
            return False
        if time.monotonic() - self._others_seen[0] > _OTHERS_SEEN_EVERY_S:
            self._others_seen = (time.monotonic(), bool(self._other_pods()))
        return self._others_seen[1]

    def _other_pods(self) -> list[Object]:
        """Of other trials of this study."""
        identity = self._placed.identity
        study = f"{identity.selector.partition(',')[0]},{TRIAL}"
        there = self._api.items(PODS, labels=study)
        return [pod for pod in there if mapping(pod, ("metadata", "labels")).get(TRIAL) != str(identity.trial)]

    def _nodes_away(self, fault: WorkloadFault) -> list[str]:
        """Those for which the pods may be waiting, which is not their fault."""
        if not fault.may_be_the_nodes:
            return []
        return diagnosis.nodes_away(self._watch.nodes())

    def _all_ready(self) -> bool:
        pods = self._watch.pods()
        ready = len(pods) == self._placed.pods.replicas and all(diagnosis.is_ready(pod) for pod in pods)
        if not ready or self._placed.kind.kind in _UNHURRIED_KINDS:
            return ready  # their own status only repeats later what the pods say now
        workload = self._watch.workload()
        return workload is not None and self._placed.kind.waiting(workload) is None

    def _too_late(self, deadline_s: float) -> Exception:
        self._watch.raise_if_away(_AWAY_S)
        pods, workload, fault = self._watch.pods(), self._watch.workload(), self._watch.fault()
        if fault is not None and (away := self._nodes_away(fault)):
            return BackendFailure(f"away for {format_seconds(deadline_s)}: {', '.join(away)}; {fault.reason}")
        said = self._watch.last_words(self._placed.pods.replicas)
        awaited = self._watch.awaited()
        if awaited is not None:
            said = f"it still waits for {awaited.text}"
        if workload is not None and (why := self._placed.kind.waiting(workload)) is not None:
            said = f"{said} ({self._placed.kind.kind}: {why})"
        if not self._has_service():
            said = f"{said}; the operator has made no Service {self._placed.service.name}"
        ready = sum(diagnosis.is_ready(pod) for pod in pods)
        reason = (
            f"{ready} of {self._placed.pods.replicas} replicas were ready after {format_seconds(deadline_s)}; "
            f"the last that was said: {said}"
        )
        if self._api.was_away(deadline_s + BEHIND_S):
            return BackendFailure(f"{reason}; the API server was away meanwhile")
        kind = "Unschedulable" if awaited is not None and awaited.what == "node" else "NotReady"
        return TrialFailure(stage="ready", kind=kind, reason=reason, logs=self.logs(logs.FAILED_LINES))

    def _others_are_gone(self, end: float) -> None:
        """No measurement starts beside the pods of another trial of this study."""
        study = f"{self._placed.identity.selector.partition(',')[0]},{TRIAL}"
        mine = {name_of(pod) for pod in self._ready}
        while others := [p for p in self._api.items(PODS, labels=study) if name_of(p) not in mine]:
            if time.monotonic() > end:
                names = ", ".join(map(name_of, others))
                raise BackendFailure(f"pods of another trial of this study are still there: {names}")
            time.sleep(0.1)

    def _leaving_are_gone(self, end: float) -> None:
        """Whatever trial was measured here before is still being taken down when it lets go of the node."""
        nodes = {at(pod, _NODE) for pod in self._ready}
        while time.monotonic() < end and any(
            at(pod, _NODE) in nodes and pod["metadata"].get("deletionTimestamp") for pod in self._other_pods()
        ):
            time.sleep(_ASKED_AGAIN_AFTER_S)

    def _are_only_ours(self) -> None:
        """Nothing that was there before takes them for production: their operator or admission may have labelled them.

        Raises TrialFailure.
        """
        if not self._placed.holding.anchor:
            return  # they are to stay, and are production
        others = neighbours.read(self._api).before(self._placed.made_at)
        for pod in self._ready:
            for one in others.of(mapping(pod, ("metadata", "labels"))):
                if one.harms:
                    reason = f"{one} selects pod {name_of(pod)}, and {one.does}; it is taken down"
                    raise self._failed("ready", WorkloadFault(kind="SelectedByOthers", reason=reason))

    def _is_accepted(self, change: Change) -> bool:
        """Whether what admission did may stay; it is recorded then. An operator has to pass on all that was asked for."""
        knob = not change.added if self._knobs is None else admitted.changes_a_knob(change, self._knobs)
        lost = self._placed.template is None and change.found in ("not set", "not there")
        if knob or lost or not self._accepts:
            return False
        self._added.setdefault(admitted.sentence(change))
        return True

    def _hold_nodes(self) -> None:
        """No measurement starts on a node that another study, or another trial of this one, measures on. Of trials
        beside each other the load generators may share a node: else none of these would measure beside another."""
        if self._leases is None:
            return
        nodes = [str(at(pod, _NODE)) for pod in self._ready]
        generator = [self._load_node] if self._load_node and self._turn is None else []
        self._leases.take([*nodes, *generator], self._tell_waiting)
        if self._leases.note:
            self._said.append(self._leases.note)

    # addresses

    def _find_addresses(self) -> Addresses:
        urls = self._wait(self._urls_of_all, self._end(self._ready_timeout_s), self._ready_timeout_s)
        pods = self._watch.pods()
        if self._load_node:
            return inside(urls, self._load_node, [str(at(pod, _NODE)) for pod in pods])
        port = self._port(pods)
        first = str(at(pods[0], ("status", "podIP")))
        if self._routable(first, port):
            return Addresses(urls=urls)
        service = self._api.get(SERVICES, self._placed.service.name)
        for address, number, what in addresses.through_service(service, self._nodes()):
            if self._routable(address, number):
                return addresses.detour(address, number, what)
        self._forwards = [PortForward(self._api, name_of(pod), port) for pod in pods]
        return addresses.forwarded(tuple(forward.url for forward in self._forwards))

    def _urls_of_all(self) -> tuple[str, ...] | None:
        pods = self._watch.pods()
        all_there = len(pods) == self._placed.pods.replicas and self._has_service()
        return (self._pod_urls(pods) or None) if all_there else None

    def _has_service(self) -> bool:
        """An operator may make its Service after the pods, and the Service alone tells which port is asked."""
        return self._placed.template is not None or self._api.get(SERVICES, self._placed.service.name) is not None

    def _pod_urls(self, pods: Sequence[Object]) -> tuple[str, ...]:
        return addresses.pod_urls(pods, self._port(pods)) if pods else ()

    def _port(self, pods: Sequence[Object]) -> int:
        """Behind an operator's Service there may be an orchestrator, on a port that the manifest does not name."""
        if self._placed.template is not None or self._placed.pods.load is not None:
            return self._placed.pods.load_port
        service = self._placed.service
        there = self._api.get(SERVICES, service.name)
        return addresses.target_port(there, service.port, pods[0]) or self._placed.pods.port

    def _at_own_addresses(self) -> bool:
        detour = self._forwards or (self._addresses is not None and self._addresses.said)
        return bool(self._load_node) or not detour

    def _nodes(self) -> list[Object]:
        try:
            return self._api.items(NODES)
        except EnvironmentFailure:
            return []

    def _own_nodes(self) -> list[Object]:
        """Those that its pods are on, each asked for: a large cluster's list is long."""
        names = sorted({str(at(pod, _NODE)) for pod in self._ready})
        try:
            return [node for name in names if (node := self._api.get(NODES, name)) is not None]
        except EnvironmentFailure:
            return []

    # life after ready

    def _live(self) -> list[Object]:
        return diagnosis.in_order(self._api.items(PODS, labels=self._placed.holding.pods))

    def _fault_now(self) -> WorkloadFault | None:
        live = self._live()
        found = diagnosis.fault(live, self._events_of_unready(live), None)
        return found or self._missing(live) or self._child_out_of_memory()

    def _events_of_unready(self, live: Sequence[Object]) -> list[Object]:
        """Events of pods that are not ready any more: a lost node's pods look as if they ran on."""
        if all(map(diagnosis.is_ready, live)):
            return []
        return diagnosis.about(
            self._api.items(EVENTS), live, name=self._placed.holding.name, since=self._placed.made_at
        )

    def _missing(self, live: Sequence[Object]) -> WorkloadFault | None:
        there = {at(pod, ("metadata", "uid")) for pod in live}
        for index, pod in enumerate(self._ready):
            if at(pod, ("metadata", "uid")) not in there:
                return WorkloadFault(kind="Removed", reason=f"replica {index} (pod {name_of(pod)}) is gone")
        return None

    def _restarts_since_ready(self) -> int:
        before = sum(diagnosis.restarts(pod) for pod in self._ready)
        return sum(diagnosis.restarts(p) for p in self._live()) - before

    def _child_out_of_memory(self) -> WorkloadFault | None:
        """A process that the kernel ended inside a container that goes on: only the control group's count tells."""
        if self._gauge is None or not self._gauge.exact or time.monotonic() - self._counted_at < _COUNTED_EVERY_S:
            return None
        before = dict(self._oom_kills)
        found = self._gauge.read().counters
        self._oom_kills.update({key: one.oom_kills for key, one in found.items() if one.oom_kills is not None})
        self._counted_at = time.monotonic()
        for index, pod in enumerate(self._ready):
            for _, container in mappings(pod, ("spec", "containers")):
                key = (name_of(pod), str(container["name"]))
                if self._oom_kills.get(key, 0) > before.get(key, 0):
                    return diagnosis.child_out_of_memory(f"replica {index}", pod, key[1])
        return None

    def _containers(self) -> list[tuple[str, str]]:
        return [(name_of(pod), str(c["name"])) for pod in self._ready for c in admitted.running_containers(pod)]

    # failures

    def _failed(self, stage: str, fault: WorkloadFault) -> TrialFailure:
        reason = fault.reason
        if fault.kind == "Unschedulable":
            names = [name for name in requests_of(self._placed.pods) if f"Insufficient {name}" in reason]
            told = resources(self._nodes(), names) if names else ""
            reason = f"{reason} ({told})" if told else reason
        if fault.kind == "QuotaExceeded" and self._load_holds:
            reason = f"{reason}; {self._load_holds}"
        return TrialFailure(stage=stage, kind=fault.kind, reason=reason, logs=logs.of_fault(self._api, fault))


_NODE = ("spec", "nodeName")
_WAYS = {
    "inside": "inside the containers",
    "kubelet": "from the kubelet (/stats/summary)",
    "metrics": "from the metrics API",
}
