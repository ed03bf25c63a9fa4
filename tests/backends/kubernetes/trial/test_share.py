"""What the tuner's own objects take of a quota."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.servers.pods import pods_of, toy_container
from tuner.backends.kubernetes.pods import capacity
from tuner.backends.kubernetes.trial import share
from tuner.backends.kubernetes.trial.load_job import resources_of
from tuner.space.model import LoadPodSpec

AMOUNTS = resources_of(LoadPodSpec(), 2)
LOAD = share.of_load(
    {"spec": {"containers": [{"name": "load", "resources": {"requests": AMOUNTS, "limits": AMOUNTS}}]}}
)


def quota(hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "tight"}, "spec": {"hard": hard, **spec}, "status": {"used": used or {}}}


def test_amounts_keep_their_unit_and_count_engines() -> None:
    assert resources_of(LoadPodSpec(), 2) == {"cpu": "2", "memory": "1024Mi"}
    assert resources_of(LoadPodSpec(cpu="250m", memory="1.5Gi"), 3) == {"cpu": "750m", "memory": "4.5Gi"}


def test_a_side_car_of_the_load_generator_counts() -> None:
    beside = {"name": "mesh", "resources": {"requests": {"cpu": "100m"}}}
    own = {"name": "load", "resources": {"requests": {"cpu": "1"}}}
    assert share.of_load({"spec": {"containers": [own, beside]}})["requests.cpu"] == Decimal("1.1")


def test_the_share_is_told_under_every_name_of_an_entry() -> None:
    told = list(
        share.told([quota({"cpu": "4", "limits.memory": "2Gi", "pods": "3", "requests.nvidia.com/gpu": "1"})], LOAD)
    )
    assert told == ["2 of the 4 of cpu in quota tight", "1 Gi of the 2 Gi of limits.memory in quota tight"]


def test_what_is_left_beside_it_bounds_the_pods() -> None:
    pods = pods_of(toy_container(cpu="1"), replicas=3)
    quotas = [quota({"requests.cpu": "4", "pods": "4"})]
    assert capacity.refused(pods, quotas, []) is None
    assert "at most 2 is allowed" in (capacity.refused(pods, share.less(quotas, LOAD), []) or "")
    assert quotas[0]["spec"]["hard"]["requests.cpu"] == "4"


def test_what_others_use_counts() -> None:
    pods = share.of_pods(pods_of(toy_container(cpu="1"), replicas=3))
    assert list(share.short([quota({"requests.cpu": "6"}, {"requests.cpu": "1"})], pods, LOAD)) == []
    (short,) = share.short([quota({"requests.cpu": "6"}, {"requests.cpu": "2500m"})], pods, LOAD)
    assert short == "quota tight has 3.5 of its 6 of requests.cpu left, 5 are needed"
    assert list(share.short([quota({"count/jobs.batch": "1"})], pods)) == []
    (short,) = share.short([quota({"count/jobs.batch": "1"})], pods, LOAD)
    assert "2 are needed" in short


def test_a_quota_with_a_scope_is_left_to_the_cluster() -> None:
    scoped = [quota({"requests.cpu": "1"}, scopes=["Terminating"])]
    assert list(share.told(scoped, LOAD)) == []
    assert list(share.short(scoped, LOAD)) == []
    assert share.less(scoped, LOAD) == scoped
