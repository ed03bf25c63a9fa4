"""What may vary of the chosen workload: its server's knobs, those of the graph around it, replicas and resources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from tuner.manifests import address, knobs
from tuner.manifests.kinds import Place
from tuner.manifests.kinds.model import at, count, mappings
from tuner.manifests.proposed_resources import resource_knobs
from tuner.manifests.servers.conditions import of_use
from tuner.manifests.servers.hardware import hardware
from tuner.manifests.servers.known import LIBRARIES
from tuner.manifests.servers.model import ServerKnob
from tuner.manifests.servers.recognition import Recognised
from tuner.manifests.survey.choice import Choice
from tuner.manifests.survey.line import Line, around, plain, spelled
from tuner.manifests.workload import Workload
from tuner.space.model import IntRange
from tuner.workload.model import GRPC_PROTOCOLS
from tuner.yaml.scalars import flow

_SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")


def parameters(choice: Choice, objects: Sequence[Any], protocol: str) -> tuple[Line, ...]:
    """In the order in which they are written; each name once. `protocol`: of the load."""
    found: dict[str, Line] = {}
    for line in _lines(choice, objects, grpc=protocol in GRPC_PROTOCOLS):
        found.setdefault(line.name, line)
    there = {line.name for line in found.values() if line.proposed}
    return tuple(line for line in found.values() if line.when is None or _condition(line) in there or not line.proposed)


def _condition(line: Line) -> str:
    return (line.when or "").strip("{").partition(":")[0]


def _lines(choice: Choice, objects: Sequence[Any], *, grpc: bool) -> Iterator[Line]:
    if choice.place is not None:
        own = _Container(objects, choice.workload, choice.place, choice.found, grpc=grpc)
        yield from own.knobs()
        for other in choice.containers[1:]:
            in_graph = choice.workload.kind.role(choice.workload.obj, other.place) is not None
            if in_graph and other.place.name != choice.place.name:
                yield from _Container(objects, choice.workload, other.place, other.found, grpc=grpc).in_the_same_graph()
        yield from replicas(choice.workload, objects)
        yield from own.resources()
    else:
        yield from replicas(choice.workload, objects)


def replicas(workload: Workload, objects: Sequence[Any]) -> Iterator[Line]:
    kind, obj = workload.kind, workload.obj
    if not kind.replicas(obj):
        return
    present = count(kind, obj)
    now = present or 1
    scaled = kind.autoscaler(obj) is not None or any(
        other.get("kind") in _SCALERS and at(other, ("spec", "scaleTargetRef", "name")) == workload.name
        for other in objects
    )
    comment = "an autoscaler in the manifest sets them" if scaled else f"pods that share the load; now {now}"
    if present == 0 and not scaled:
        comment = "pods that share the load; 0 now, scaled to zero: a study begins with 1"
    domain = spelled(IntRange(low=1, high=max(2, now * 2)))
    yield Line(name="replicas", domain=domain, targets=("replicas",), comment=comment, proposed=not scaled)


class _Container:
    """One container, and what can be set there."""

    def __init__(
        self, objects: Sequence[Any], workload: Workload, place: Place, found: Recognised, *, grpc: bool
    ) -> None:
        self.grpc = grpc
        self.objects, self.workload, self.place, self.found = list(objects), workload, place, found
        self.spec = workload.kind.container(workload.obj, place)
        self.hardware = hardware(self.spec)

    def present(self, target: str) -> Any:
        try:
            return knobs.read(self.objects, self.workload, self.place, address.parse(target))
        except knobs.Unaddressable:
            return None

    def knobs(self) -> Iterator[Line]:
        for knob in self.found.server.knobs if self.found.server else ():
            if not of_use(knob, self.found, self.hardware):
                continue
            why = self._decided(knob)
            target = self._target(knob) if why is None else None
            if target is not None:
                yield self._line(knob, target)
            elif why is not None and knob.proposed:
                yield replace(self._line(knob, knob.targets[0]), comment=f"not here: {why}", proposed=False)
        for knob in LIBRARIES:
            if self.present(knob.targets[0]) is not None:
                yield self._line(knob, knob.targets[0])

    def resources(self) -> Iterator[Line]:
        for resource, meaning in (("cpu", "cores of each pod"), ("memory", "memory of each pod")):
            present = (self.present(f"{section}/{resource}") for section in ("limits", "requests"))
            given = (None if value is None else str(value) for value in present)
            for found in resource_knobs(resource, meaning, *given):
                yield Line(
                    name=found.name,
                    domain=f"choices: [{', '.join(map(plain, found.choices))}]",
                    targets=found.targets,
                    comment=found.comment,
                    proposed=found.proposed,
                )

    def in_the_same_graph(self) -> Iterator[Line]:
        """Of a container that requests pass on their way: only the server's first knob, or there would be too many."""
        for line in islice((line for line in self.knobs() if line.proposed), 1):
            name = f"{self.place.name.replace('-', '_')}_{line.name}"
            yield replace(line, name=name, container=self.place.name)

    def _decided(self, knob: ServerKnob) -> str | None:
        """Why the container's script leaves nothing to choose, in words: by whichever address it sets this itself."""
        if self._from_variables(knob):
            return None
        whys = (knobs.hindrance(self.workload.obj, self.place, address.parse(target)) for target in knob.targets)
        return next((why for why in whys if why is not None), None)

    def _target(self, knob: ServerKnob) -> str | None:
        """The address that the manifest uses already, else the first that can be used; None: it can not be set here."""
        reached = [target for one in knob.targets if (target := self._reached(one)) is not None]
        there = [*self._from_variables(knob), *(target for target in reached if self.present(target) is not None)]
        return next(iter([*there, *(target for target in reached if self._usable(target))]), None)

    def _from_variables(self, knob: ServerKnob) -> list[str]:
        """The variables that the container's script takes its flags from."""
        return [found for one in knob.targets if (found := self._reached(one)) is not None and found != one]

    def _reached(self, target: str) -> str | None:
        """The variable in place of a flag that a script takes from one; None: the script decides it."""
        found = knobs.reached(self.workload.obj, self.place, address.parse(target))
        return f"env/{found.name}" if isinstance(found, address.Env) else None if found is None else target

    def _usable(self, target: str) -> bool:
        """An env variable with a value from elsewhere can not be set, nor a flag in a script or an unknown command."""
        found = address.parse(target)
        if isinstance(found, address.Flag):
            given = bool(self.spec.get("command") or self.spec.get("args"))
            return given or (self.found.server is not None and self.found.server.takes_args)
        name = target.removeprefix("env/")
        return not any(
            entry.get("name") == name and entry.get("valueFrom") for _, entry in mappings(self.spec, ("env",))
        )

    def _line(self, knob: ServerKnob, target: str) -> Line:
        present = self.present(target)
        domain = knob.over(self.hardware)
        domain = around(domain, knobs.text(present)) if present is not None else domain
        now = f"; now {knobs.text(present)}" if present is not None else ""
        return Line(
            name=knob.name,
            domain=spelled(domain),
            targets=(target,),
            comment=knob.meaning + now,
            proposed=not knob.by_hand and (present is not None or self._is_proposed(knob)),
            when=_when(knob),
        )

    def _is_proposed(self, knob: ServerKnob) -> bool:
        """Of a server with workers of its own for HTTP or gRPC, those that answer the load."""
        names = {other.name for other in self.found.server.knobs} if self.found.server else set()
        if knob.name.startswith("grpc_") and knob.name.removeprefix("grpc_") in names:
            return self.grpc
        of_http = f"grpc_{knob.name}" in names or knob.name.startswith(("http_", "rest_"))
        return knob.proposed and not (self.grpc and of_http)


def _when(knob: ServerKnob) -> str | None:
    if knob.when is None:
        return None
    name, values = knob.when
    words = [plain(value) if isinstance(value, str) else flow(value) for value in values]
    return f"{{{name}: {words[0] if len(words) == 1 else f'[{", ".join(words)}]'}}}"
