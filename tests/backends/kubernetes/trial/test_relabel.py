"""Labels of a trial's pods that nothing else selects, and selectors that follow them."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends.kubernetes import toys
from tuner.backends.kubernetes.client.selector import keys, selects
from tuner.backends.kubernetes.trial import objects, relabel
from tuner.backends.kubernetes.trial.objects import Identity

WHO = Identity(study="ab12cd34", trial=7)
MINE = WHO.pod_selector
Object = dict[str, Any]


def trial(*manifest: Object, selected: frozenset[str] = frozenset()) -> tuple[Object, ...]:
    before = copy.deepcopy(manifest)
    found = objects.of_trial(manifest, WHO, namespace="lab", selected=selected)
    assert manifest == before
    return found


def labelled(**labels: str) -> Object:
    manifest = toys.manifest()
    manifest["spec"]["template"]["metadata"]["labels"] = labels
    manifest["spec"]["selector"]["matchLabels"] = {"app": labels["app"]}
    return manifest


def test_labels_that_anybody_selects_by_change_and_those_that_admission_reads_stay() -> None:
    labels = {"app": "toy", "tier": "front", "team.example/pool": "blue", "sidecar.istio.io/inject": "true"}
    (found,) = trial(labelled(**labels), selected=frozenset({"team.example/pool", "other"}))
    now = found["spec"]["template"]["metadata"]["labels"]
    assert now["sidecar.istio.io/inject"] == "true"
    for key in ("app", "tier", "team.example/pool"):
        assert now[key] == f"{labels[key]}-ab12cd34-7"
    assert selects(found["spec"]["selector"], now)
    assert found["spec"]["selector"]["matchLabels"] == {"app": "toy-ab12cd34-7", **MINE}


def test_a_label_that_only_the_workloads_own_selector_names_changes_whatever_it_is_called() -> None:
    manifest = labelled(app="toy", lane="x")
    manifest["spec"]["selector"] = {"matchExpressions": [{"key": "lane", "operator": "In", "values": ["x", "y"]}]}
    (found,) = trial(manifest)
    selector, now = found["spec"]["selector"], found["spec"]["template"]["metadata"]["labels"]
    assert now["lane"] == "x-ab12cd34-7"
    assert selects(selector, now)
    assert not selects(selector, {"lane": "y"})


def test_affinity_and_spreading_follow_where_they_are_about_the_workload_itself() -> None:
    manifest = toys.manifest()
    own = {"labelSelector": {"matchLabels": {"app": "toy"}}, "topologyKey": "zone"}
    anybody = {"labelSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}, "topologyKey": "zone"}
    other = {"labelSelector": {"matchLabels": {"app": "cache"}}, "topologyKey": "zone"}
    manifest["spec"]["template"]["spec"] |= {
        "topologySpreadConstraints": [own],
        "affinity": {
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [own, anybody],
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": own}],
            },
            "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [other]},
        },
    }
    (found,) = trial(copy.deepcopy(manifest))
    spec = found["spec"]["template"]["spec"]
    anti = spec["affinity"]["podAntiAffinity"]
    required = anti["requiredDuringSchedulingIgnoredDuringExecution"]
    followed = [
        spec["topologySpreadConstraints"][0],
        *required,
        anti["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"],
    ]
    now = found["spec"]["template"]["metadata"]["labels"]
    for term in followed:
        assert selects(term["labelSelector"], now)
        assert not selects(term["labelSelector"], {"app": "toy"})
    assert spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] == [other]


def test_the_manifests_own_services_budgets_and_policies_follow_and_those_of_others_stay() -> None:
    def obj(kind: str, spec: Object) -> Object:
        return {"kind": kind, "metadata": {"name": kind.lower(), "labels": {"app": "toy"}}, "spec": spec}

    peers = [
        {"from": [{"podSelector": {"matchLabels": {"app": "toy"}}}, {"podSelector": {"matchLabels": {"app": "x"}}}]}
    ]
    found = {
        one["kind"]: one
        for one in trial(
            toys.manifest(),
            obj("Service", {"selector": {"app": "toy"}}),
            obj("PodDisruptionBudget", {"selector": {"matchLabels": {"app": "toy"}}}),
            obj("NetworkPolicy", {"podSelector": {"matchLabels": {"app": "x"}}, "ingress": peers}),
        )
    }
    now = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert found["Service"]["spec"]["selector"].items() <= now.items()
    assert selects(found["PodDisruptionBudget"]["spec"]["selector"], now)
    policy = found["NetworkPolicy"]["spec"]
    assert policy["podSelector"] == {"matchLabels": {"app": "x"}}
    mine, theirs = policy["ingress"][0]["from"]
    assert selects(mine["podSelector"], now)
    assert theirs == {"podSelector": {"matchLabels": {"app": "x"}}}
    assert found["Service"]["metadata"]["labels"]["app"] == "toy-ab12cd34-7"


def test_operators_get_the_labels_where_they_pass_them_on() -> None:
    seldon = {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": "toy"},
        "spec": {
            "predictors": [
                {
                    "name": "default",
                    "labels": {"app": "toy", "version": "1"},
                    "componentSpecs": [
                        {"metadata": {"labels": {"app": "toy"}}, "spec": {"containers": [{"name": "m"}]}}
                    ],
                }
            ]
        },
    }
    (found,) = trial(seldon)
    (predictor,) = found["spec"]["predictors"]
    assert predictor["labels"] == {"app": "toy-ab12cd34-7", "version": "1"}
    assert predictor["componentSpecs"][0]["metadata"]["labels"].items() >= {"app": "toy-ab12cd34-7", **MINE}.items()
    assert "selector" not in found["spec"]
    kserve = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "toy", "labels": {"app": "toy"}},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"}}}},
    }
    (found,) = trial(kserve)
    assert found["spec"]["predictor"]["labels"].items() >= MINE.items()
    assert found["metadata"]["labels"]["app"] == "toy-ab12cd34-7"


@given(value=st.from_regex(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", fullmatch=True))
def test_values_stay_valid_and_differ_from_those_of_the_manifest(value: str) -> None:
    found = relabel.own_value(value, WHO.suffix)
    assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", found)
    assert found != value
    assert found != relabel.own_value(value, Identity(study="ab12cd34", trial=8).suffix)


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "1", "b": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
        ({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "a", "operator": "Likes"}]}, False),
    ],
)
def test_whom_a_selector_selects(selector: Object, selected: bool) -> None:
    assert selects(selector, {"a": "1"}) == selected
    assert keys(selector) <= {"a", "b"}
