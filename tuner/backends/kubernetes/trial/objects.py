"""A manifest as the objects of one trial.

What is changed, so that trials cannot mix and one deletion removes all of them; nothing else is:

- ``metadata.name``: NAME-STUDY-TRIAL, and the references to it inside the manifest (config maps, secrets, volume
  claims, service accounts, Services of a StatefulSet or an Ingress, scale targets, roles)
- ``metadata.namespace``: the one chosen
- ``metadata.labels``: study, trial and managed-by, also on pod templates; and the trial's in every selector that
  selects those pods (of the workload itself, Services, disruption budgets, network policies, affinity, spreading)
- labels that anybody selects pods by: their values, there and in those selectors (`relabel` says which)
- ``metadata.ownerReferences``: the trial's anchor
- ``nodeSelector`` of the workload's pods, where trials are to keep to some nodes; their ``affinity``, where those beside
  each other are to have nodes of their own

Env, args, images, resources, replicas, probes and volumes are what the manifest says. Objects without a namespace are
not created: they are the whole cluster's.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tuner.backends.kubernetes.trial import relabel
from tuner.manifests.kinds import kind_of
from tuner.manifests.kinds.model import at

Object = dict[str, Any]

STUDY, TRIAL, MANAGED_BY = "tuner.dev/study", "tuner.dev/trial", "app.kubernetes.io/managed-by"
STUDY_NAME = "tuner.dev/study-name"
MANAGER = "tuner"

AWAY_FROM_TRIALS: Mapping[str, Any] = MappingProxyType(
    {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 100,
                    "podAffinityTerm": {
                        "topologyKey": "kubernetes.io/hostname",
                        "labelSelector": {
                            "matchLabels": {MANAGED_BY: MANAGER},
                            "matchExpressions": [{"key": TRIAL, "operator": "Exists"}],
                        },
                    },
                }
            ]
        }
    }
)
"""An affinity: of pods that would rather have no trial's pods on their nodes. A preference holds in both directions, so
that a measured manifest stays as it is."""

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_AUTOSCALERS = frozenset({"HorizontalPodAutoscaler", "ScaledObject", "VerticalPodAutoscaler"})
_LONGEST_NAME = 50
"""A StatefulSet's name and eleven characters of a hash have to fit into a label of 63."""
_NAMED_BY_KEY = {"serviceAccountName": "ServiceAccount", "serviceAccount": "ServiceAccount", "serviceName": "Service"}
_NAMED_INSIDE = {
    ("configMap", "name"): "ConfigMap",
    ("configMapRef", "name"): "ConfigMap",
    ("configMapKeyRef", "name"): "ConfigMap",
    ("secret", "name"): "Secret",
    ("secret", "secretName"): "Secret",
    ("secretRef", "name"): "Secret",
    ("secretKeyRef", "name"): "Secret",
    ("persistentVolumeClaim", "claimName"): "PersistentVolumeClaim",
    ("service", "name"): "Service",
    ("imagePullSecrets", "name"): "Secret",
    ("secrets", "name"): "Secret",
}
_NAMED_WITH_KIND = frozenset({"scaleTargetRef", "targetRef", "roleRef", "subjects"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whose objects they are."""

    study: str
    trial: int
    study_name: str = ""
    """As people call the study; empty: it has no name."""

    @property
    def labels(self) -> dict[str, str]:
        named = {STUDY_NAME: found} if (found := label(self.study_name)) else {}
        return {**self.pod_selector, MANAGED_BY: MANAGER, **named}

    @property
    def pod_selector(self) -> dict[str, str]:
        """What selects the trial's pods, and no others."""
        return {STUDY: label(self.study), TRIAL: str(self.trial)}

    @property
    def suffix(self) -> str:
        """What labels of its pods get appended that others select by."""
        return f"{slug(self.study)}-{self.trial}".lstrip("-")

    @property
    def selector(self) -> str:
        return f"{STUDY}={label(self.study)},{TRIAL}={self.trial}"

    def name(self, base: str) -> str:
        """Fit for every kind; cut, with a hash in it, where it would be too long."""
        tail = f"-{slug(self.study)}-{self.trial}"
        if len(base) + len(tail) > _LONGEST_NAME:
            digest = hashlib.sha256(base.encode()).hexdigest()[:6]
            base = f"{base[: max(1, _LONGEST_NAME - len(tail) - 7)].rstrip('-.')}-{digest}"
        return base + tail


def label(text: str) -> str:
    """A text as a label's value."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]", "-", text).strip("-_.")
    if len(cleaned) <= 40:
        return cleaned
    return f"{cleaned[:32].rstrip('-_.')}-{hashlib.sha256(text.encode()).hexdigest()[:7]}"


def slug(text: str) -> str:
    """A text as a part of an object's name."""
    return label(text).lower().replace("_", "-").replace(".", "-")


def of_trial(
    manifest: Sequence[Mapping[str, Any]],
    identity: Identity,
    *,
    namespace: str,
    owner: Mapping[str, Any] | None = None,
    namespaced: Callable[[Mapping[str, Any]], bool] = lambda _: True,
    selected: Collection[str] = (),
    node_selector: Mapping[str, str] = MappingProxyType({}),
    apart: bool = False,
) -> tuple[Object, ...]:
    """The objects to create, in an order in which each finds what it needs. `owner`: an owner reference; `selected`:
    labels by which objects of the namespace select pods; `node_selector`: labels of the nodes that the workload's pods
    may run on, beside their own; `apart`: on no node with those of another trial of the study.
    """
    objects = [copy.deepcopy(dict(obj)) for obj in manifest if namespaced(obj)]
    renamed = {(str(obj.get("kind")), _name(obj)): identity.name(_name(obj)) for obj in objects}
    relabel.relabel(objects, selected=selected, suffix=identity.suffix, mine=identity.pod_selector)
    for obj in objects:
        relabel.give(obj, identity.labels)
        _rewrite(obj, renamed)
        metadata = obj.setdefault("metadata", {})
        metadata["name"] = renamed[str(obj.get("kind")), _name(obj)]
        metadata["namespace"] = namespace
        metadata["labels"] = {**(metadata.get("labels") or {}), **identity.labels}
        if owner is not None:
            metadata["ownerReferences"] = [*(metadata.get("ownerReferences") or ()), dict(owner)]
        obj.pop("status", None)
        keep_to(obj, node_selector)
        if apart:
            keep_apart(obj, identity)
    return tuple(sorted(objects, key=_turn))


def scales(obj: Mapping[str, Any], replicas: int) -> str | None:
    """``KIND NAME`` of what an autoscaler would scale in a trial, and so change what is measured while it is measured: the
    replicas, or the pods' resources. None: the object is none, or holds just so many replicas as there are.
    """
    if obj.get("kind") not in _AUTOSCALERS:
        return None
    spec = at(obj, ("spec",)) or {}
    if obj.get("kind") == "HorizontalPodAutoscaler" and {spec.get("minReplicas") or 1, spec.get("maxReplicas")} == {
        replicas
    }:
        return None
    target = at(obj, ("spec", "scaleTargetRef")) or at(obj, ("spec", "targetRef")) or {}
    return f"{target.get('kind', 'Deployment')} {target.get('name')}" if isinstance(target, Mapping) else "a workload"


def keep_to(obj: Object, node_selector: Mapping[str, str]) -> None:
    """Let a workload's pods run on nodes with these labels alone."""
    kind = kind_of(obj)
    for path in kind.pod_specs(obj) if kind is not None and node_selector else ():
        spec = at(obj, path)
        if isinstance(spec, dict):
            spec["nodeSelector"] = {**(spec.get("nodeSelector") or {}), **node_selector}


def keep_apart(obj: Object, identity: Identity) -> None:
    """Let no pod of a workload run on a node with one of another trial of the study."""
    others = [
        {"key": STUDY, "operator": "In", "values": [identity.pod_selector[STUDY]]},
        {"key": TRIAL, "operator": "Exists"},
        {"key": TRIAL, "operator": "NotIn", "values": [identity.pod_selector[TRIAL]]},
    ]
    term = {"labelSelector": {"matchExpressions": others}, "topologyKey": "kubernetes.io/hostname"}
    kind = kind_of(obj)
    for path in kind.pod_specs(obj) if kind is not None else ():
        spec = at(obj, path)
        if isinstance(spec, dict):
            affinity = dict(spec.get("affinity") or {})
            against = dict(affinity.get("podAntiAffinity") or {})
            against[_REQUIRED] = [*(against.get(_REQUIRED) or ()), term]
            spec["affinity"] = {**affinity, "podAntiAffinity": against}


def by_host_name(manifest: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """(variable or argument, Service) where a plain value names a Service of the manifest, which each trial renames."""
    services = [_name(obj) for obj in manifest if obj.get("kind") == "Service"]
    patterns = {name: re.compile(rf"(?:^|//|@|\s|,){re.escape(name)}(?=[.:/,\s]|$)") for name in services if name}
    for obj in manifest:
        for where, value in _plain_values(obj):
            for name, pattern in patterns.items():
                if pattern.search(value):
                    yield where, name


def service_for(
    name: str,
    identity: Identity,
    *,
    namespace: str,
    port: int,
    owner: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Object:
    """The Service of a trial whose manifest has none: in front of the pods that carry its labels. `labels`: more."""
    labels = {**(labels or {}), **identity.labels}
    metadata: Object = {"name": identity.name(name), "namespace": namespace, "labels": labels}
    if owner is not None:
        metadata["ownerReferences"] = [dict(owner)]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "selector": identity.pod_selector,
            "ports": [{"name": "http", "port": port, "targetPort": port, "protocol": "TCP"}],
        },
    }


def _turn(obj: Mapping[str, Any]) -> int:
    """What the others need comes first."""
    if obj.get("kind") == "HorizontalPodAutoscaler":
        return 2
    return 0 if kind_of(obj) is None else 1


def _name(obj: Mapping[str, Any]) -> str:
    return str((obj.get("metadata") or {}).get("name") or "")


def _rewrite(value: Any, renamed: Mapping[tuple[str, str], str], key: str = "") -> None:
    """References to objects of the manifest, below `value`; `key` is the one it stands under."""
    if isinstance(value, list):
        for item in value:
            _rewrite(item, renamed, key)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str):
                value[name] = renamed.get((_kind_named(key, name, value), inner), inner)
            elif name != "metadata":  # labels and annotations name nothing
                _rewrite(inner, renamed, name)


def _kind_named(key: str, name: str, beside: Mapping[str, Any]) -> str:
    """The kind of object that the string at `name`, in a mapping under `key`, names; empty: none."""
    if name in _NAMED_BY_KEY:
        return _NAMED_BY_KEY[name]
    if name == "name" and key in _NAMED_WITH_KIND:
        return str(beside.get("kind"))
    return _NAMED_INSIDE.get((key, name), "")


def _plain_values(value: Any) -> Iterator[tuple[str, str]]:
    """Literal env values and arguments of every container below."""
    if isinstance(value, dict):
        for entry in value.get("env") or () if isinstance(value.get("env"), list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("value"), str):
                yield f"env {entry.get('name')}", entry["value"]
        for section in ("args", "command"):
            for word in value.get(section) or () if isinstance(value.get(section), list) else ():
                if isinstance(word, str):
                    yield section, word
        for name, inner in value.items():
            if name not in ("env", "args", "command"):
                yield from _plain_values(inner)
    elif isinstance(value, list):
        for item in value:
            yield from _plain_values(item)
