"""A manifest as the objects of one trial: names, references, labels, selectors and owners, and nothing else."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.backends.kubernetes import toys
from tuner.backends.kubernetes.client.selector import selects
from tuner.backends.kubernetes.trial import objects
from tuner.backends.kubernetes.trial.objects import Identity

WHO = Identity(study="ab12cd34", trial=7)
OWNER = {"apiVersion": "batch/v1", "kind": "Job", "name": "tuner-ab12cd34-7", "uid": "u"}
MINE = {"tuner.dev/study": "ab12cd34", "tuner.dev/trial": "7", "app.kubernetes.io/managed-by": "tuner"}


def obj(kind: str, name: str, **content: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name}, **content}


def placed(*manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = objects.of_trial(manifest, WHO, namespace="lab", owner=OWNER)
    return {obj["kind"]: obj for obj in found}


def test_everything_is_named_labelled_owned_and_in_the_chosen_namespace() -> None:
    manifest = toys.manifest()
    manifest["metadata"]["namespace"] = "production"
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "labels": {"team": "a"}}}
    found = placed(manifest, config)
    for kind, name in (("Deployment", "toy-ab12cd34-7"), ("ConfigMap", "settings-ab12cd34-7")):
        metadata = found[kind]["metadata"]
        assert (metadata["name"], metadata["namespace"]) == (name, "lab")
        assert metadata["labels"].items() >= MINE.items()
        assert metadata["ownerReferences"] == [OWNER]
    assert found["ConfigMap"]["metadata"]["labels"]["team"] == "a"
    assert list(found) == ["ConfigMap", "Deployment"]  # what it needs comes first


def test_the_studys_name_is_a_label() -> None:
    named = Identity(study="ab12cd34", trial=7, study_name="iris 2")
    (found,) = objects.of_trial([toys.manifest()], named, namespace="lab")
    for labels in (found["metadata"]["labels"], found["spec"]["template"]["metadata"]["labels"]):
        assert labels["tuner.dev/study-name"] == "iris-2"


def test_nothing_that_is_measured_changes() -> None:
    manifest = toys.manifest(env={"A": "1", "B": "toy"}, replicas=3)
    before = copy.deepcopy(manifest)
    found = placed(manifest)["Deployment"]
    assert manifest == before
    assert found["spec"]["replicas"] == 3
    assert found["spec"]["template"]["spec"] == before["spec"]["template"]["spec"]


def test_pods_and_every_selector_of_them_carry_the_trial() -> None:
    service = obj("Service", "s", spec={"selector": {"app": "toy"}})
    other = obj("PodDisruptionBudget", "p", spec={"selector": {"matchLabels": {"app": "x"}}})
    found = placed(toys.manifest(), service, other)
    trial = {"app": "toy-ab12cd34-7", "tuner.dev/study": "ab12cd34", "tuner.dev/trial": "7"}
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == trial
    assert found["Deployment"]["spec"]["template"]["metadata"]["labels"] == {**MINE, **trial}
    assert found["Service"]["spec"]["selector"] == trial
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == {"app": "x"}


def test_references_inside_the_manifest_follow_the_names_and_others_stay() -> None:
    manifest = toys.manifest(kind="StatefulSet")
    manifest["spec"]["serviceName"] = "front"
    pod = manifest["spec"]["template"]["spec"]
    pod["serviceAccountName"] = "default"
    pod["volumes"] = [
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "outside", "configMap": {"name": "outside"}},
        {"name": "key", "secret": {"secretName": "key"}},
        {"name": "both", "projected": {"sources": [{"configMap": {"name": "settings"}}, {"secret": {"name": "key"}}]}},
        {"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}},
    ]
    pod["containers"][0]["envFrom"] = [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "key"}}]
    pod["containers"][0]["env"] = [
        {"name": "settings", "value": "settings"},
        {"name": "K", "valueFrom": {"secretKeyRef": {"name": "key", "key": "key"}}},
    ]
    scaler = obj("HorizontalPodAutoscaler", "h", spec={"scaleTargetRef": {"kind": "StatefulSet", "name": "toy"}})
    others = [obj("ConfigMap", "settings"), obj("Secret", "key"), obj("PersistentVolumeClaim", "disk")]
    others.append(obj("Service", "front"))
    found = placed(manifest, scaler, *others)
    spec = found["StatefulSet"]["spec"]
    pod = spec["template"]["spec"]
    assert spec["serviceName"] == "front-ab12cd34-7"
    assert pod["serviceAccountName"] == "default"
    settings, outside, key, both, disk = pod["volumes"]
    assert settings == {"name": "settings", "configMap": {"name": "settings-ab12cd34-7"}}
    assert outside["configMap"] == {"name": "outside"}
    assert key["secret"] == {"secretName": "key-ab12cd34-7"}
    assert [next(iter(s.values()))["name"] for s in both["projected"]["sources"]] == [
        "settings-ab12cd34-7",
        "key-ab12cd34-7",
    ]
    assert disk["persistentVolumeClaim"] == {"claimName": "disk-ab12cd34-7"}
    (container,) = pod["containers"]
    assert [next(iter(s.values()))["name"] for s in container["envFrom"]] == ["settings-ab12cd34-7", "key-ab12cd34-7"]
    assert container["env"][0] == {"name": "settings", "value": "settings"}
    assert container["env"][1]["valueFrom"]["secretKeyRef"] == {"name": "key-ab12cd34-7", "key": "key"}
    assert found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "toy-ab12cd34-7"


def test_a_value_that_names_a_service_is_found() -> None:
    manifest = toys.manifest(env={"REDIS": "redis://redis:6379/0", "NAME": "redis-like", "HOST": "redis"})
    service = obj("Service", "redis", spec={})
    assert list(objects.by_host_name([manifest, service])) == [("env REDIS", "redis"), ("env HOST", "redis")]


def test_a_service_of_ours_selects_the_trials_pods() -> None:
    service = objects.service_for("toy", WHO, namespace="lab", port=9000, owner=OWNER)
    assert service["spec"]["selector"].items() <= MINE.items()
    assert service["metadata"]["ownerReferences"] == [OWNER]


@given(
    base=st.from_regex(r"[a-z]([a-z0-9-]{0,80}[a-z0-9])?", fullmatch=True),
    trial=st.integers(0, 99999),
    study=st.text(max_size=60),
)
def test_names_and_labels_are_always_valid(base: str, trial: int, study: str) -> None:
    who = Identity(study=study or "x", trial=trial)
    name = who.name(base)
    assert len(name) <= 63
    assert name[-1].isalnum()
    assert len(who.labels["tuner.dev/study"]) <= 63


def test_long_names_stay_different() -> None:
    assert WHO.name("a" * 60 + "-one") != WHO.name("a" * 60 + "-two")


def test_trials_keep_to_the_nodes_that_are_named_beside_those_of_the_manifest() -> None:
    manifest = toys.manifest(pod={"nodeSelector": {"disk": "fast"}})
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {}}
    kept = objects.of_trial([manifest, config], WHO, namespace="n", node_selector={"pool": "a"})
    workload = next(obj for obj in kept if obj["kind"] == "Deployment")
    assert workload["spec"]["template"]["spec"]["nodeSelector"] == {"disk": "fast", "pool": "a"}
    assert manifest["spec"]["template"]["spec"]["nodeSelector"] == {"disk": "fast"}


def test_what_an_autoscaler_would_scale() -> None:
    target = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "toy"}
    scaler = {"kind": "HorizontalPodAutoscaler", "spec": {"scaleTargetRef": target, "maxReplicas": 2}}
    assert objects.scales(scaler, 1) == "StatefulSet toy"
    scaler["spec"]["minReplicas"] = 2
    assert objects.scales(scaler, 1) == "StatefulSet toy"
    assert objects.scales(scaler, 2) is None, "it has nothing to do"
    keda = {"kind": "ScaledObject", "spec": {"scaleTargetRef": {"name": "toy"}}}
    assert objects.scales(keda, 1) == "Deployment toy"
    assert objects.scales({"kind": "Service", "spec": {}}, 1) is None


def test_trials_beside_each_other_are_kept_on_nodes_of_their_own() -> None:
    """Beside what the manifest wants; the load generator's pods have no trial, and repel nobody here."""
    wanted = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}}
    manifest = toys.manifest()
    manifest["spec"]["template"]["spec"]["affinity"] = {"nodeAffinity": {}, **wanted}
    (found,) = objects.of_trial([manifest], WHO, namespace="lab", apart=True)
    affinity = found["spec"]["template"]["spec"]["affinity"]
    own, added = affinity["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert own == {"topologyKey": "zone"}
    assert affinity["nodeAffinity"] == {}
    assert added["topologyKey"] == "kubernetes.io/hostname"
    selector = added["labelSelector"]
    for labels, repelled in (
        ({"tuner.dev/study": "ab12cd34", "tuner.dev/trial": "8"}, True),
        ({"tuner.dev/study": "ab12cd34", "tuner.dev/trial": "7"}, False),
        ({"tuner.dev/study": "ab12cd34"}, False),
        ({"tuner.dev/study": "another", "tuner.dev/trial": "8"}, False),
    ):
        assert selects(selector, labels) is repelled
