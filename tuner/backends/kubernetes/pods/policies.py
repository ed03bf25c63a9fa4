"""Do the namespace's NetworkPolicies let load through to a trial's pods?

Pure: takes objects as the API gives them. A pod is ready by the word of its node, whose probes no policy stops: so one
that nobody can reach looks as if it did not answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.backends.kubernetes.client.resources import name_of
from tuner.backends.kubernetes.client.selector import selects
from tuner.manifests.kinds.model import at, mapping, mappings

Object = Mapping[str, Any]


def closed(
    policies: Sequence[Object], *, namespace: str, pod: Object, source: Mapping[str, str] | None, port: int
) -> tuple[str, ...]:
    """Names of the policies that together let nothing through from the load to `port` of a pod; empty: they do, or
    nobody can tell.

    `source`: the labels of the load generator's pod in this namespace; None: the load comes from outside, by an address
    that is not known here.
    """
    labels = mapping(pod, ("metadata", "labels"))
    into = _selecting(policies, labels, "Ingress")
    found = into if into and not any(_lets_in(one, namespace, source, pod, port) for one in into) else []
    if source is not None:
        out = _selecting(policies, source, "Egress")
        found = [*found, *(out if out and not any(_lets_out(one, namespace, pod, port) for one in out) else [])]
    return tuple(dict.fromkeys(name_of(one) for one in found))


def _selecting(policies: Sequence[Object], labels: Mapping[str, Any], direction: str) -> list[Object]:
    """Those that say anything of a direction: a policy without types says something of egress only where it has rules."""
    return [
        one
        for one in policies
        if selects(mapping(one, ("spec", "podSelector")), labels)
        and direction
        in (at(one, ("spec", "policyTypes")) or ["Ingress", *(["Egress"] if at(one, ("spec", "egress")) else [])])
    ]


def _lets_in(policy: Object, namespace: str, source: Mapping[str, str] | None, pod: Object, port: int) -> bool:
    return any(
        _is_port(rule, pod, port) and _is_peer(rule.get("from"), namespace, source)
        for _, rule in mappings(policy, ("spec", "ingress"))
    )


def _lets_out(policy: Object, namespace: str, pod: Object, port: int) -> bool:
    labels = mapping(pod, ("metadata", "labels"))
    return any(
        _is_port(rule, pod, port) and _is_peer(rule.get("to"), namespace, labels)
        for _, rule in mappings(policy, ("spec", "egress"))
    )


def _is_peer(peers: Any, namespace: str, labels: Mapping[str, Any] | None) -> bool:
    """Whether one of the peers is the pod with these labels in this namespace, or may be who has no labels."""
    if not peers:
        return True
    for peer in peers:
        if peer.get("ipBlock"):
            return True  # whose address it is cannot be told
        if labels is None:
            continue
        spaces, pods = peer.get("namespaceSelector"), peer.get("podSelector")
        here = spaces is None or selects(spaces, {"kubernetes.io/metadata.name": namespace})
        if here and (pods is None or selects(pods, labels)):
            return True
    return False


def _is_port(rule: Object, pod: Object, port: int) -> bool:
    entries = [entry for _, entry in mappings(rule, ("ports",))]
    return not entries or any(_covers(entry, pod, port) for entry in entries)


def _covers(entry: Object, pod: Object, port: int) -> bool:
    if str(entry.get("protocol") or "TCP") != "TCP":
        return False
    wanted = entry.get("port")
    if isinstance(wanted, int):
        return wanted <= port <= int(entry.get("endPort") or wanted)
    named = {
        found.get("name"): found.get("containerPort")
        for _, container in mappings(pod, ("spec", "containers"))
        for _, found in mappings(container, ("ports",))
    }
    return wanted is None or named.get(wanted) == port
