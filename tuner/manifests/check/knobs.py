"""A search space against its manifest: can every knob be set there, and would Kubernetes take what it is set to?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import combinations
from typing import Any

from tuner.errors import InputError, Problem, Where
from tuner.files import read_input
from tuner.manifests import address, knobs
from tuner.manifests.address import Address, Flag, OfContainer, Pointer, Replicas
from tuner.manifests.check import fields
from tuner.manifests.check.resources import Knob, amount_problems, resource_problems, values
from tuner.manifests.kinds.model import mapping
from tuner.manifests.model import Manifest, Rendered
from tuner.manifests.pods import pods
from tuner.manifests.workload import NoWorkload, Workload, container_of, find
from tuner.nearest import nearest
from tuner.space.model import FloatRange, Parameter, SearchSpace
from tuner.space.values import Value
from tuner.yaml import tree
from tuner.yaml.splice import Unwritable, splice
from tuner.yaml.tree import Path


def check(space: SearchSpace, manifest: Manifest) -> tuple[Problem, ...]:
    """Every problem at once. A knob's stands at the parameter's line, the manifest's own at the manifest's.

    What `read` reports of the manifest is not repeated.
    """
    try:
        documents = tree.parse(manifest.text)
    except tree.Malformed:
        return ()
    objects: list[Any] = [tree.data(document.root) for document in documents]
    if not all(isinstance(obj, dict) for obj in objects):
        return ()
    try:
        workload = find(space, objects)
    except NoWorkload as error:
        return (error.at(Where(file=str(manifest.file))), *_misspelt(space))
    return tuple(_Check(space, manifest, documents, objects, workload).problems())


def _misspelt(space: SearchSpace) -> Iterator[Problem]:
    for parameter in space.parameters:
        for target in parameter.targets:
            try:
                address.parse(target)
            except ValueError as error:
                fix = f"correct the address of {parameter.name}"
                yield Problem(where=parameter.where, message=str(error), fix=fix)


class _Check:
    def __init__(
        self,
        space: SearchSpace,
        manifest: Manifest,
        documents: tuple[tree.Document, ...],
        objects: list[Any],
        workload: Workload,
    ) -> None:
        self.space, self.manifest, self.documents = space, manifest, documents
        self.objects, self.workload = objects, workload
        self.names = [place.name for place in workload.places()]

    def problems(self) -> Iterator[Problem]:
        yield from (
            self._at(found.path, found.message, found.fix) for found in self.workload.kind.obstacles(self.workload.obj)
        )
        yield from _misspelt(self.space)
        yield from self._containers()
        knobs_ = list(self._knobs())
        for knob in knobs_:
            yield from self._knob(knob)
        yield from self._set_twice(knobs_)
        yield from resource_problems(self.space, self.workload, knobs_, self._at)
        yield from self._port()

    def _at(self, path: Path, message: str, fix: str, document: int | None = None) -> Problem:
        root = self.documents[self.workload.index if document is None else document].root
        return Problem.at(self.manifest.file, message, fix, line=tree.line(root, path))

    # containers

    def _containers(self) -> Iterator[Problem]:
        """Each name that is not there once; and once that a name is needed."""
        name = f"{self.workload.kind.kind} {self.workload.name}"
        if self.space.container is not None and self.space.container not in self.names:
            message = f"{name} has no container {self.space.container!r}"
            yield Problem.at(self.space.file, message, self._which(), line=_line_of_key(self.space, "container"))
        for parameter in self.space.parameters:
            if parameter.container is not None and parameter.container not in self.names:
                message = f"{parameter.name}: {name} has no container {parameter.container!r}"
                yield Problem(where=parameter.where, message=message, fix=self._which(parameter.container))
        if self.workload.place(None) is None:
            unnamed = [
                p
                for p in self.space.parameters
                if container_of(self.space, p) is None and any(_of_container(found) for _, found in _readable(p))
            ]
            for parameter in unnamed[:1]:
                message = f"{parameter.name}: {name} has {self._listed()}, and the search space names none"
                fix = "write container: NAME into the search space, or into the parameter"
                yield Problem(where=parameter.where, message=message, fix=fix)

    def _listed(self) -> str:
        own = [place.name for place in self.workload.places() if not place.injected]
        return f"{len(own)} containers ({', '.join(own)})" if own else "no container"

    def _which(self, wrong: str | None = None) -> str:
        wrong = wrong if wrong is not None else str(self.space.container)
        return f"{nearest(wrong, self.names)} (there: {', '.join(self.names)})" if self.names else "give it a container"

    # one knob

    def _knobs(self) -> Iterator[Knob]:
        """Those whose address can be read, with a container where they need one."""
        for parameter in self.space.parameters:
            place = self.workload.place(container_of(self.space, parameter))
            for target, found in _readable(parameter):
                if place is not None or not _of_container(found):
                    yield Knob(parameter, target, found, place)

    def _knob(self, knob: Knob) -> Iterator[Problem]:
        if isinstance(knob.address, Flag) and (problem := self._unreachable_flag(knob, knob.address)):
            yield problem
            return
        yield from amount_problems(knob)
        if isinstance(knob.address, Replicas):
            yield from self._replicas(knob)
        yield from self._trial_write(knob)

    def _unreachable_flag(self, knob: Knob, flag: Flag) -> Problem | None:
        place = knob.place
        if place is None:
            return None
        if place.injected:
            message = f"{place.name} is added by the operator, and takes no arguments from the manifest"
            return knob.problem(message, "set an env variable of it instead: env/NAME")
        alone = knobs.read(self.objects, self.workload, place, flag) is None
        if alone and knobs.runs_a_shell(self.workload.obj, place):
            message = f"{flag.name} is no argument of its own: the container runs a shell with a script"
            return knob.problem(
                message, "write the server's command as a list without the shell, or set env/NAME in it"
            )
        return None

    def _replicas(self, knob: Knob) -> Iterator[Problem]:
        for value in values(knob.parameter):
            if isinstance(knob.parameter.domain, FloatRange) or not _counts(value):
                yield knob.problem(f"{value!r} is no number of replicas", "write whole numbers from 1 on")
        fix = (
            f"remove it from the manifest, or {knob.parameter.name} from the search space: both would set the replicas"
        )
        kind, name = self.workload.kind.kind, self.workload.name
        if (path := self.workload.kind.autoscaler(self.workload.obj)) is not None:
            yield self._at(path, f"{path[-1]} lets {kind} {name} be scaled while {knob.parameter.name} is tuned", fix)
        for index, obj in enumerate(self.objects):
            if _scales(obj, kind, name):
                message = f"this {obj['kind']} scales {kind} {name} while {knob.parameter.name} is tuned"
                yield self._at(("spec", "scaleTargetRef"), message, fix, index)

    def _trial_write(self, knob: Knob) -> Iterator[Problem]:
        """The surest check is to do it: each outermost value is written, and the outcome looked at."""
        for value in values(knob.parameter):
            objects: list[Any] = list(tree.load_all(self.manifest.text))
            try:
                knobs.write(objects, self.workload, knob.place, knob.address, value)
                splice(self.manifest.text, list(zip(self.documents, objects, strict=True)))
            except knobs.Unaddressable as error:
                yield knob.problem(f"{knob.target}: {error}", self._how(knob))
                return
            except Unwritable as error:
                where = Where(file=str(self.manifest.file), line=error.line)
                yield knob.problem(f"{knob.target} cannot be set ({where}): {error.message}", error.fix)
                return
            if isinstance(knob.address, Pointer) and (refused := self._refused(objects)):
                yield knob.problem(f"{knob.target} set to {value!r}: {refused}", "write values that Kubernetes takes")
                return

    def _how(self, knob: Knob) -> str:
        if isinstance(knob.address, Pointer):
            return "point at a value that is in the manifest"
        if isinstance(knob.address, address.Env):
            return f"give {knob.address.name} a plain value in the manifest, or leave it out there"
        return "correct the address, or the manifest there"

    def _refused(self, objects: list[Any]) -> str | None:
        """What is wrong with the fields of the objects, and was not with those of the base."""
        for old, new in zip(self.objects, objects, strict=True):
            try:
                known = {refusal.path for refusal in fields.refusals(old) or ()} if old != new else set()
                refused = fields.refusals(new) or () if old != new else ()
            except (fields.UnknownKind, KeyError):
                continue
            for refusal in refused:
                if refusal.path not in known:
                    return refusal.message
        return None

    # knobs together

    def _set_twice(self, found: list[Knob]) -> Iterator[Problem]:
        for one, other in combinations(found, 2):
            apart = one.parameter.when is not None or other.parameter.when is not None
            if one.same == other.same and not (apart and one.parameter is not other.parameter):
                message = f"{other.target} is set by {one.parameter.name} already"
                yield other.problem(message, "let one parameter set it")

    def _port(self) -> Iterator[Problem]:
        try:
            pods(self.space, Rendered(text=self.manifest.text, objects=tuple(self.objects)))
        except InputError as error:
            for problem in error.problems:
                yield self._at(
                    self.workload.places()[0].path if self.names else ("spec",), problem.message, problem.fix
                )


def _counts(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _readable(parameter: Parameter) -> Iterator[tuple[str, Address]]:
    """Its addresses, but for those that are misspelt."""
    for target in parameter.targets:
        with suppress(ValueError):
            yield target, address.parse(target)


def _of_container(found: Address) -> bool:
    """Whether a container must be known to tell where it is."""
    return isinstance(found, OfContainer) or (isinstance(found, address.Annotation) and found.of_pod)


def _scales(obj: Any, kind: str, name: str) -> bool:
    if obj.get("kind") not in ("HorizontalPodAutoscaler", "ScaledObject"):
        return False
    target = mapping(obj, ("spec", "scaleTargetRef"))
    return target.get("kind", "Deployment") == kind and target.get("name") == name


def _line_of_key(space: SearchSpace, key: str) -> int:
    """The line of a top-level key of the search-space file; 0 where the file does not have it as such."""
    try:
        lines = read_input(space.file).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return 0
    return next((number for number, line in enumerate(lines, 1) if line.startswith(f"{key}:")), 0)
