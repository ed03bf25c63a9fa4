"""The Role that `tune rbac` writes: what stands in it, that each right is documented, and that a study runs with it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.repository.checkout import ROOT
from tuner.backends.kubernetes.rights import role as rbac
from tuner.backends.kubernetes.rights import table as rights
from tuner.backends.kubernetes.rights.role import Account
from tuner.backends.kubernetes.rights.table import Right

ACCOUNT = Account(namespace="tuning", name="tuner")
COMPANION = {"apiVersion": "v1", "kind": "ConfigMap"}
SELDON = {"apiVersion": "machinelearning.seldon.io/v1", "kind": "SeldonDeployment"}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace"}
TABLE = (
    *rights.ALWAYS,
    *rights.OPTIONAL,
    *rights.APPLY,
    *rights.IN_CLUSTER,
    *rights.of_workload("apps", "deployments", "Deployment"),
    *rights.of_companion("", "configmaps", "ConfigMap"),
    *rights.MADE_BY_OPERATORS,
    *rights.of_applied("apps", "deployments", "Deployment", workload=True),
)


def documents(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


def verbs(text: str, kind: str = "Role") -> dict[tuple[str, str], list[str]]:
    (role,) = [document for document in documents(text) if document["kind"] == kind]
    found = {(r["apiGroups"][0], r["resources"][0]): r["verbs"] for r in role["rules"]}
    assert len(found) == len(role["rules"])
    return found


@pytest.mark.parametrize("right", TABLE, ids=lambda right: f"{right}-{'-'.join(right.verbs)}")
def test_each_right_is_documented_with_its_reason_and_what_is_lost(right: Right) -> None:
    scope = " (cluster scope)" if right.cluster else ""
    row = f"| `{right}`{scope} | {', '.join(right.verbs)} | {right.why} | {right.without} |"
    assert row in (ROOT / "docs" / "rbac.md").read_text(encoding="utf-8").splitlines()


def test_what_can_be_done_without_says_what_is_lost() -> None:
    assert [right for right in TABLE if right.needed == bool(right.lost)] == []


def test_the_role_holds_no_wildcard_nothing_spare_and_each_verb_once() -> None:
    found = verbs(rbac.role(ACCOUNT, "tuner-trials", rbac.of_trials([], "here"), nodes=False))
    assert all(len(set(listed)) == len(listed) and "*" not in listed for listed in found.values())
    assert not {("", "nodes"), ("", "nodes/proxy"), ("metrics.k8s.io", "pods")} & found.keys()
    assert ("", "secrets") not in found
    assert "impersonate" not in str(found)


def test_all_documents_are_of_the_namespace_and_bind_the_account() -> None:
    account, role, binding = documents(rbac.role(ACCOUNT, "tuner-trials", rbac.of_trials([], "here"), nodes=False))
    assert [d["kind"] for d in (account, role, binding)] == ["ServiceAccount", "Role", "RoleBinding"]
    assert {d["metadata"]["namespace"] for d in (account, role, binding)} == {"tuning"}
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "tuner", "namespace": "tuning"}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


def test_nodes_take_a_cluster_role_of_their_own_that_only_reads() -> None:
    trials = rbac.of_trials([], "here")
    assert "tune rbac --nodes" in rbac.role(ACCOUNT, "tuner-trials", trials, nodes=False)
    text = rbac.role(ACCOUNT, "tuner-trials", trials, nodes=True)
    assert verbs(text, "ClusterRole") == {("", "nodes"): ["get", "list"]}
    assert [d["kind"] for d in documents(text)][3:] == ["ClusterRole", "ClusterRoleBinding"]


def test_the_manifests_kinds_are_in_it_but_none_of_the_whole_cluster() -> None:
    found = verbs(rbac.role(ACCOUNT, "t", rbac.of_trials([SELDON, COMPANION, NAMESPACE], "here"), nodes=False))
    assert set(found["machinelearning.seldon.io", "seldondeployments"]) >= {"create", "patch", "watch", "delete"}
    assert found["", "configmaps"] == ["create", "patch", "get"]
    assert ("", "namespaces") not in found


def test_load_inside_the_cluster_needs_no_port_forward() -> None:
    assert ("", "pods/portforward") not in verbs(rbac.role(ACCOUNT, "t", rbac.of_trials([], "cluster"), nodes=False))


def test_apply_may_change_the_manifests_kinds_and_no_pod() -> None:
    found = verbs(rbac.role(ACCOUNT, "t", rbac.of_apply([], "here"), nodes=False))
    assert found["", "pods"] == ["list", "watch"]
    assert set(found["apps", "deployments"]) == {"get", "create", "patch", "delete", "list", "watch"}
    assert set(found["", "services"]) == {"get", "create", "patch", "delete"}
    assert ("batch", "jobs") not in found
