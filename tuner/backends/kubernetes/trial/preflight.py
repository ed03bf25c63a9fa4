"""What is asked of the cluster before the first trial: may we, and would it take these configurations?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.refusals import NotAllowed, Refused
from tuner.backends.kubernetes.client.resources import NAMESPACES, PODS, ApiResource, Object
from tuner.backends.kubernetes.rights import access
from tuner.backends.kubernetes.trial import objects
from tuner.backends.kubernetes.trial.objects import Identity
from tuner.backends.model import Rendering
from tuner.errors import Problem, Where
from tuner.manifests.kinds.model import mapping
from tuner.manifests.model import PodSet
from tuner.space.model import Configuration, Parameter, SearchSpace

_IDENTITY = Identity(study="dry-run", trial=0)


class Preflight:
    """Nothing is created: access reviews and server-side dry runs only."""

    def __init__(self, api: Api, space: SearchSpace | None) -> None:
        self._api = api
        self._space = space

    def access(self, pods: PodSet) -> tuple[Problem, ...]:
        return tuple(self._namespace()) or tuple(self._rights(pods))

    def dry_run(self, renderings: Sequence[Rendering]) -> tuple[Problem, ...]:
        """One sentence a refusal; a refusal that the first of them (the baseline) has too is told of it alone."""
        problems: dict[str, Problem] = {}
        for rendering in renderings:
            for message in self._refusals(rendering):
                problems.setdefault(_rule(message), self._problem(rendering, message))
        return tuple(problems.values())

    def _namespace(self) -> Iterator[Problem]:
        namespace = self._api.namespace
        try:
            if self._api.get(NAMESPACES, namespace) is None:
                message = f"the cluster {self._api.cluster} has no namespace {namespace!r}"
                fix = f"choose another, or make it: kubectl create namespace {namespace}"
                yield Problem.at("--namespace", message, fix)
        except NotAllowed:
            return  # reading namespaces is not needed; what is missing will be told by the first request in it

    def _rights(self, pods: PodSet) -> Iterator[Problem]:
        try:
            resource = self._api.resource(pods.api_version, pods.kind)
        except Refused as refused:
            place = self._space.manifest if self._space else "--backend"
            yield Problem.at(place, refused.message, "or tune a Deployment")
            return
        wanted = [right for right in access.rights([resource]) if right.needed]
        for right, verb in access.missing(self._api, wanted):
            message = f"you may not {verb} {right} in namespace {self._api.namespace} (needed for {right.why})"
            yield Problem.at(f"cluster {self._api.cluster}", message, "have the Role applied that `tune rbac` writes")

    def _refusals(self, rendering: Rendering) -> Iterator[str]:
        manifest = rendering.rendered.objects
        for where, service in objects.by_host_name(manifest):
            yield (
                f"{where} names Service {service} of the manifest, which gets another name in each trial; "
                "take that Service out of the manifest and let it run beside the study"
            )
        try:
            placed = objects.of_trial(
                manifest,
                _IDENTITY,
                namespace=self._api.namespace,
                namespaced=lambda obj: self._api.resource_of(obj).namespaced,
            )
        except Refused as refused:
            yield refused.message
            return
        for obj in placed:
            yield from _refusal(self._api.apply, self._api.resource_of(obj), obj)
            pod = _pod(obj)
            if pod is not None:  # rules for pods do not look at whoever makes them
                yield from _refusal(self._api.create, PODS, pod)

    def _problem(self, rendering: Rendering, message: str) -> Problem:
        named = [p for p in self._parameters(rendering.configuration) if _is_about(message, p)]
        values = ", ".join(f"{p.name} = {rendering.configuration.values[p.name]}" for p in named)
        where = named[0].where if named else Where(file=str(self._space.manifest) if self._space else "manifest")
        about = f" ({values})" if values else ""
        fix = "take such values out of the parameter's range" if named else "correct the manifest"
        return Problem(
            where=where,
            message=f"the cluster refuses {rendering.what}{about}: {message}",
            fix=f"{fix}, or have the rule changed",
        )

    def _parameters(self, configuration: Configuration) -> list[Parameter]:
        return [p for p in self._space.parameters if p.name in configuration.values] if self._space else []


def _refusal(send: Callable[..., Object], resource: ApiResource, obj: Object) -> Iterator[str]:
    try:
        send(resource, obj, dry_run=True)
    except Refused as refused:
        if refused.status <= 500:
            yield refused.message


def _pod(obj: Mapping[str, Any]) -> Object | None:
    """The pod that a Deployment's or StatefulSet's template describes, as its controller would make it."""
    if obj.get("apiVersion") != "apps/v1":
        return None
    template = mapping(obj, ("spec", "template"))
    metadata = {
        **mapping(template, ("metadata",)),
        "generateName": "tuner-dry-run-",
        "namespace": obj["metadata"]["namespace"],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": dict(mapping(template, ("spec",)))}


def _is_about(message: str, parameter: Parameter) -> bool:
    """The last part of one of its addresses (``cpu``, ``replicas``, a variable's name) is in the message."""
    names = {target.rpartition("/")[2].lstrip("-") for target in parameter.targets}
    return any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", message) for name in names if name)


def _rule(message: str) -> str:
    """The message without what differs between configurations."""
    return re.sub(r'"[^"]*"|\d[\w.]*', "", message)
