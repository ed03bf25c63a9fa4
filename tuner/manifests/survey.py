"""A first search space, from a look at a manifest: what can vary there, and around which values."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuner.errors import InputError
from tuner.manifests import address, knobs
from tuner.manifests.kinds import Place
from tuner.manifests.kinds.model import at, mapping
from tuner.manifests.model import Manifest
from tuner.manifests.servers.answers import model_name
from tuner.manifests.servers.hardware import hardware
from tuner.manifests.servers.known import LIBRARIES, SAMPLE_REQUESTS
from tuner.manifests.servers.model import Server, ServerKnob
from tuner.manifests.servers.recognition import recognise
from tuner.manifests.workload import Workload, workloads
from tuner.space.model import Choices, Domain, FloatRange, IntRange
from tuner.units import quantity
from tuner.yaml import tree
from tuner.yaml.scalars import ambiguity, flow, resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One parameter as it is written; `proposed` False: as a comment."""

    name: str
    domain: str
    targets: tuple[str, ...]
    comment: str
    proposed: bool = True

    def __str__(self) -> str:
        where = self.targets[0] if len(self.targets) == 1 else f"[{', '.join(self.targets)}]"
        return f"  {'' if self.proposed else '# '}{self.name}: {{{self.domain}, set: {where}}}"


def propose(manifest: Manifest, *, relative_to: Path | None = None) -> str:
    """The text of a search-space file, with the manifest's path as seen from `relative_to` (its own folder by default).

    It passes the reader and `check` once `request.json` is there. Raises InputError for a manifest without a workload
    that can be tuned, or with several that cannot be told apart.
    """
    look = _Look(manifest)
    lines = list(look.parameters())
    if not any(line.proposed for line in lines):
        message = "nothing in it that could be tuned"
        raise InputError.at(manifest.file, message, "give its container resources or env")
    path = manifest.file.name if relative_to is None else os.path.relpath(manifest.file, relative_to)
    width = max(len(str(line)) for line in lines) + 2
    container = [f"container: {_plain(look.place.name)}"] if look.place else []
    return "\n".join(
        [
            f"# A first search space for {look.workload.kind.kind} {look.workload.name}, by a look at its manifest.",
            f"# {look.recognized()}",
            f"name: {_study_name(look.workload.name)}",
            f"manifest: {_plain(path)}",
            *container,
            "",
            "parameters:  # what may vary, and where it is written in the manifest",
            *(f"{str(line).ljust(width)}# {line.comment}" for line in lines),
            "",
            *look.workload_section(),
            "",
            "slo:  # a configuration that breaks it at the common rate is not chosen",
            f"  latency_p99: {look.server.latency_p99 if look.server else '100ms'}",
            "  error_ratio: 0.1%",
            "",
            "objectives: {throughput: maximize, cost: minimize}  # or latency_p50 ... p99.9, error_ratio, cpu, memory, startup",
            "budget: {trials: 20, time: 30m}  # whichever comes first",
            "",
            "# local:  # how to run the image's server as a process of this machine, where there is no cluster",
            "#   command: [...]  # what the image starts; left out: the container's own command",
            "#   requirements: requirements.txt  # for a virtual environment of its own",
            "",
        ]
    )


def sample_request(manifest: Manifest) -> str:
    """A request body for the protocol that `propose` guesses, to be replaced by one that the model answers."""
    look = _Look(manifest)
    body = dict(look.server.request) if look.server and look.server.request else dict(SAMPLE_REQUESTS[look.protocol])
    if "model" in body:
        body["model"] = look.model()
    return json.dumps(body, indent=2) + "\n"


class _Look:
    """What there is to see: the workload, its serving container, and the server in it."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.objects: list[Any] = list(tree.load_all(manifest.text))
        self.workload = self._workload()
        own = [place for place in self.workload.places() if not place.injected]
        ranked = sorted(own, key=lambda place: not mapping(self.workload.obj, place.path).get("ports"))
        self.place: Place | None = ranked[0] if ranked else None
        self.found = recognise(self._spec())
        self.server: Server | None = self.found.server
        self.protocol: str = self._protocol()

    def _workload(self) -> Workload:
        found = workloads(self.objects)
        names = [place.name for workload in found for place in workload.places()]
        for workload in found:
            if len(found) == 1 or any(names.count(place.name) == 1 for place in workload.places()):
                return workload
        what = "workloads whose containers have the same names" if found else "workload that can be tuned"
        message = f"{len(found) or 'no'} {what}"
        raise InputError.at(self.manifest.file, message, "leave the one that is to be tuned")

    def recognized(self) -> str:
        server = self.server.name if self.server else "no server whose knobs are known"
        return f"Recognized: {server}. Read each line, correct it, then run `tune check` on this file."

    def _spec(self) -> Any:
        return mapping(self.workload.obj, self.place.path) if self.place else {}

    def _protocol(self) -> str:
        """The server's, unless the object itself says which protocol it serves."""
        spec, kind = self._spec(), self.workload.kind.kind
        if kind == "InferenceService" and not (self.server and self.server.protocol in ("http", "openai")):
            by_server = self.server is not None and self.server.protocol == "v2"
            return "v2" if by_server or spec.get("protocolVersion") in ("v2", "grpc-v2") else "tensorflow"
        if kind == "SeldonDeployment":
            named = at(self.workload.obj, ("spec", "protocol"))
            return {"tensorflow": "tensorflow", "kfserving": "v2", "v2": "v2"}.get(str(named), "seldon")
        return self.server.protocol if self.server else "http"

    def model(self) -> str:
        return model_name(self.found) or self.workload.name

    def _present(self, target: str) -> Any:
        try:
            return knobs.read(self.objects, self.workload, self.place, address.parse(target))
        except knobs.Unaddressable:
            return None

    # the parameters

    def parameters(self) -> Iterator[Line]:
        taken: set[str] = set()
        for line in (*self._server_knobs(), self._replicas(), *self._resources()):
            if line.name not in taken:
                taken.add(line.name)
                yield line

    def _server_knobs(self) -> Iterator[Line]:
        if self.place is None:
            return
        for knob in self.server.knobs if self.server else ():
            if (target := self._target(knob)) is not None:
                yield self._knob(knob, target)
        for knob in LIBRARIES:
            if self._present(knob.targets[0]) is not None:
                yield self._knob(knob, knob.targets[0])

    def _target(self, knob: ServerKnob) -> str | None:
        """The address that the manifest uses already, else the first that can be used; None: it can not be set here."""
        there = [target for target in knob.targets if self._present(target) is not None]
        return next(iter([*there, *(target for target in knob.targets if self._usable(target))]), None)

    def _usable(self, target: str) -> bool:
        """An env variable with a value from elsewhere can not be set, nor a flag in a script or an unknown command."""
        found, spec = address.parse(target), self._spec()
        if isinstance(found, address.Flag):
            given = bool(spec.get("command") or spec.get("args"))
            takes_args = given or (self.server is not None and self.server.takes_args)
            return takes_args and self.place is not None and not knobs.runs_a_shell(self.workload.obj, self.place)
        return not any(entry.get("name") == target.removeprefix("env/") for entry in spec.get("env") or [])

    def _knob(self, knob: ServerKnob, target: str) -> Line:
        present = self._present(target)
        domain = knob.over(hardware(self._spec()))
        domain = _around(domain, knobs.text(present)) if present is not None else domain
        now = f"; now {knobs.text(present)}" if present is not None else ""
        return Line(
            name=knob.name,
            domain=_spelled(domain),
            targets=(target,),
            comment=knob.meaning + now,
            proposed=knob.proposed or present is not None,
        )

    def _replicas(self) -> Line:
        kind, obj = self.workload.kind, self.workload.obj
        present = at(obj, kind.replicas(obj)[0])
        now = present if isinstance(present, int) and present >= 1 else 1
        scaled = kind.autoscaler(obj) is not None or any(
            other.get("kind") in ("HorizontalPodAutoscaler", "ScaledObject")
            and at(other, ("spec", "scaleTargetRef", "name")) == self.workload.name
            for other in self.objects
        )
        comment = "an autoscaler in the manifest sets them" if scaled else f"pods that share the load; now {now}"
        domain = _spelled(IntRange(low=1, high=max(2, now * 2)))
        return Line(name="replicas", domain=domain, targets=("replicas",), comment=comment, proposed=not scaled)

    def _resources(self) -> Iterator[Line]:
        for resource, meaning in (("cpu", "cores of each pod"), ("memory", "memory of each pod")):
            limit, request = (
                self._present(f"{section}/{resource}") if self.place else None for section in ("limits", "requests")
            )
            present = limit if limit is not None else request
            if present is None:
                continue
            sections = [name for name, value in (("limits", limit), ("requests", request)) if value is not None]
            choices = _amounts(resource, str(present))
            if not choices:
                continue
            together = "; request and limit together" if len(sections) == 2 else ""
            yield Line(
                name=resource,
                domain=f"choices: [{', '.join(map(_plain, choices))}]",
                targets=tuple(f"{section}/{resource}" for section in sections),
                comment=f"{meaning}, around today's {present}{together}",
            )

    def workload_section(self) -> Iterator[str]:
        yield "workload:"
        yield f"  protocol: {self.protocol}  # seldon, v2, tensorflow, openai or http; a guess"
        yield "  request: request.json  # the body to send; replace it by one that your model answers"
        if self.protocol in ("v2", "tensorflow"):
            yield f"  model: {_plain(self.model())}  # its name in the request's path"
        if self.protocol == "http":
            path = (self.server.path if self.server else None) or "/predict"
            yield f"  path: {path.replace('MODEL', self.workload.name)}  # a guess"
        if self.server and self.server.timeout:
            yield f"  timeout: {self.server.timeout}  # a request not answered within it counts as an error"
        yield "  # rate: 100/s  # latencies are compared at this rate; left out: derived from the baseline, then fixed"


def _around(domain: Domain, present: str) -> Domain:
    """The domain, widened so that it holds the present value."""
    if isinstance(domain, Choices):
        if any(knobs.stands(present, value) for value in domain.values):
            return domain
        value = resolve(present)
        return Choices(values=(*domain.values, value if isinstance(value, int | float) else present))
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", present):
        return domain
    if isinstance(domain, IntRange):
        number = int(float(present))
        high = domain.high if number <= domain.high else number * 2
        return replace(domain, low=min(domain.low, max(number, 1 if domain.log else 0)), high=high)
    value = float(present)
    return domain if domain.low <= value <= domain.high else replace(domain, low=min(domain.low, value), step=None)


def _spelled(domain: Domain) -> str:
    if isinstance(domain, Choices):
        return f"choices: [{', '.join(_plain(v) if isinstance(v, str) else flow(v) for v in domain.values)}]"
    log = ", log: true" if domain.log else ""
    if isinstance(domain, FloatRange):
        step = f", step: {domain.step}" if domain.step is not None else ""
        return f"float: [{domain.low}, {domain.high}]{step}{log}"
    return f"int: [{domain.low}, {domain.high}]{log}"


def _amounts(resource: str, present: str) -> tuple[str, ...]:
    """Half of a quantity, the quantity as it is spelled, and its double; empty for what is no quantity."""
    try:
        amount = quantity(present)
    except ValueError:
        return ()
    spell = _cores if resource == "cpu" else _bytes
    spelled = [spell(amount / 2), present, spell(amount * 2)] if amount > 0 else []
    return tuple(dict.fromkeys(text for text in spelled if text))


def _cores(amount: Any) -> str:
    millis = int(amount * 1000)
    return str(millis // 1000) if millis % 1000 == 0 else f"{millis}m"


def _bytes(amount: Any) -> str:
    for unit, size in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
        if amount >= size and amount % size == 0:
            return f"{int(amount // size)}{unit}"
    return str(int(amount))


def _plain(text: str) -> str:
    """Unquoted where every YAML reader takes it for text."""
    safe = re.fullmatch(r"[A-Za-z0-9_.][\w./-]*", text, re.ASCII)
    return text if safe and isinstance(resolve(text), str) and ambiguity(text) is None else flow(text)


def _study_name(name: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", name.lower())[:40].strip("-") or "study"
