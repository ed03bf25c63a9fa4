"""What of the cluster may change pods as they are admitted: named where a pod is not what was asked for.

The API server keeps no record of which webhook or policy changed an object, so these are suspects, not culprits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.resources import Object
from tuner.backends.kubernetes.client.selector import selects
from tuner.errors import EnvironmentFailure
from tuner.manifests.kinds.model import at, mapping, mappings

_ROOT = "/apis/admissionregistration.k8s.io"
_VERSIONS = ("v1", "v1beta1", "v1alpha1")


def of_pods(api: Api) -> tuple[str, ...]:
    """Mutating webhooks and policies with a rule for the creation of pods; empty where they may not be read."""
    webhooks = [
        f"webhook {webhook.get('name')} of MutatingWebhookConfiguration {at(found, ('metadata', 'name'))}"
        for found in _listed(api, "mutatingwebhookconfigurations")
        for _, webhook in mappings(found, ("webhooks",))
        if any(_is_about_pods(rule) for _, rule in mappings(webhook, ("rules",)))
    ]
    policies = [
        f"MutatingAdmissionPolicy {at(found, ('metadata', 'name'))}"
        for found in _listed(api, "mutatingadmissionpolicies")
        if any(_is_about_pods(rule) for _, rule in mappings(found, ("spec", "matchConstraints", "resourceRules")))
    ]
    return (*webhooks, *policies)


def by_labels(api: Api, before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Mutating webhooks that would look at a pod with labels as they were `before`, and not as they are `now`."""
    return tuple(
        f"webhook {webhook.get('name')} of MutatingWebhookConfiguration {at(found, ('metadata', 'name'))}"
        for found in _listed(api, "mutatingwebhookconfigurations")
        for _, webhook in mappings(found, ("webhooks",))
        if any(_is_about_pods(rule) for _, rule in mappings(webhook, ("rules",)))
        and (wanted := mapping(webhook, ("objectSelector",)))
        and selects(wanted, before) != selects(wanted, now)
    )


def _listed(api: Api, plural: str) -> Iterator[Object]:
    for version in _VERSIONS:
        try:
            found = api.call("GET", f"{_ROOT}/{version}/{plural}", what=f"the {plural}")
        except EnvironmentFailure:  # not served, or not for us to read
            continue
        yield from found.get("items") or ()
        return


def _is_about_pods(rule: Mapping[str, Any]) -> bool:
    groups, resources, verbs = (set(rule.get(key) or ()) for key in ("apiGroups", "resources", "operations"))
    return bool(groups & {"", "*"} and resources & {"pods", "*", "*/*"} and verbs & {"CREATE", "*"})
