"""The pinned packages: hashes on each, one version of each, in step with pyproject.toml."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.repository.checkout import ROOT

LOCKS = ("bootstrap", "build", "load", "py312", "py313", "tune")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
    return {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.M)}


def test_every_lock_is_known_here() -> None:
    assert sorted(path.stem for path in (ROOT / "requirements").iterdir()) == sorted(LOCKS)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[\w.-]+==)", text, flags=re.M)[1:]
    assert entries
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"^\S*(?:://|--index|--find-links).*$", text, re.M) == []


@pytest.mark.parametrize("lock", ["build", "load", "tune"])
def test_the_images_hold_the_versions_that_were_tested(lock: str) -> None:
    tested = pins("py312")
    assert {name: version for name, version in pins(lock).items() if tested.get(name) != version} == {}


@pytest.mark.parametrize(("lock", "python"), [("py312", "3.12"), ("py313", "3.13")])
def test_the_locks_meet_what_pyproject_asks_for(lock: str, python: str) -> None:
    pinned = pins(lock)
    groups = PROJECT["dependency-groups"]
    asked = [*PROJECT["project"]["dependencies"], *groups["build"], *(d for d in groups["dev"] if isinstance(d, str))]
    environment = {
        **default_environment(),
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": "x86_64",  # where everything installs
    }
    for requirement in map(Requirement, asked):
        name = canonicalize_name(requirement.name)
        if requirement.marker is not None and not requirement.marker.evaluate(environment):
            assert name not in pinned
        else:
            assert requirement.specifier.contains(pinned[name]), f"{requirement}, but {lock}.lock has {pinned[name]}"


def test_later_pythons_get_a_numpy_that_has_wheels_for_them() -> None:
    assert pins("py312")["numpy"].startswith("1.26.")
    assert int(pins("py313")["numpy"].split(".")[0]) >= 2
