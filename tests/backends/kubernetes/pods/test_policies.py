"""Which policies keep load from a trial's pods."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tuner.backends.kubernetes.pods.policies import closed
from tuner.backends.kubernetes.rights.network import policies

LOAD = {"tuner.dev/load": "true"}
POD = {
    "metadata": {"labels": {"tuner.dev/trial": "0", "app": "toy-0"}},
    "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 9000}]}]},
}
DENY: dict[str, Any] = {"podSelector": {}, "policyTypes": ["Ingress"]}
LOCKED: dict[str, Any] = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def policy(spec: dict[str, Any], name: str = "deny") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": spec}


def of_load(pod: dict[str, Any] | None = None, *specs: dict[str, Any], source: dict[str, str] | None = LOAD) -> Any:
    return closed([policy(spec) for spec in specs], namespace="here", pod=pod or POD, source=source, port=9000)


def allowing(**rule: Any) -> dict[str, Any]:
    return {**DENY, "ingress": [rule]}


@pytest.mark.parametrize(
    "specs",
    [
        [DENY],
        [LOCKED],
        [{"podSelector": {"matchLabels": {"app": "toy-0"}}}],
        [allowing(ports=[{"port": 9001}])],
        [allowing(ports=[{"port": "grpc"}])],
        [allowing(ports=[{"port": 9000, "protocol": "UDP"}])],
        [{**DENY, "ingress": [{"from": [{"podSelector": {"matchLabels": {"role": "web"}}}]}]}],
        [{**DENY, "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}]}]}],
        [{"podSelector": {"matchLabels": LOAD}, "policyTypes": ["Egress"]}],
    ],
)
def test_what_lets_nothing_through(specs: list[dict[str, Any]]) -> None:
    assert of_load(None, *specs) == ("deny",)


@pytest.mark.parametrize(
    "specs",
    [
        [],
        [{"podSelector": {"matchLabels": {"app": "other"}}}],
        [DENY, allowing()],
        [allowing(ports=[{"port": 8000, "endPort": 9999}])],
        [allowing(ports=[{"port": "http"}])],
        [{**DENY, "ingress": [{"from": [{"podSelector": {}}]}]}],
        [{**DENY, "ingress": [{"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": LOAD}}]}]}],
        [{**DENY, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}],
    ],
)
def test_what_lets_load_through(specs: list[dict[str, Any]]) -> None:
    assert of_load(None, *specs) == ()


def test_load_from_outside_needs_a_rule_for_all_or_for_addresses() -> None:
    assert of_load(None, {**DENY, "ingress": [{"from": [{"podSelector": {}}]}]}, source=None) == ("deny",)
    assert of_load(None, allowing(), source=None) == ()


@pytest.mark.parametrize("load", ["cluster", "here"])
def test_the_rules_that_are_written_are_those_that_load_needs(load: Any) -> None:
    written = [found for found in yaml.safe_load_all(policies("here", "tuner", load)) if found]
    source = LOAD if load == "cluster" else None
    locked = policy(LOCKED if source else DENY)
    assert closed([locked], namespace="here", pod=POD, source=source, port=9000) != ()
    assert closed([locked, *written], namespace="here", pod=POD, source=source, port=9000) == ()
