"""What a trial's GPUs do, as NVIDIA's DCGM exporter tells it where the cluster has one.

The exporter is a pod on each node with GPUs that serves the text format of Prometheus, by default on port 9400. Its
figures are labelled with the pod that holds the GPU, and are as old as its collection interval (30 s unless set).
Source: https://docs.nvidia.com/datacenter/dcgm/latest/gpu-telemetry/dcgm-exporter.html
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import urllib3

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.refusals import NotAllowed
from tuner.backends.kubernetes.client.resources import PODS, Object, name_of
from tuner.errors import BackendFailure, EnvironmentFailure
from tuner.manifests.kinds.model import at, mappings
from tuner.units import quantity

_NAMES = "(dcgm-exporter,nvidia-dcgm-exporter)"
_LABELS = (f"app.kubernetes.io/name in {_NAMES}", f"app in {_NAMES}")
_PORT = 9400
_UTILIZATION, _MEMORY = "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_FB_USED"
_LINE = re.compile(rf"^({_UTILIZATION}|{_MEMORY})\{{(.*)\}}\s+([\d.eE+-]+|NaN)(?:\s+\d+)?$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_BLANK = float(0x7FFF_FFFF_FFFF_FFF0)
"""From here on DCGM's integers mean that there is no value (``DCGM_INT64_BLANK`` in dcgm_structs.h)."""
_MIB = 2**20
_TIMEOUT_S = 3.0
_READ_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of all GPUs of a trial at one moment. None: not told of each of them."""

    utilization_ratio: float | None
    """Mean over the GPUs, 0 to 1."""
    memory_bytes: int | None
    """Sum over the GPUs."""


def holders(pods: Sequence[Object]) -> dict[str, str]:
    """The pods that ask for GPUs, and their nodes."""
    return {name_of(pod): str(at(pod, ("spec", "nodeName"))) for pod in pods if _gpus_of(pod) > 0}


def asked(pods: Sequence[Object]) -> int:
    """How many GPUs they hold together."""
    return round(sum(map(_gpus_of, pods)))


def parse(text: str, namespace: str, pods: Sequence[str], *, gpus: int = 1) -> Figures:
    """What exporters say of the GPUs that these pods hold, of which there are `gpus` at least."""
    told: dict[str, dict[tuple[str, str], float | None]] = {_UTILIZATION: {}, _MEMORY: {}}
    for name, labels, value in _LINE.findall(text):
        found = dict(_LABEL.findall(labels))
        if found.get("namespace") == namespace and found.get("pod") in pods:
            number = float(value)
            gpu = found.get("UUID") or found.get("gpu", ""), found.get("GPU_I_ID", "")
            told[name][gpu] = number if 0 <= number < _BLANK else None
    used, memory = (_known(values.values()) if len(values) >= gpus else [] for values in told.values())
    return Figures(
        utilization_ratio=sum(used) / len(used) / 100 if used else None,
        memory_bytes=round(sum(memory) * _MIB) if memory else None,
    )


class Gpus:
    """The exporters on the nodes of a trial's pods."""

    def __init__(self, api: Api, pods: Sequence[Object]) -> None:
        self._api = api
        self._holding = holders(pods)
        self._asked = asked(pods)
        self._exporters: list[Object] | None = None
        self._confined = False
        self.note = ""
        """Why nothing, or not everything, was known when they were last read, in words; empty: it was."""

    def read(self) -> Figures | None:
        """None: `note` says why."""
        try:
            if self._exporters is None:
                self._exporters = self._find()
            text = "\n".join(map(self._text, self._exporters))
            found = parse(text, self._api.namespace, tuple(self._holding), gpus=self._asked)
        except EnvironmentFailure as failure:
            self.note, self._exporters = str(failure), None
            return None
        if found.utilization_ratio is None and found.memory_bytes is None:
            self.note = (
                f"the DCGM exporter does not name the {self._asked} GPU(s) of {', '.join(self._holding)}, or has no "
                "figures of them; it tells GPUs by pod when DCGM_EXPORTER_KUBERNETES is true"
            )
            return None
        told = {_UTILIZATION: found.utilization_ratio, _MEMORY: found.memory_bytes}
        missing = [name for name, value in told.items() if value is None]
        self.note = f"the DCGM exporter does not tell {missing[0]} of each of them" if missing else ""
        return found

    def _find(self) -> list[Object]:
        nodes = set(self._holding.values())
        there = {at(pod, ("metadata", "uid")): pod for labels in _LABELS for pod in self._labelled(labels)}
        found = [pod for pod in there.values() if at(pod, ("spec", "nodeName")) in nodes and _runs(pod)]
        without = nodes - {at(pod, ("spec", "nodeName")) for pod in found}
        if without:
            raise BackendFailure(
                f"no DCGM exporter runs on {', '.join(sorted(without))}: looked for pods with the label "
                f"app.kubernetes.io/name or app = dcgm-exporter in {'this' if self._confined else 'any'} namespace"
            )
        return found

    def _labelled(self, labels: str) -> Iterator[Object]:
        """In any namespace; where that is not allowed, in the trials' own."""
        query = {"labelSelector": labels}
        if not self._confined:
            try:
                yield from self._api.call("GET", "/api/v1/pods", query=query, what="the pods").get("items") or ()
                return
            except NotAllowed:
                self._confined = True
        yield from self._api.items(PODS, labels=labels)

    def _text(self, exporter: Object) -> str:
        """Through the API server; where that is not allowed, from the pod itself."""
        name, port = name_of(exporter), _port(exporter)
        path = f"/api/v1/namespaces/{at(exporter, ('metadata', 'namespace'))}/pods/{name}:{port}/proxy/metrics"
        try:
            try:
                answer = self._api.stream(path, {}, what=f"the DCGM exporter {name}", silent_s=_TIMEOUT_S)
            except NotAllowed as refused:
                return self._directly(exporter, port, refused)
            try:
                return answer.read().decode(errors="replace")
            finally:
                answer.close()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise BackendFailure(f"the DCGM exporter {name} cannot be reached: {error}") from None

    def _directly(self, exporter: Object, port: int, refused: NotAllowed) -> str:
        address = str(at(exporter, ("status", "podIP")))
        host = f"[{address}]" if ":" in address else address
        with urllib3.PoolManager() as pool:
            try:
                answer = pool.request("GET", f"http://{host}:{port}/metrics", timeout=_TIMEOUT_S, retries=False)
            except urllib3.exceptions.HTTPError:
                raise refused from None
            return answer.data.decode(errors="replace")


class GpuMeter:
    """Reads the GPUs now and then from when it is made until `stop`: the exporter has no counters to subtract."""

    def __init__(self, gpus: Gpus) -> None:
        self._gpus = gpus
        self._found: list[Figures] = []
        self._ended = threading.Event()
        self._reading = threading.Thread(target=self._run, name="gpu usage", daemon=True)
        self._reading.start()

    def stop(self) -> Figures:
        """Mean utilization and peak memory."""
        self._ended.set()
        self._reading.join()
        self._read()
        used = _known(one.utilization_ratio for one in self._found)
        memory = _known(one.memory_bytes for one in self._found)
        return Figures(
            utilization_ratio=sum(used) / len(used) if used else None,
            memory_bytes=round(max(memory)) if memory else None,
        )

    def _run(self) -> None:
        while not self._ended.wait(_READ_EVERY_S) and self._read():
            pass  # one that told nothing is only asked once more, at the end

    def _read(self) -> bool:
        found = self._gpus.read()
        if found is not None:
            self._found.append(found)
        return found is not None


def _known(values: Iterable[float | None]) -> list[float]:
    """Empty unless all are known."""
    found = list(values)
    known = [value for value in found if value is not None]
    return known if len(known) == len(found) else []


def _gpus_of(pod: Object) -> float:
    return sum(
        float(quantity(str(amount)))
        for _, container in mappings(pod, ("spec", "containers"))
        for name, amount in (at(container, ("resources", "limits")) or {}).items()
        if name.endswith("/gpu")
    )


def _runs(pod: Object) -> bool:
    return at(pod, ("status", "phase")) == "Running" and not at(pod, ("metadata", "deletionTimestamp"))


def _port(pod: Object) -> int:
    """The one named ``metrics``, else the only one, else the usual one."""
    ports = [port for _, one in mappings(pod, ("spec", "containers")) for _, port in mappings(one, ("ports",))]
    named = [port for port in ports if port.get("name") == "metrics"] or (ports if len(ports) == 1 else [])
    return int(named[0]["containerPort"]) if named else _PORT
