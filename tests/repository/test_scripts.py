"""The scripts: executable, self-explaining, and strict about their arguments."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.repository.checkout import ROOT, scripts

NAMES = [str(path.relative_to(ROOT)) for path in scripts()]


@pytest.mark.parametrize("name", NAMES)
def test_a_script_is_executable_strict_and_says_how_it_is_used(name: str) -> None:
    path = ROOT / name
    lines = path.read_text(encoding="utf-8").splitlines()
    assert os.access(path, os.X_OK)
    assert lines[0] in ("#!/usr/bin/env bash", "#!/usr/bin/env python3")
    assert re.match(rf'(# |""")usage: {re.escape(name)}\b', lines[1], re.IGNORECASE)
    if lines[0].endswith("bash"):
        assert re.search(r"^set -eu(o pipefail)?$", "\n".join(lines), re.M)
        subprocess.run(["bash", "-n", str(path)], check=True)


@pytest.mark.parametrize("name", ["scripts/setup", "scripts/lock", "scripts/lint", "scripts/test", "scripts/demo"])
def test_help_is_printed_and_nothing_is_done(name: str, tmp_path: Path) -> None:
    # in a copy with nothing in it but the script: help needs nothing else
    copy = tmp_path / name
    copy.parent.mkdir()
    shutil.copy(ROOT / name, copy)
    done = subprocess.run([str(copy), "--help"], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.startswith(f"Usage: {name}")
    assert len(done.stdout.splitlines()) > 1
    assert [path.name for path in tmp_path.iterdir()] == ["scripts"]


@pytest.mark.parametrize("name", ["scripts/setup", "scripts/lock"])
def test_an_unknown_argument_is_refused(name: str) -> None:
    done = subprocess.run([str(ROOT / name), "--nonsense"], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 2
    assert "'--nonsense'" in done.stderr


def _bare(tmp_path: Path, *programs: str) -> tuple[Path, dict[str, str]]:
    """A clean copy of what setting up needs, and an environment with only these programs on PATH."""
    copy = tmp_path / "clone"
    for part in ("scripts", "requirements"):
        shutil.copytree(ROOT / part, copy / part)
    for part in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / part, copy)
    tools = tmp_path / "bin"
    tools.mkdir()
    for program in ("bash", "env", "dirname", "cat", "cksum", "rm", "touch", "grep", "sed", "flock", "mv", *programs):
        found = shutil.which(program)
        if found is not None:
            (tools / program).symlink_to(found)
    return copy, {"PATH": str(tools), "HOME": str(tmp_path / "home")}


def _set_up(copy: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    script = str(copy / "scripts" / "setup")
    return subprocess.run([script], env=env, capture_output=True, text=True, check=False, timeout=60)


def test_setting_up_without_any_python_says_what_is_missing(tmp_path: Path) -> None:
    copy, env = _bare(tmp_path)
    done = _set_up(copy, env)
    assert done.returncode == 3
    assert "Python 3.12 is missing" in done.stderr
    assert "uv is missing" in done.stderr
    assert not (copy / ".venv").exists()


def test_setting_up_again_does_nothing(tmp_path: Path) -> None:
    # a stamp that fits is believed, whatever made it: the second run may not even need Python or uv on PATH
    copy, env = _bare(tmp_path)
    python = copy / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/usr/bin/env bash\n")
    python.chmod(0o755)
    script = (copy / "scripts" / "setup").read_text(encoding="utf-8")
    wanted = re.search(r"^wanted=(.+)$", script, re.M)
    assert wanted is not None
    stamp = subprocess.run(
        ["bash", "-c", f'printf %s "{wanted[1]}"'], cwd=copy, env=env, capture_output=True, text=True, check=True
    ).stdout
    (copy / ".venv" / ".setup-done").write_text(stamp)
    done = _set_up(copy, env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_another_interpreter_must_be_new_enough(tmp_path: Path) -> None:
    copy, env = _bare(tmp_path)
    old = tmp_path / "python"
    old.write_text("#!/usr/bin/env bash\necho 3.9\n")
    old.chmod(0o755)
    done = _set_up(copy, {**env, "SETUP_PYTHON": str(old)})
    assert done.returncode == 3
    assert f"SETUP_PYTHON={old} is no Python 3.12 or later" in done.stderr
