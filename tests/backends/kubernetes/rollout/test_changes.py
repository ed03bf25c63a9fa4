"""What is shown of a change, and the patch that takes it back; pure."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tuner.backends.kubernetes.client.selector import label_selector
from tuner.backends.kubernetes.rollout import changes
from tuner.backends.kubernetes.rollout.changes import Conflict

OURS = {
    "f:metadata": {"f:annotations": {"f:note": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:containers": {
            'k:{"name":"toy"}': {".": {}, "f:env": {'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}}}
        },
    },
}


def live(replicas: int, value: str, fields: Any = OURS, **more: Any) -> dict[str, Any]:
    managed = [{"manager": "tuner", "operation": "Apply", "fieldsV1": fields}] if fields else []
    env = [{"name": "A", "value": value}, {"name": "B", "value": "theirs"}]
    return {
        "kind": "Deployment",
        "metadata": {"name": "toy", "annotations": {"note": "x", "other": "y"}, "managedFields": managed},
        "spec": {"replicas": replicas, "paused": False, "containers": [{"name": "toy", "env": env}, {"name": "b"}]},
        "status": {"replicas": replicas},
        **more,
    }


def test_a_diff_shows_what_changes_and_only_what_we_set() -> None:
    text = changes.unified(live(1, "old", fields=None), live(3, "new"))
    assert "-  replicas: 1\n" in text
    assert "+  replicas: 3\n" in text
    assert "-      value: old\n" in text
    assert text.startswith("--- Deployment toy (live)\n+++ Deployment toy (exported)\n")
    assert not [word for word in ("theirs", "paused", "other", "status") if word in text]


def test_what_is_not_there_yet_is_added_whole_and_what_is_the_same_is_no_change() -> None:
    text = changes.unified(None, live(1, "a"))
    assert text.startswith("--- Deployment toy (not there yet)\n")
    assert all(line.startswith("+") for line in text.splitlines()[3:])
    assert changes.unified(live(1, "a"), live(1, "a")) == ""


def test_a_field_that_we_set_before_and_no_more_is_shown_as_going() -> None:
    after = live(1, "a", fields={"f:spec": {"f:replicas": {}}})
    del after["metadata"]["annotations"]["note"]
    assert "-    note: x\n" in changes.unified(live(1, "a"), after)


def test_an_annotation_of_no_interest_is_no_change() -> None:
    after = live(1, "a")
    after["metadata"]["annotations"]["note"] = "applied again"
    assert changes.unified(live(1, "a"), after) != ""
    assert changes.unified(live(1, "a"), after, ignoring=["note"]) == ""


def test_a_secret_is_not_shown() -> None:
    managed = [{"manager": "tuner", "operation": "Apply", "fieldsV1": {"f:data": {"f:key": {}, "f:same": {}}}}]

    def secret(value: str) -> dict[str, Any]:
        data = {"key": value, "same": "c2FtZQ=="}
        return {"kind": "Secret", "metadata": {"name": "s", "managedFields": managed}, "data": data}

    text = changes.unified(secret("b2xk"), secret("bmV3"))
    assert "-  key: '*** (before)'\n+  key: '*** (after)'\n" in text
    assert not [value for value in ("b2xk", "bmV3", "c2FtZQ") if value in text]


def test_conflicts_are_read_one_by_one() -> None:
    one = 'Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas'
    assert changes.conflicts(one) == (Conflict(manager="kubectl", field=".spec.replicas"),)
    several = (
        'Apply failed with 3 conflicts: conflicts with "helm" using apps/v1:\n- .spec.replicas\n'
        '- .spec.template.spec.containers[name="toy"].image\nconflicts with "hpa" using autoscaling/v2:\n- .spec.x'
    )
    assert changes.conflicts(several) == (
        Conflict(manager="helm", field=".spec.replicas"),
        Conflict(manager="helm", field='.spec.template.spec.containers[name="toy"].image'),
        Conflict(manager="hpa", field=".spec.x"),
    )
    assert changes.conflicts("something new") == (Conflict(manager="another manager", field="something new"),)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers(0, 9) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(["spec", "data", "type"]), VALUES)


def merged(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = copy.deepcopy(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


@given(OBJECTS, OBJECTS)
def test_the_patch_back_makes_it_what_it_was(now: dict[str, Any], before: dict[str, Any]) -> None:
    patch = changes.back({**now, "status": 1}, {**before, "status": 2})
    assert merged(now, patch) == before
    assert (patch == {}) == (now == before)


def test_going_back_leaves_what_controllers_keep() -> None:
    now, before = live(3, "new"), live(1, "old")
    now["metadata"] |= {"resourceVersion": "9", "labels": {"added": "later"}}
    now["metadata"]["annotations"] = {"note": "x", "deployment.kubernetes.io/revision": "2"}
    patch = changes.back(now, before)
    assert patch["metadata"] == {"labels": None, "annotations": {"other": "y"}}
    assert "status" not in patch


def test_a_selector_becomes_a_query() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "tier", "operator": "NotIn", "values": ["c"]},
        {"key": "there", "operator": "Exists"},
        {"key": "gone", "operator": "DoesNotExist"},
    ]
    selector = {"matchLabels": {"app": "toy"}, "matchExpressions": expressions}
    assert label_selector(selector) == "app=toy,tier in (a,b),tier notin (c),there,!gone"
    assert label_selector({}) == ""
