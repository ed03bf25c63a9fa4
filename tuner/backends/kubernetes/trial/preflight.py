"""What is asked of the cluster before the first trial: may we, and would it take these configurations?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import tuner
from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.refusals import NotAllowed, Refused
from tuner.backends.kubernetes.client.resources import (
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    QUOTAS,
    SERVICES,
    ApiResource,
    Object,
)
from tuner.backends.kubernetes.client.selector import label_selector
from tuner.backends.kubernetes.pods import admission, admitted, capacity, readback
from tuner.backends.kubernetes.pods.readback import Change
from tuner.backends.kubernetes.rights import access
from tuner.backends.kubernetes.rights.table import IN_CLUSTER
from tuner.backends.kubernetes.trial import neighbours, objects, relabel, share
from tuner.backends.kubernetes.trial.anchor import Anchor
from tuner.backends.kubernetes.trial.load_job import LoadJob
from tuner.backends.kubernetes.trial.neighbours import Neighbours
from tuner.backends.kubernetes.trial.objects import STUDY, Identity
from tuner.backends.kubernetes.trial.share import Share
from tuner.backends.model import Rendering
from tuner.errors import EnvironmentFailure, Problem, Where
from tuner.manifests.kinds import kind_of
from tuner.manifests.kinds.model import at, mapping
from tuner.manifests.model import PodSet
from tuner.manifests.workload import workloads
from tuner.space.model import ClusterSpec, Configuration, Parameter, SearchSpace
from tuner.units import quantity

_IDENTITY = Identity(study="dry-run", trial=0)
_TRIALS = f"pods that have the label {STUDY}"
_CANNOT_SAY = "does not support dry run"
"""Of a webhook with side effects, which the API server then does not ask."""


class Preflight:
    """Nothing is created: access reviews, lists and server-side dry runs only."""

    def __init__(self, api: Api, space: SearchSpace | None) -> None:
        self._api = api
        self._space = space
        self._cluster = space.cluster if space else ClusterSpec()
        self._foreseen: dict[str, str] = {}

    @property
    def foreseen(self) -> tuple[str, ...]:
        """What was found in `dry_run` that stands in nobody's way."""
        return tuple(self._foreseen.values())

    def access(self, pods: PodSet) -> tuple[Problem, ...]:
        return tuple(self._namespace()) or tuple(self._rights(pods))

    def dry_run(self, renderings: Sequence[Rendering]) -> tuple[Problem, ...]:
        """One sentence a refusal; a refusal that the first of them (the baseline) has too is told of it alone."""
        problems: dict[str, Problem] = {}
        others = neighbours.read(self._api)
        if others.unread:
            self._note(f"not compared with a trial's pods, since you may not list them: {', '.join(others.unread)}")
        for rendering in renderings:
            for key, problem in self._of(rendering, others, is_first=rendering is renderings[0]):
                problems.setdefault(key, problem)
        if renderings:
            for message in self._of_ours(renderings[0]):
                problems.setdefault(_rule(message), Problem.at(self._place, message, "have the rule changed"))
            self._of_the_load(renderings)
        return tuple(problems.values())

    # access

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

    # the user's objects

    def _of(self, rendering: Rendering, others: Neighbours, *, is_first: bool) -> Iterator[tuple[str, Problem]]:
        """(what it is about, the problem)"""
        manifest = rendering.rendered.objects
        for where, service in objects.by_host_name(manifest):
            message = (
                f"{where} names Service {service} of the manifest, which gets another name in each trial; "
                "take that Service out of the manifest and let it run beside the study"
            )
            yield _rule(message), self._problem(rendering, message)
        try:
            placed = objects.of_trial(
                manifest,
                _IDENTITY,
                namespace=self._api.namespace,
                namespaced=lambda obj: self._api.resource_of(obj).namespaced,
                selected=others.keys,
                node_selector=self._cluster.node_selector,
            )
        except Refused as refused:
            yield _rule(refused.message), self._problem(rendering, refused.message)
            return
        accounts = {str(at(obj, ("metadata", "name"))) for obj in placed if obj.get("kind") == "ServiceAccount"}
        labels = relabel.pods_of(placed)
        for obj in placed:
            made, message = _sent(self._api.apply, self._api.resource_of(obj), obj)
            if message:
                yield _rule(message), self._problem(rendering, message)
            pod = _pod(made or obj, accounts)  # a rule may have changed the template as well
            if pod is not None:  # rules for pods do not look at whoever makes them
                found, message = _sent(self._api.create, PODS, pod)
                if _CANNOT_SAY in message:
                    self._note(f"admission of the pods is not known beforehand: {message}")
                elif message:
                    yield _rule(message), self._problem(rendering, message)
                if found is not None:
                    labels.append(dict(mapping(found, ("metadata", "labels"))))
                    yield from self._admission(rendering, obj, found)
        if is_first:
            if not rendering.pods.api_version.startswith("apps/"):
                self._note(
                    f"the pods of a {rendering.pods.kind} are made by its operator: what admission does to them, and which "
                    "labels they get besides, is found out when they are there"
                )
            self._note_labels(rendering, placed)
            yield from self._beside(rendering, labels, others)

    def _admission(self, rendering: Rendering, obj: Object, pod: Object) -> Iterator[tuple[str, Problem]]:
        """What the pod of a workload became as it was admitted."""
        pods = rendering.pods
        if (obj["kind"], obj["metadata"]["name"]) != (pods.kind, _IDENTITY.name(pods.name)):
            return
        template = mapping(obj, ("spec", "template"))
        knobs = admitted.knobs(self._space, template)
        changes = list(readback.changes(pods, template, pod))
        accepts = self._cluster.admission == "accept"
        suspects = [*admission.of_pods(self._api), *_ranger(pod)] if changes else []
        by = f" (by {', '.join(suspects)})" if suspects else ""
        done = []
        for change in changes:
            is_knob = admitted.changes_a_knob(change, knobs)
            if is_knob or not accepts:
                told = f"{change.what} is {change.found}, asked for {change.asked}"
                message = f"{told if is_knob else admitted.sentence(change)}{by}"
                yield f"admission {change.what}", self._changed(rendering, change, message, accepts=accepts)
            else:
                done.append(admitted.sentence(change))
        if done:
            self._note(f"admission: {'; '.join(done)}{by}; so runs every trial, and all of it counts and is paid for")

    def _changed(self, rendering: Rendering, change: Change, told: str, *, accepts: bool) -> Problem:
        named = [p for p in self._parameters(rendering.configuration) if _is_about(change.what, p)]
        message = f"admission changes {rendering.what}: {told}"
        fix = "take the parameter out of the search space, or have the rule changed"
        if not accepts:
            fix = "write cluster: {admission: accept} to measure with it, or have the rule changed"
        where = named[0].where if named else Where(file=str(self._place))
        return Problem(where=where, message=message, fix=fix)

    def _beside(
        self, rendering: Rendering, labels: Sequence[Mapping[str, str]], others: Neighbours
    ) -> Iterator[tuple[str, Problem]]:
        """What in the namespace would select a trial's pods, or selected the manifest's and does not select these."""
        found = {str(one): one for pod in labels for one in others.of(pod)}
        for name, one in found.items():
            if one.harms:
                message = f"{name} of namespace {self._api.namespace} selects a trial's pods, too, and {one.does}"
                fix = "give it a selector that names its own pods, or choose another namespace with --namespace"
                yield name, Problem.at(self._place, message, fix)
            else:
                self._note(f"{name} selects a trial's pods, too: it {one.does}")
        of_load = {**self._cluster.labels, **self._cluster.load_generator.labels}
        for one in others.of(of_load) if of_load else ():
            if one.harms and str(one) not in found:
                message = f"{one} of namespace {self._api.namespace} selects the load generator's pod by its labels"
                fix = "choose other labels under cluster: in the search space"
                yield f"load {one}", Problem.at(self._space.file if self._space else self._place, message, fix)
        before = relabel.pods_of(rendering.rendered.objects)
        for name in dict.fromkeys(str(one) for pod in before for one in others.of(pod) if not one.harms):
            if name not in found:
                self._note(f"{name} selects the manifest's pods and not a trial's: what it allows or forbids differs")
        let_in = {str(one) for pod in labels for one in others.letting_in(pod)}
        for name in dict.fromkeys(str(one) for pod in before for one in others.letting_in(pod)):
            if name not in let_in:
                self._note(f"{name} lets the manifest's pods reach others, and a trial's not: have it let in {_TRIALS}")

    def _note_labels(self, rendering: Rendering, placed: Sequence[Object]) -> None:
        """What the measured manifest differs by from the exported one."""
        before = [pod for obj in rendering.rendered.objects if kind_of(obj) for pod in relabel.pods_of([obj])]
        after = [pod for obj in placed if kind_of(obj) for pod in relabel.pods_of([obj])]
        pairs = zip(before, after, strict=False)
        named = dict.fromkeys(key for was, now in pairs for key in was if now.get(key) != was[key])
        if named:
            self._note(
                f"a trial's pods have values of their own for the labels {', '.join(named)}, which their selectors "
                "follow, so that nothing in the namespace takes them for production; the exported manifest keeps its own"
            )
        for was, now in zip(before, after, strict=False):
            for name in admission.by_labels(self._api, was, now):
                self._note(
                    f"{name} goes by labels that differ in a trial: it treats its pods otherwise than the workload's"
                )

    # what the tuner makes for itself

    def _of_ours(self, rendering: Rendering) -> Iterator[str]:
        """What the cluster refuses of the anchor and of a Service in front of the pods."""
        found = next((one for one in workloads(rendering.rendered.objects) if one.name == rendering.pods.name), None)
        if found is None:
            return
        workload = {"apiVersion": found.obj["apiVersion"], "kind": found.kind.kind, "metadata": {"name": found.name}}
        anchor = Anchor(
            self._api, _IDENTITY, workload=workload, pods=_IDENTITY.selector, like=rendering.pods, cluster=self._cluster
        )
        _, message = _sent(self._api.create, JOBS, anchor.wanted())
        if message:
            yield f"the cluster refuses the Job that owns all objects of a trial and has no pods: {message}"
        if found.kind.service(found.obj, rendering.rendered.objects) is None:
            ours = objects.service_for(
                rendering.pods.name,
                _IDENTITY,
                namespace=self._api.namespace,
                port=rendering.pods.load_port,
                labels=self._cluster.labels,
            )
            _, message = _sent(self._api.create, SERVICES, ours)
            if message:
                yield f"the cluster refuses the Service in front of a trial's pods: {message}"

    def _of_the_load(self, renderings: Sequence[Rendering]) -> None:
        """The load generator's Job, its pod and its share of the quota. Without it the load comes from here."""
        asked = self._cluster.load_generator
        image = asked.image or f"tuner-load:{tuner.__version__}"
        pod: Object | None = None
        try:
            missing = access.missing(self._api, IN_CLUSTER)
            job = LoadJob(self._api, study="dry-run", image=image, cluster=self._cluster).wanted()
            refusals = [f"you may not {verb} {right}" for right, verb in missing]
            if not refusals:
                wanted = _pod_of(job["spec"]["template"], self._api.namespace)
                pod, refusal = _sent(self._api.create, PODS, wanted)
                refusals += (_sent(self._api.create, JOBS, job)[1], refusal)
        except EnvironmentFailure as failure:
            pod, refusals = None, [str(failure)]
        for message in filter(None, dict.fromkeys(refusals)):
            self._note(
                f"the load generator cannot run in the cluster: {message}; the load would come from this machine "
                "(cluster: load_generator: says what its pod is)"
            )
        if quantity(asked.cpu) < 1:
            self._note(
                f"the load generator gets {asked.cpu} of a CPU for each engine: throttled, it sends late at rates that a "
                "whole one would send on time, and such windows do not count"
            )
        if pod is not None:
            load = share.of_load(pod)
            self._quota(renderings, load)
            self._room(renderings, load)

    def _quota(self, renderings: Sequence[Rendering], load: Share) -> None:
        quotas: list[Object] = []
        with suppress(NotAllowed):
            quotas = self._api.items(QUOTAS)
        parts = list(share.told(quotas, load))
        if parts:
            self._note(f"the load generator in the cluster takes {', '.join(parts)}")
        for rendering in renderings:
            alone = list(share.short(quotas, share.of_pods(rendering.pods)))
            together = list(share.short(quotas, share.of_pods(rendering.pods), load))
            if alone:
                self._note(f"{rendering.what} does not fit beside what runs in the namespace now: {'; '.join(alone)}")
            elif together:
                self._note(
                    f"{rendering.what} does not fit beside the load generator: {'; '.join(together)}; give that less "
                    "(cluster: load_generator: cpu and memory), or send the load from here (--load here)"
                )

    def _room(self, renderings: Sequence[Rendering], load: Share) -> None:
        """Where the nodes hold a configuration, but not beside the load generator."""
        beside, nodes = share.on_nodes(load, 1, self._cluster), list[Object]()
        with suppress(NotAllowed):
            nodes = self._api.items(NODES, labels=label_selector({"matchLabels": self._cluster.node_selector}))
        for rendering in renderings if nodes else ():
            if capacity.no_room(rendering.pods, nodes) is None and (
                told := capacity.no_room(rendering.pods, nodes, beside)
            ):
                self._note(f"{rendering.what} does not fit on the nodes: {told}")

    # words

    @property
    def _place(self) -> str:
        return str(self._space.manifest) if self._space else "manifest"

    def _note(self, sentence: str) -> None:
        self._foreseen.setdefault(_rule(sentence), sentence)

    def _problem(self, rendering: Rendering, message: str) -> Problem:
        named = [p for p in self._parameters(rendering.configuration) if _is_about(message, p)]
        values = ", ".join(f"{p.name} = {rendering.configuration.values[p.name]}" for p in named)
        where = named[0].where if named else Where(file=self._place)
        about = f" ({values})" if values else ""
        fix = "take such values out of the parameter's range" if named else "correct the manifest"
        return Problem(
            where=where,
            message=f"the cluster refuses {rendering.what}{about}: {message}",
            fix=f"{fix}, or have the rule changed",
        )

    def _parameters(self, configuration: Configuration) -> list[Parameter]:
        return [p for p in self._space.parameters if p.name in configuration.values] if self._space else []


def _sent(send: Callable[..., Object], resource: ApiResource, obj: Object) -> tuple[Object | None, str]:
    """A dry run: what it would become, and what the cluster says against it."""
    try:
        return send(resource, obj, dry_run=True), ""
    except Refused as refused:
        return None, refused.message if refused.status <= 500 else ""


def _pod(obj: Mapping[str, Any], accounts: set[str]) -> Object | None:
    """The pod that a Deployment's or StatefulSet's template describes, as its controller would make it. `accounts`:
    service accounts that are not there in a dry run."""
    if obj.get("apiVersion") != "apps/v1":
        return None
    pod = _pod_of(mapping(obj, ("spec", "template")), obj["metadata"]["namespace"])
    for name in ("serviceAccountName", "serviceAccount"):
        if pod["spec"].get(name) in accounts:
            del pod["spec"][name]
    return pod


def _pod_of(template: Mapping[str, Any], namespace: str) -> Object:
    metadata = {**mapping(template, ("metadata",)), "generateName": "tuner-dry-run-", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": dict(mapping(template, ("spec",)))}


def _ranger(pod: Object) -> tuple[str, ...]:
    return ("a LimitRange",) if at(pod, ("metadata", "annotations", "kubernetes.io/limit-ranger")) else ()


def _is_about(message: str, parameter: Parameter) -> bool:
    """The last part of one of its addresses (``cpu``, ``replicas``, a variable's name) is in the message."""
    names = {target.rpartition("/")[2].lstrip("-") for target in parameter.targets}
    return any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", message) for name in names if name)


def _rule(message: str) -> str:
    """The message without what differs between configurations."""
    return re.sub(r'"[^"]*"|\d[\w.]*', "", message)
