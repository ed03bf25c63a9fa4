"""The Role that a table of rights amounts to, as YAML with its reasons in comments.

Only text is made here; nothing is asked of a cluster, and the kubernetes client is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.backends.kubernetes.rights.table import (
    ALWAYS,
    APPLY,
    IN_CLUSTER,
    OPTIONAL,
    Load,
    Right,
    distinct,
    of_applied,
    of_companion,
    of_workload,
)
from tuner.manifests.kinds import kind_of

_DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment"}
_SERVICE = {"apiVersion": "v1", "kind": "Service"}
_WHOLE_CLUSTERS = frozenset(
    {"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "PersistentVolume", "StorageClass"}
    | {"PriorityClass", "RuntimeClass", "IngressClass", "Node"}
)
"""Kinds without a namespace that manifests hold now and then; the tuner leaves them alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who gets the rights, and where."""

    namespace: str
    name: str


def of_trials(objects: Sequence[Mapping[str, Any]], load: Load) -> tuple[Right, ...]:
    """What trials of a manifest need. `objects` empty: of one with a Deployment and nothing else."""
    made: list[Right] = []
    for obj in _kinds(objects or (_DEPLOYMENT,)):
        rights = of_workload if kind_of(obj) is not None else of_companion
        made += rights(*_resource(obj), str(obj.get("kind")))
    return _sent_from(load, [*ALWAYS, *IN_CLUSTER, *made, *OPTIONAL])


def of_apply(objects: Sequence[Mapping[str, Any]], load: Load) -> tuple[Right, ...]:
    """What `tune apply` needs for a manifest. `objects` empty: for one with a Deployment and a Service."""
    made: list[Right] = []
    for obj in _kinds(objects or (_DEPLOYMENT, _SERVICE)):
        made += of_applied(*_resource(obj), str(obj.get("kind")), workload=kind_of(obj) is not None)
    return _sent_from(load, [*IN_CLUSTER, *made, *APPLY])


def role(account: Account, name: str, rights: Sequence[Right], *, nodes: bool, within: str | None = None) -> str:
    """ServiceAccount, Role and RoleBinding, to be given to ``kubectl apply``; with `nodes` a ClusterRole, too.

    `within`: the namespace of the rights, where that is another than the account's, which is then there already.
    """
    namespaced = [right for right in rights if not right.cluster and not right.spare]
    whole = [right for right in rights if right.cluster and not right.spare]
    documents = [] if within else [_service_account(account)]
    documents += _granted(account, name, namespaced, cluster=False, within=within)
    if whole and nodes:
        documents += _granted(account, name, whole, cluster=True)
    elif whole:
        documents[-1] += _left_out(whole)
    return "---\n".join(documents)


def _sent_from(load: Load, rights: Sequence[Right]) -> tuple[Right, ...]:
    return tuple(distinct([right for right in rights if right.load in (None, load)]))


def _kinds(objects: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """One object of each kind that a namespace holds."""
    found = {(obj.get("apiVersion"), obj.get("kind")): obj for obj in objects if obj.get("kind") not in _WHOLE_CLUSTERS}
    return list(found.values())


def _resource(obj: Mapping[str, Any]) -> tuple[str, str]:
    """(API group, resource); the plural by the rule that the API server's own guess follows (apimachinery,
    ``meta.UnsafeGuessKindToResource``), which holds for all kinds of Kubernetes and of the operators we know.
    """
    name = str(obj.get("kind", "")).lower()
    plural = f"{name[:-1]}ies" if name.endswith("y") else f"{name}es" if name.endswith("s") else f"{name}s"
    return str(obj.get("apiVersion", "")).rpartition("/")[0], plural


def _service_account(account: Account) -> str:
    return f"apiVersion: v1\nkind: ServiceAccount\nmetadata:\n{_metadata(account.name, account.namespace)}"


def _granted(
    account: Account, name: str, rights: Sequence[Right], *, cluster: bool, within: str | None = None
) -> Iterator[str]:
    """The role, and its binding. A ClusterRole carries the namespace in its name: two namespaces do not share one."""
    kind = "ClusterRole" if cluster else "Role"
    named = f"{name}-{account.namespace}" if cluster else name
    metadata = _metadata(named, None if cluster else within or account.namespace)
    yield (
        f"apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n{metadata}rules:\n"
        f"{''.join(_rule(found) for found in _by_resource(rights))}"
    )
    yield (
        f"apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}Binding\nmetadata:\n{metadata}"
        f"subjects:\n  - kind: ServiceAccount\n    name: {account.name}\n    namespace: {account.namespace}\n"
        f"roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {named}\n"
    )


def _metadata(name: str, namespace: str | None) -> str:
    return f"  name: {name}\n" + (f"  namespace: {namespace}\n" if namespace else "")


def _by_resource(rights: Sequence[Right]) -> list[list[Right]]:
    keys = dict.fromkeys((right.group, right.resource) for right in rights)
    return [[right for right in rights if (right.group, right.resource) == key] for key in keys]


def _rule(same: Sequence[Right]) -> str:
    """All that is allowed on one resource, a line of reason for each of its rights."""
    verbs = ", ".join(dict.fromkeys(verb for right in same for verb in right.verbs))
    reasons = "".join(f"  # {_reason(right)}\n" for right in same)
    group = same[0].group or '""'
    return f"{reasons}  - apiGroups: [{group}]\n    resources: [{same[0].resource}]\n    verbs: [{verbs}]\n"


def _reason(right: Right) -> str:
    verbs = ", ".join(right.verbs)
    return f"{verbs}: {right.why}" if right.needed else f"{verbs}: {right.why} (optional; without it {right.lost})"


def _left_out(rights: Sequence[Right]) -> str:
    lines = [f"# {', '.join(right.verbs)} {right}: {right.why}; without it {right.lost}\n" for right in rights]
    return "# Left out, since it takes a ClusterRole (`tune rbac --nodes` writes it, too):\n" + "".join(lines)
