"""Amounts of CPU and memory: what cannot be meant is refused, and what is proposed is near what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.manifests.spaces import DEPLOYMENT, choice, manifest, space
from tuner.manifests.amounts import amount, not_meant
from tuner.manifests.check.knobs import check
from tuner.manifests.check.warnings import warnings
from tuner.manifests.proposed_resources import resource_knobs
from tuner.manifests.reader import read


@pytest.mark.parametrize(
    ("resource", "value", "told"),
    [
        ("cpu", "2000Mi", "2000Mi of cpu is 2,097,152,000 cores; write 2000m for thousandths of a core"),
        ("cpu", "4Gi", "4Gi of cpu is 4,294,967,296 cores; write 4 for cores, or 4m for thousandths of one"),
        ("cpu", "2e12", "2e12 of cpu is 2,000,000,000,000 cores; write cores, such as 2"),
        ("cpu", 1000, "1000 of cpu is 1,000 cores; write 1000m for thousandths of a core"),
        ("cpu", "8000", "8000 of cpu is 8,000 cores; write 8000m for thousandths of a core"),
        ("cpu", "100M", "100M of cpu is 100,000,000 cores; write 100m for thousandths of a core"),
        ("cpu", "100u", "100u of cpu is less than a thousandth of a core; write 1m or more"),
        ("cpu", "-1", "-1 is negative; write a quantity above 0"),
        ("memory", "500m", "500m of memory is 0.5 bytes: m is a thousandth; write 500Mi"),
        ("memory", "2000m", "2000m of memory is 2 bytes: m is a thousandth; write 2000Mi"),
        ("memory", "512", "512 of memory is 512 bytes, too few for any program; write 512Mi"),
        ("memory", 4, "4 of memory is 4 bytes, too few for any program; write 4Mi"),
        ("memory", "512Ki", "512Ki of memory is 524,288 bytes, too few for any program; write 512Mi"),
        ("memory", "2000Ti", "2000Ti of memory is 2,000 TiB; write for example 512Mi or 16Gi"),
        ("nvidia.com/gpu", "0.5", "0.5 is not whole; nvidia.com/gpu is counted: write 1, 2, ..."),
        ("nvidia.com/gpu", "1Gi", "1Gi is more than any machine has; nvidia.com/gpu is counted: write 1, 2, ..."),
    ],
)
def test_what_cannot_be_meant(resource: str, value: str | int, told: str, tmp_path: Path) -> None:
    wrong = not_meant(resource, value)
    assert str(wrong) == told
    (problem,) = check(space(choice("x", (value,), f"limits/{resource}", f"requests/{resource}")), manifest())[:1]
    assert told.partition("; ")[0] in problem.message
    (tmp_path / "m.yaml").write_text(
        re.sub(r"limits:\n.*\n.*\n", f'limits:\n            {resource}: "{value}"\n', DEPLOYMENT)
    )
    assert told in str(read(tmp_path / "m.yaml")[1][0])


@pytest.mark.parametrize(
    ("resource", "value"),
    [
        *(("cpu", value) for value in ("100m", 2, 0.5, "128", "896", "0")),
        *(("memory", value) for value in ("20G", "0", "1500000k", 536870912, "2e12")),
        *(("nvidia.com/gpu", "8"), ("example.com/slices", 100), ("storage", "1"), ("pods", "1")),
    ],
)
def test_what_can_be_meant(resource: str, value: str | float) -> None:
    assert not_meant(resource, value) is None


def choices(resource: str, limit: str | None, request: str | None) -> list[tuple[str, tuple[str, ...], bool]]:
    found = resource_knobs(resource, "memory", limit, request)
    return [("+".join(one.targets), one.choices, one.proposed) for one in found]


@pytest.mark.parametrize(
    ("limit", "request_", "expected"),
    [
        ("2", "2", [("limits/cpu+requests/cpu", ("1", "2", "4"), True)]),
        ("1", "1000m", [("limits/cpu+requests/cpu", ("500m", "1", "2"), True)]),
        ("2000m", None, [("limits/cpu", ("1000m", "2000m", "4000m"), True)]),
        ("0.5", None, [("limits/cpu", ("0.25", "0.5", "1"), True)]),
        (
            "2",
            "100m",
            [("limits/cpu", ("100m", "500m", "1", "2", "4"), True), ("requests/cpu", ("50m", "100m"), False)],
        ),
        ("2", "1", [("limits/cpu", ("1", "2", "4"), True), ("requests/cpu", ("500m", "1"), False)]),
        (None, "2", [("requests/cpu", ("1", "2", "4"), False)]),
        ("2000Mi", None, []),
        ("x", None, []),
        (None, None, []),
    ],
)
def test_what_is_proposed_of_cpu(limit: str | None, request_: str | None, expected: object) -> None:
    assert choices("cpu", limit, request_) == expected


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("20G", ("10G", "20G", "40G")),
        ("4Gi", ("2Gi", "4Gi", "8Gi")),
        ("1Gi", ("512Mi", "1Gi", "2Gi")),
        ("1.5Gi", ("768Mi", "1.5Gi", "3Gi")),
        ("500M", ("250M", "500M", "1000M")),
        ("536870912", ("268435456", "536870912", "1073741824")),
    ],
)
def test_the_unit_is_kept(limit: str, expected: tuple[str, ...]) -> None:
    assert choices("memory", limit, None) == [("limits/memory", expected, True)]


@given(st.integers(1, 4000), st.integers(1, 4000), st.sampled_from(["m", ""]), st.sampled_from(["m", ""]))
def test_whatever_is_proposed_reaches_down_to_today_and_is_possible(
    limit: int, request_: int, unit: str, other: str
) -> None:
    low, high = amount(f"{request_}{other}"), amount(f"{limit}{unit}")
    assert low is not None
    assert high is not None
    if low > high:
        return
    limits: list[object] = []
    for found in resource_knobs("cpu", "cores", f"{limit}{unit}", f"{request_}{other}"):
        amounts = [amount(value) for value in found.choices]
        assert None not in amounts
        assert amounts == sorted(amounts, key=lambda value: value or 0)
        if "limits/cpu" in found.targets:
            limits = list(amounts)
            assert high in amounts
            assert low in amounts or low * 2 >= high
        else:
            assert low in amounts
            assert max(value or 0 for value in amounts) <= min(value or 0 for value in limits)  # type: ignore[operator]


def test_a_request_alone_is_warned_of() -> None:
    unlimited = DEPLOYMENT.replace('            cpu: "1"\n            memory', "            memory", 1)
    alone = space(choice("cpu", ("1", "2"), "requests/cpu"))
    assert check(alone, manifest(unlimited)) == ()
    (found,) = warnings(alone, manifest(unlimited))
    assert str(found).startswith("space.yaml:7: cpu sets requests/cpu alone")
    assert warnings(alone, manifest()) == ()
    assert warnings(space(choice("cpu", ("1", "2"), "requests/cpu", "limits/cpu")), manifest(unlimited)) == ()
