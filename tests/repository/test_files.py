"""What holds for every file of the repository, and for the facts that stand in more than one of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import tuner
from tests.repository.checkout import ROOT, repository_files

# Built here, so that this file does not hold what it looks for.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("test", "pypi", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("crates", "io"),
        ("repo", "maven", "apache", "org"),
        ("docker", "io"),
        ("gcr", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("deb", "debian", "org"),
        ("anaconda", "org"),
    )
)
MACHINE_PATHS = tuple("/" + "/".join(parts) for parts in (("work", "main"), ("work", "shared"), ("tmp", "boot")))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _texts() -> list[tuple[Path, str]]:
    found = []
    for path in repository_files():
        try:
            found.append((path.relative_to(ROOT), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def test_no_file_names_a_package_registry() -> None:
    # a host also counts where something stands before it, as in files.HOST; not inside a longer word
    hosts = re.compile(r"(?<![a-z0-9-])(" + "|".join(map(re.escape, REGISTRY_HOSTS)) + r")(?![a-z0-9])", re.IGNORECASE)
    assert [(str(path), match[0]) for path, text in _texts() for match in hosts.finditer(text)] == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    paths = (*MACHINE_PATHS, str(ROOT)) if len(ROOT.parts) > 2 else MACHINE_PATHS
    assert [(str(path), word) for path, text in _texts() for word in paths if word in text] == []


def test_text_files_are_tidy() -> None:
    # broken files that tests feed to the reader may be as untidy as they need to be
    untidy = [
        str(path)
        for path, text in _texts()
        if path.name != "LICENSE"
        and not {"bad", "cases"} & set(path.parts)
        and text
        and (not text.endswith("\n") or text.endswith("\n\n") or "\r" in text or re.search(r"[ \t]+$", text, re.M))
    ]
    assert untidy == []


def test_the_version_is_the_one_in_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (?!Unreleased$)(\S+)", changelog, re.M)
    assert newest is not None
    assert newest[1] == tuner.__version__


def test_the_licence_is_the_one_in_pyproject() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in text
    assert "Version 2.0" in text


@pytest.mark.parametrize("dependency", PROJECT["project"]["dependencies"])
def test_every_dependency_has_a_lower_bound(dependency: str) -> None:
    # without one the resolver takes a version from years ago when something else does not fit
    assert re.match(r"[A-Za-z0-9._-]+>=\d", dependency)


def test_every_room_has_its_place_in_the_import_law() -> None:
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {name.strip() for layer in layers for name in layer.split("|")}
    package = ROOT / "tuner"
    rooms = {
        path.stem
        for path in package.iterdir()
        if (path.is_dir() and (path / "__init__.py").is_file()) or (path.suffix == ".py" and path.stem != "__init__")
    }
    assert rooms == named


def test_the_architecture_draws_the_import_law() -> None:
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    table = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d+ \| (.*) \|$", table, re.M)
    assert [set(re.findall(r"`(\w+)`", row)) for row in rows] == [set(layer.split(" | ")) for layer in layers]


@pytest.mark.parametrize("room", sorted(path.parent.name for path in (ROOT / "tuner").glob("*/__init__.py")))
def test_every_room_says_what_lives_there(room: str) -> None:
    text = (ROOT / "tuner" / room / "__init__.py").read_text(encoding="utf-8")
    assert text.startswith('"""')
