"""Labels of a trial's pods that nothing but the trial selects, and its own selectors, which follow them.

A Service, a disruption budget or an autoscaler of the namespace finds pods by labels: with those of the manifest a
trial's pods would take production's requests and be counted as its replicas. So labels that anybody selects by get a
value of the trial's own: those named in a selector of the manifest, those named in one of the namespace, and the usual
names of applications (`USUAL`). All others stay, since admission may go by them (``sidecar.istio.io/inject``,
``azure.workload.identity/use``): a trial is to be admitted as the workload itself would be.

Pure: objects are changed in place, by what their kinds say of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from tuner.backends.kubernetes.client.selector import keys, selects
from tuner.manifests.kinds import kind_of
from tuner.manifests.kinds.model import at, mapping, mappings
from tuner.yaml.tree import Path

Object = dict[str, Any]
Own = Mapping[tuple[str, str], str]
"""(label, its value in the manifest) -> its value in the trial."""

USUAL = frozenset(
    {"app", "component", "k8s-app", "name", "release", "role", "run", "service", "tier"}
    | {f"app.kubernetes.io/{name}" for name in ("name", "instance", "component", "part-of")}
)
"""Labels that applications are commonly selected by (kubernetes.io, "Recommended Labels", and what was usual before)."""
_TEMPLATE: Path = ("spec", "template", "metadata", "labels")
_OF_PODS = {
    "DaemonSet": ("selector",),
    "Deployment": ("selector",),
    "NetworkPolicy": ("podSelector",),
    "PodDisruptionBudget": ("selector",),
    "PodMonitor": ("selector",),
    "ReplicaSet": ("selector",),
    "Service": ("selector",),
    "StatefulSet": ("selector",),
}
"""Where an object that is no workload of ours selects pods, below its spec."""
_PARTS = frozenset({"matchLabels", "matchExpressions"})


def label_places(obj: Mapping[str, Any]) -> tuple[Path, ...]:
    """Where the pods that an object makes can be given labels."""
    kind = kind_of(obj)
    if kind is not None:
        return kind.pod_labels(obj)
    is_template = isinstance(at(obj, _TEMPLATE[:2]), Mapping)
    return (_TEMPLATE,) if is_template and str(obj.get("apiVersion", "")).startswith(("apps/", "batch/")) else ()


def pods_of(objects: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The labels of every sort of pod that the objects make, as far as they tell."""
    found = []
    for obj in objects:
        kind = kind_of(obj)
        more = {k: v for path in kind.more_labels(obj) for k, v in mapping(obj, path).items()} if kind else {}
        found += [{**more, **mapping(obj, path)} for path in label_places(obj)]
    return found


def selected_by(objects: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """The labels that the objects themselves look at to find the pods that they make."""
    pods = pods_of(objects)
    own = (_whole(selector) for obj in objects for selector in _selectors(obj))
    return frozenset(key for one in own if any(selects(one, pod) for pod in pods) for key in keys(one))


def relabel(
    objects: Sequence[Object], *, selected: Collection[str], suffix: str, mine: Mapping[str, str]
) -> dict[str, str]:
    """Give the pods of `objects` values of their own, and let the objects' selectors follow.

    `selected`: labels that others select by. `suffix`: what a value gets appended. `mine`: labels that all pods get,
    and that every selector of them asks for from now on. Returns what was changed: label -> its first new value.
    """
    pods = pods_of(objects)
    wanted = USUAL | selected_by(objects) | set(selected)
    own = {(key, value): own_value(value, suffix) for pod in pods for key, value in pod.items() if key in wanted}
    for obj in objects:
        for selector in (*_selectors(obj), *_terms(obj)):
            if any(selects(_whole(selector), pod) for pod in pods):
                _follow(selector, own, mine)
    for obj in objects:
        kind = kind_of(obj)
        for path in label_places(obj):
            labels = _made(obj, path)
            labels.update({key: own.get((key, value), value) for key, value in labels.items()})
        for path in (("metadata", "labels"), *(kind.more_labels(obj) if kind else ())):
            labels = at(obj, path)
            if isinstance(labels, dict):
                labels.update({key: own.get((key, value), value) for key, value in labels.items()})
    return {key: value for (key, _), value in reversed(own.items())}


def own_value(value: Any, suffix: str) -> str:
    """A label's value with a suffix, cut to what a value may have. Different values stay different within a manifest
    wherever they fit; what tells trials apart is the suffix.
    """
    room = 63 - len(suffix) - 1
    return f"{str(value)[:room].rstrip('-_.')}-{suffix}".lstrip("-")


def give(obj: Object, labels: Mapping[str, str]) -> None:
    """Labels for the pods that an object makes."""
    for path in label_places(obj):
        _made(obj, path).update(labels)


def _selectors(obj: Mapping[str, Any]) -> Iterator[Object]:
    """An object's selectors of pods: with matchLabels, or plain labels."""
    kind = kind_of(obj)
    if kind is not None:
        paths = kind.pod_selectors(obj)
    else:
        paths = tuple(("spec", name) for name in _OF_PODS.get(str(obj.get("kind")), ()))
    yield from (found for path in paths if isinstance(found := at(obj, path), dict) and found)
    if obj.get("kind") == "NetworkPolicy":
        for rule, side in (("ingress", "from"), ("egress", "to")):
            for _, allowed in mappings(obj, ("spec", rule)):
                for _, peer in mappings(allowed, (side,)):
                    if isinstance(peer.get("podSelector"), dict) and peer["podSelector"]:
                        yield peer["podSelector"]


def _terms(obj: Mapping[str, Any]) -> Iterator[Object]:
    """Selectors by which the pods of an object are spread, or keep to or off others."""
    kind = kind_of(obj)
    for path in kind.pod_specs(obj) if kind else (("spec", "template", "spec"),):
        spec = mapping(obj, path)
        for _, spread in mappings(spec, ("topologySpreadConstraints",)):
            yield from _labelled(spread)
        for name in ("podAffinity", "podAntiAffinity"):
            affinity = mapping(spec, ("affinity", name))
            for _, term in mappings(affinity, ("requiredDuringSchedulingIgnoredDuringExecution",)):
                yield from _labelled(term)
            for _, term in mappings(affinity, ("preferredDuringSchedulingIgnoredDuringExecution",)):
                yield from _labelled(mapping(term, ("podAffinityTerm",)))


def _labelled(term: Mapping[str, Any]) -> Iterator[Object]:
    if isinstance(term.get("labelSelector"), dict):
        yield term["labelSelector"]


def _whole(selector: Object) -> Mapping[str, Any]:
    """A selector of plain labels as one with matchLabels."""
    return selector if selector.keys() <= _PARTS else {"matchLabels": selector}


def _follow(selector: Object, own: Own, mine: Mapping[str, str]) -> None:
    if not selector.keys() <= _PARTS:
        selector.update({key: own.get((key, value), value) for key, value in selector.items()} | dict(mine))
        return
    labels = mapping(selector, ("matchLabels",))
    selector["matchLabels"] = {key: own.get((key, value), value) for key, value in labels.items()} | dict(mine)
    for _, entry in mappings(selector, ("matchExpressions",)):
        if isinstance(entry, dict) and entry.get("operator") == "In":
            entry["values"] = [own.get((str(entry.get("key")), value), value) for value in entry.get("values") or ()]


def _made(obj: Object, path: Path) -> Object:
    """The mapping at `path`, made where there is none."""
    place: Any = obj
    for step in path:
        if isinstance(place, dict) and not isinstance(place.get(step), dict | list):
            place[step] = {}
        place = place[step]
    found: Object = place
    return found
