"""What others use in their continuous integration: the action, the hook, and the snippets of the documentation."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.repository.checkout import ROOT
from tuner.cli.root import tune
from tuner.yaml.tree import load_all

ACTION: dict[str, Any] = load_all((ROOT / "action.yml").read_text())[0]
(HOOK,) = load_all((ROOT / ".pre-commit-hooks.yaml").read_text())[0]
PAGE = (ROOT / "docs" / "ci.md").read_text()

_TUNE = """#!/bin/sh
printf '%s\\n' "$@" >"$RUNNER_TEMP/arguments"
while [ $# -gt 0 ]; do
    [ "$1" != --markdown ] || echo "### told" >"$2"
    shift
done
printf '{\\n  "schema": 2,\\n  "verdict": "%s",\\n  "headline": "x"\\n}\\n' "$VERDICT"
exit "$STATUS"
"""


def step(name: str) -> dict[str, Any]:
    (found,) = (one for one in ACTION["runs"]["steps"] if one["name"] == name)
    return found


@pytest.mark.parametrize(
    ("status", "verdict", "undecided", "expected"),
    [
        (0, "no difference", "fail", 0),
        (1, "worse", "pass", 1),
        (3, "undecided", "fail", 3),
        (3, "undecided", "pass", 0),
        (3, "", "pass", 3),  # a side that does not serve
    ],
)
def test_the_action(tmp_path: Path, status: int, verdict: str, undecided: str, expected: int) -> None:
    program = tmp_path / "tuner" / "bin" / "tune"
    program.parent.mkdir(parents=True)
    program.write_text(_TUNE)
    program.chmod(0o755)
    given = {
        "A": "a $(touch x).yaml",
        "B": "-b.yaml",
        "OPTIONS": "--space s.yaml --smallest 10%",
        "UNDECIDED": undecided,
    }
    files = {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    environment = {
        **os.environ,
        **given,
        **files,
        "RUNNER_TEMP": str(tmp_path),
        "VERDICT": verdict,
        "STATUS": str(status),
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step("Compare")["run"]]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == expected, done.stderr
    folder = tmp_path / "tuner-compare"
    assert (tmp_path / "GITHUB_OUTPUT").read_text().splitlines() == [f"verdict={verdict}", f"folder={folder}"]
    assert (tmp_path / "GITHUB_STEP_SUMMARY").read_text() == "### told\n"
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[:2] == ["compare", "--json"]
    assert arguments[-7:] == ["--space", "s.yaml", "--smallest", "10%", "--", given["A"], given["B"]]
    assert not (tmp_path / "x").exists()


def test_no_input_is_pasted_into_a_script() -> None:
    assert [one["name"] for one in ACTION["runs"]["steps"] if "${{" in one["run"]] == []
    used = set(re.findall(r"inputs\.(\w+)", (ROOT / "action.yml").read_text()))
    assert used == ACTION["inputs"].keys()


def test_the_hook_checks_every_space_and_tells_the_worst(tmp_path: Path) -> None:
    program = tmp_path / "tune"
    program.write_text('#!/bin/sh\necho "$@" >>"$TOLD"\n[ "$2" != bad/space.yaml ] || exit 2\n')
    program.chmod(0o755)
    command = [*shlex.split(HOOK["entry"]), "bad/space.yaml", "a b/space.yml"]
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "TOLD": str(tmp_path / "told")}
    assert subprocess.run(command, env=environment, check=False).returncode == 2
    assert (tmp_path / "told").read_text() == "check bad/space.yaml\ncheck a b/space.yml\n"
    assert [re.search(HOOK["files"], name) is not None for name in ("space.yaml", "a/space.yml", "myspace.yaml")] == [
        True,
        True,
        False,
    ]


def test_the_documented_commands_have_their_options() -> None:
    known = {option for parameter in tune.commands["compare"].params for option in parameter.opts}
    used = set(re.findall(r"(?<=[ `])--[a-z][a-z-]*", PAGE))
    own = {"--edit-last", "--create-if-none", "--body-file", "--quiet"}
    assert used - own <= known


def test_the_documented_snippets_are_yaml_and_use_what_the_action_has() -> None:
    github, gitlab, hooks = (load_all(block)[0] for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S))
    (uses,) = (one for one in github["jobs"]["compare"]["steps"] if one.get("id") == "tuner")
    assert set(uses["with"]) <= ACTION["inputs"].keys()
    assert set(re.findall(r"steps\.tuner\.outputs\.(\w+)", PAGE)) <= ACTION["outputs"].keys()
    assert "--junit compare.xml" in gitlab["compare"]["script"][-1]
    assert hooks["repos"][0]["hooks"][0]["id"] == HOOK["id"]


def test_an_argument_after_two_dashes_is_a_side(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from tuner.cli import main; main()", "compare", "--", "-no.yaml", "nor.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "-no.yaml" in done.stderr
    assert "nor.yaml" in done.stderr
