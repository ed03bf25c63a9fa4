"""The wheel, installed outside the checkout with what its metadata asks for and nothing else.

The packages are those of this environment, linked file by file: what only an extra or a test brings is not there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import tuner
from tests.cli.tune import Done
from tests.repository.checkout import ROOT, repository_files

NAME = "serving-tuner"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a virtual environment that `pip install` would have made of the wheel alone."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin" / "python"
    install = [
        ROOT / "scripts" / "uv",
        "pip",
        "install",
        "--quiet",
        "--offline",
        "--no-deps",
        "--python",
        python,
        wheel,
    ]
    subprocess.run(install, check=True, capture_output=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    requirements = Parser().parsestr(_metadata(wheel)).get_all("Requires-Dist")
    for one in _closure(map(Requirement, requirements), set()):
        _link(one, site)
    return folder


def _closure(requirements: Iterator[Requirement], seen: set[tuple[str, str]]) -> Iterator[Distribution]:
    """What is installed of these requirements and theirs, each once; extras only where they are asked for."""
    for requirement in requirements:
        for extra in ("", *requirement.extras):
            key = canonicalize_name(requirement.name), extra
            if key in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
                continue
            seen.add(key)
            try:
                found = distribution(requirement.name)
            except PackageNotFoundError:
                raise AssertionError(f"{requirement} is asked for, but is not installed here") from None
            if not extra:
                yield found
            wanted = [Requirement(text) for text in found.requires or ()]
            applied = [one for one in wanted if not one.marker or one.marker.evaluate({"extra": extra})]
            for one in applied:
                one.marker = None
            yield from _closure(iter(applied), seen)


def _link(found: Distribution, site: Path) -> None:
    """Its files, and what they were compiled to: else every first start would compile them."""
    for file in found.files or ():
        if file.parts[0] != ".." and "__pycache__" not in file.parts:
            source, there = Path(str(found.locate_file(file))), site / file
            _link_file(source, there)
            if file.suffix == ".py":
                compiled = Path(cache_from_source(str(source)))
                _link_file(compiled, there.parent / "__pycache__" / compiled.name)


def _link_file(source: Path, there: Path) -> None:
    if source.is_file() and not there.exists():
        there.parent.mkdir(parents=True, exist_ok=True)
        there.symlink_to(source.resolve())


def _metadata(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return archive.read(name).decode()


def _tune(installed: Path, folder: Path, *arguments: str) -> Done:
    """`tune` as installed, in a working folder of its own; nothing of this environment is on its path."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment = {**clean, "XDG_STATE_HOME": str(folder / "state"), "NO_COLOR": "1", "COLUMNS": "120"}
    command = [installed / "bin" / "tune", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    return Done(done.returncode, done.stdout, done.stderr)


def test_everything_of_the_package_is_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    ours = {str(path.relative_to(ROOT)) for path in repository_files() if path.is_relative_to(ROOT / "tuner")}
    assert ours - packed == set()
    assert "tuner/py.typed" in packed
    assert {name.partition("/")[0] for name in packed} == {"tuner", f"serving_tuner-{tuner.__version__}.dist-info"}
    assert [name for name in packed if "__pycache__" in name] == []


def test_what_it_says_of_itself(wheel: Path) -> None:
    told = Parser().parsestr(_metadata(wheel))
    assert told["Name"] == NAME
    assert told["Requires-Python"] == ">=3.12"
    assert told.get_all("Provides-Extra") == ["postgres", "ui"]
    asked = {canonicalize_name(one.name): one for one in map(Requirement, told.get_all("Requires-Dist"))}
    assert {"optuna", "kubernetes", "httpx", "numpy", "mlflow-skinny", "seldon-core", "mlflow"} <= asked.keys()
    assert str(asked["mlflow"].marker) == 'extra == "ui"'
    seldon = asked["seldon-core"].marker
    assert seldon is not None
    for version, machine, there in (("3.12", "x86_64", True), ("3.12", "aarch64", False), ("3.13", "x86_64", False)):
        assert seldon.evaluate({"python_version": version, "platform_machine": machine, "extra": ""}) is there


def test_it_is_found_where_it_was_installed(installed: Path, tmp_path: Path) -> None:
    lacking = "('graphene', 'pandas', 'pyarrow', 'sklearn', 'pytest')"
    program = f"import tuner, importlib.util as u; print(tuner.__file__, *map(u.find_spec, {lacking}))"
    python = installed / "bin" / "python"
    done = subprocess.run([python, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    where, *found = done.stdout.split()
    assert Path(where).is_relative_to(installed)
    assert found == ["None"] * 5


def test_versions(installed: Path, tmp_path: Path) -> None:
    done = _tune(installed, tmp_path, "--version")
    assert done.status == 0, done.err
    first, *rest = done.out.splitlines()
    assert first == "tune, version 0.1.0"
    told = dict(line.split(maxsplit=1) for line in rest)
    assert told["python"].startswith(".".join(map(str, sys.version_info[:3])))
    for name in ("numpy", "optuna", "kubernetes", "httpx", "mlflow-skinny"):
        assert told[name] == distribution(name).version
    assert told["mlflow"] == "not installed: no `tune ui` (the extra `ui`)"


def test_a_space_is_proposed_and_checked(installed: Path, tmp_path: Path) -> None:
    manifest = (ROOT / "search_spaces" / "iris" / "deployment.yaml").read_text()
    (tmp_path / "deployment.yaml").write_text(manifest)
    assert _tune(installed, tmp_path, "init", "deployment.yaml").status == 0
    done = _tune(installed, tmp_path, "check", ".", "--backend", "replay", "--table", "server.json")
    assert done.status == 2, "there is no such table yet"
    (tmp_path / "server.json").write_text('{"simulated": {}}')
    done = _tune(installed, tmp_path, "check", ".", "--backend", "replay", "--table", "server.json")
    assert done.status == 0, done.err
    assert "nothing is wrong" in done.out


@pytest.mark.timeout(300)
def test_a_study_is_run_and_recorded_without_mlflow_s_page(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text('{"simulated": {"cpu_s": 0.001}}')
    iris = str(ROOT / "search_spaces" / "iris")
    replayed = (
        "--backend",
        "replay",
        "--table",
        "server.json",
        "--tracking-uri",
        "none",
        "--confirm",
        "0",
        "--trials",
        "14",
    )
    done = _tune(installed, tmp_path, "run", iris, *replayed)
    assert done.status == 0, done.err
    learned = json.loads((tmp_path / "studies" / "iris" / "report.json").read_text())["knowledge"]
    assert {name for one in learned["matters"] for name in one["others"]} == {"PED-ANOVA"}, "no scikit-learn, no forest"
    synced = _tune(installed, tmp_path, "sync", "iris")
    assert synced.status == 0, synced.err
    assert (tmp_path / "mlflow.db").is_file()
    page = _tune(installed, tmp_path, "ui", "iris")
    assert page.status == 3
    assert "MLflow's page is not installed" in page.err
    assert "pip install 'serving-tuner[ui]'" in page.err
