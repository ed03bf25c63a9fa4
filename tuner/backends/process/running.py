"""A deployed configuration: its processes are ready, alive and what was asked for, or not; what they use and say."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

import psutil

from tuner.backends.model import Difference, Endpoint
from tuner.backends.process.container import readback
from tuner.backends.process.container.conditions import ConditionsMeter
from tuner.backends.process.container.contained import Contained
from tuner.backends.process.container.ports import LOOPBACK
from tuner.backends.process.container.probe import probe
from tuner.backends.process.container.usage import SandboxMeter
from tuner.errors import TrialFailure
from tuner.manifests.model import PodSet
from tuner.units import format_bytes, format_seconds

_PROBED_EVERY_S = 0.05
_GONE_WITHIN_S = 0.1
_LOG_LINES = 50


class ProcessRunning:
    """The containers of all replicas; implements `tuner.backends.model.Running`."""

    def __init__(
        self,
        pods: PodSet,
        containers: Sequence[Contained],
        cpus: tuple[int, ...],
        not_enforced: tuple[str, ...],
        started_at: float,
    ) -> None:
        """`cpus` are those set aside for servers; `started_at` on the monotonic clock."""
        self._pods = pods
        self._cpus = cpus
        self._containers = containers
        self._started_at = started_at
        self.not_enforced = not_enforced
        serving = [one for one in containers if one.container.name == pods.serving]
        self.endpoint = Endpoint(urls=tuple(f"http://{LOOPBACK}:{one.launch.ports[pods.load_port]}" for one in serving))

    def wait_ready(self, deadline_s: float) -> float:
        """Seconds from the deployment until every container's probe succeeded; `deadline_s` counts from this call.

        A serving container without a probe is ready when its port accepts connections.
        """
        end = time.monotonic() + deadline_s
        waiting = {one.label: one for one in self._containers if self._probe_of(one) is not None}
        while True:
            self._raise_if_dead("ready")
            answers = {label: answer for label, one in waiting.items() if (answer := self._probe(one)) is not None}
            waiting = {label: waiting[label] for label in answers}
            if not waiting:
                break
            if time.monotonic() > end:
                raise self._not_ready(waiting, answers, deadline_s)
            time.sleep(_PROBED_EVERY_S)
        startup_s = time.monotonic() - self._started_at
        self._raise_if_dead("ready")
        self.not_enforced += tuple(self._found_when_ready())
        return startup_s

    def differences(self) -> tuple[Difference, ...]:
        found = [difference for one in self._containers for difference in readback.differences(one)]
        running = {one.replica for one in self._containers if one.process.poll() is None}
        if len(running) != self._pods.replicas:
            found.append(Difference(what="replicas", asked=str(self._pods.replicas), found=str(len(running))))
        return tuple(found)

    def check_alive(self) -> None:
        self._raise_if_dead("measure")

    def meter(self) -> SandboxMeter:
        return SandboxMeter(self._containers, self._cpus)

    def watch_conditions(self) -> ConditionsMeter:
        return ConditionsMeter(self._containers, self._cpus)

    def logs(self, tail: int) -> str:
        """Lines are prefixed by the replica (and container) where there are several."""
        if len(self._containers) == 1:
            return "\n".join(self._containers[0].output.tail(tail))
        return "\n".join(f"[{one.label}] {line}" for one in self._containers for line in one.output.tail(tail))

    def metrics_urls(self) -> tuple[str, ...]:
        return tuple(
            f"http://{LOOPBACK}:{one.launch.ports[told.port]}{told.path}"
            for told in self._pods.metrics
            for one in self._containers
            if one.container.name == told.container and told.port in one.launch.ports
        )

    def _raise_if_dead(self, stage: str) -> None:
        for one in self._containers:
            ended = one.process.poll()
            if one.sandbox.oom_kills():
                raise self._out_of_memory(one, stage)
            if ended is not None:
                raise self._crashed(one, stage, ended)

    def _out_of_memory(self, one: Contained, stage: str) -> TrialFailure:
        peak = one.sandbox.memory_peak_bytes()
        limit = one.limits.memory_bytes
        allowed = f"its limit of {format_bytes(limit)}" if limit is not None else "the memory there is"
        reached = f" (peak {format_bytes(peak)})" if peak is not None else ""
        try:  # the count rises an instant before the process is gone
            one.process.wait(_GONE_WITHIN_S)
            whole = ""
        except subprocess.TimeoutExpired:
            whole = "; the kernel ended one of its processes"
        return self._failure(one, stage, "OOMKilled", f"{one.label} needed more than {allowed}{reached}{whole}")

    def _crashed(self, one: Contained, stage: str, ended: int) -> TrialFailure:
        after = format_seconds(time.monotonic() - self._started_at)
        how = f"was ended by {_signal_name(-ended)}" if ended < 0 else f"exited with status {ended}"
        return self._failure(one, stage, "Crashed", f"{one.label} {how} within {after} of its start")

    def _not_ready(self, waiting: dict[str, Contained], answers: dict[str, str], deadline_s: float) -> TrialFailure:
        label, one = next(iter(waiting.items()))
        wanted = self._probe_of(one)
        port = wanted[0] if wanted is not None else 0
        reason = f"{label} was not ready after {format_seconds(deadline_s)}; its probe last got: {answers[label]}"
        listening = sorted({address[1] for address in _listening(one)})
        if port not in listening:
            reason += (
                f"; it listens on {', '.join(map(str, listening)) or 'no port'}, not on {port}, the one it was given: "
                "tell the server in local.env, where {port} stands for it"
            )
        elif (load := self._load_port_of(one)) is not None and load not in listening:
            reason += (
                f"; it listens on {', '.join(map(str, listening))}, not on {load}, which stands here for port "
                f"{self._pods.load}, where the load goes: correct workload.port, or the port that the server is told"
            )
        return self._failure(one, "ready", "NotReady", reason)

    def _failure(self, one: Contained, stage: str, kind: str, reason: str) -> TrialFailure:
        return TrialFailure(stage=stage, kind=kind, reason=reason, logs="\n".join(one.output.tail(_LOG_LINES)))

    def _load_port_of(self, one: Contained) -> int | None:
        """The port here that the load goes to, where it is another than the container's usual one."""
        if self._pods.load is None or one.container.name != self._pods.serving:
            return None
        return one.launch.ports[self._pods.load]

    def _probe_of(self, one: Contained) -> tuple[int, str | None, bool] | None:
        """(port here, path or None for TCP, whether over TLS); None: nothing is probed."""
        asked = one.container.probe
        if asked is not None:
            return one.launch.ports[asked.port], asked.http_path, asked.tls
        return (
            (one.launch.ports[self._pods.load_port], None, False) if one.container.name == self._pods.serving else None
        )

    def _probe(self, one: Contained) -> str | None:
        wanted = self._probe_of(one)
        if wanted is None:
            return None
        answer = probe(*wanted)
        load = self._load_port_of(one)
        if answer is None and load is not None:
            return probe(load, None)  # what is probed need not be what is loaded
        return answer

    def _found_when_ready(self) -> Iterator[str]:
        exposed: dict[str, set[str]] = {}
        for one in self._containers:
            addresses = {address for address, _ in _listening(one) if not ip_address(address).is_loopback}
            exposed.setdefault(one.container.name, set()).update(addresses)
            if readback.overwrote_its_environment(one):
                yield f"{one.label}: its environment could not be read back, the program wrote over it"
        for name, addresses in exposed.items():
            if addresses:
                where = ", ".join(sorted(addresses))
                yield f"container {name} listens on {where}, not on loopback alone, as the server itself decides"


def _listening(one: Contained) -> set[tuple[str, int]]:
    """(address, port) of every listening socket of the container's processes."""
    found: set[tuple[str, int]] = set()
    for pid in one.members():
        try:
            connections = psutil.Process(pid).net_connections(kind="tcp")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        found.update((c.laddr.ip, c.laddr.port) for c in connections if c.status == psutil.CONN_LISTEN and c.laddr)
    return found


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
