"""The README is true: its commands run, every command stands in it, its example is the file that is shipped."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import click
import pytest

from tests.repository.checkout import ROOT
from tests.repository.documents import Block, blocks
from tuner.cli.root import tune
from tuner.yaml.tree import load_all

README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = [block for block in blocks(README) if block.language == "sh"]
BY_OTHER_MEANS = ("cluster", "demo", "install", "own", "setup", "study", "test")
"""Marks of blocks not run in order in one folder: the install and those of one's own server and of a cluster have tests
of their own; the others set up, take minutes, or need a study, and their commands are only checked."""
SERVER = ROOT / "tests" / "servers" / "scorer"
CORRECTED = {
    "path: /predict": "path: /score\n  warm_up: 200ms\n  duration: 2s\n  step: 500ms",
    "latency_p99: 100ms": "latency_p90: 2s",  # the machine may be busy, and what is looked at here is not its speed
    "budget: {": "disturbed: accept\nbudget: {",
}
"""What its owner corrects in the proposed search space, and what makes the study short."""
SHORTER = {"tune run": " --trials 3 --confirm 0"}


def run_shell(text: str, folder: Path, env: dict[str, str]) -> None:
    """Run it in bash, which must end well."""
    command = ["bash", "-euo", "pipefail", "-c", text]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    done = subprocess.run(command, cwd=folder, env=env, text=True, check=False, **streams)
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


def commands() -> list[tuple[str, click.Command]]:
    return [(name, tune.commands[name]) for name in tune.list_commands(click.Context(tune))]


def test_every_block_is_run_or_marked() -> None:
    marks = [block.mark for block in SHELL]
    assert "" in marks
    assert set(marks) - {""} == set(BY_OTHER_MEANS)


def environment(folder: Path, programs: Path = Path(sys.executable).parent) -> dict[str, str]:
    return {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"}


def test_the_blocks_run_in_order_in_a_clean_folder(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "search_spaces", tmp_path / "search_spaces", ignore=shutil.ignore_patterns("__pycache__"))
    for block in SHELL:
        if not block.mark:
            run_shell(block.text, tmp_path, environment(tmp_path))


@pytest.mark.timeout(300)
def test_the_commands_for_a_server_of_one_s_own_run(tmp_path: Path) -> None:
    shutil.copytree(SERVER, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (block,) = (block for block in SHELL if block.mark == "own")
    for line in block.text.splitlines():
        command = line.split("  #")[0].rstrip()
        command += next((extra for begin, extra in SHORTER.items() if command.startswith(begin)), "")
        run_shell(command, tmp_path, environment(tmp_path))
        if command.startswith("tune init"):
            correct(tmp_path / "space.yaml")
    assert "trial 0" in (tmp_path / "studies" / "scorer" / "report.html").read_text().lower()
    (manifest,) = load_all((tmp_path / "best.yaml").read_text())
    assert manifest["metadata"]["annotations"]["tuner.dev/study"]
    assert manifest["spec"]["template"]["spec"]["containers"][0]["command"][0] == "uvicorn"


def correct(space: Path) -> None:
    text = space.read_text()
    for before, after in CORRECTED.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    space.write_text(text)


@pytest.mark.timeout(300)
def test_the_install_gives_the_command(tmp_path: Path) -> None:
    """As written, by pip itself; what would come from an index is left out."""
    venv.create(tmp_path / "venv", symlinks=True, with_pip=True)
    (block,) = (block for block in SHELL if block.mark == "install")
    builder = {"PYTHONPATH": os.pathsep.join(sys.path), "PIP_NO_BUILD_ISOLATION": "0"}  # with hatchling, which is here
    alone = {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    run_shell(block.text, ROOT, environment(tmp_path, tmp_path / "venv" / "bin") | builder | alone)
    assert (tmp_path / "venv" / "bin" / "tune").is_file()


@pytest.mark.parametrize("block", SHELL, ids=lambda block: block.mark or "run")
def test_every_command_in_a_block_exists_with_its_options(block: Block) -> None:
    for words in block.commands():
        if words[0] == "tune":
            command = tune.commands[words[1]]
            command.make_context(words[1], words[2:]).close()
        elif words[0].startswith("scripts/"):
            assert (ROOT / words[0]).is_file()
        elif words[0] == "pip":
            assert words[1:] == ["install", ".[ui]"]
        else:
            assert words == [".", ".venv/bin/activate"]


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_has_its_line_in_the_table(name: str) -> None:
    assert re.search(rf"^\| `tune {name}(?: [A-Z]+)*` \| .+ \|$", README, re.M)


def test_the_table_names_no_command_that_is_not_there() -> None:
    assert re.findall(r"^\| `tune (\w+)", README, re.M) == [name for name, _ in commands()]


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_every_command_has_help_with_an_example_that_parses(name: str, command: click.Command) -> None:
    help_text = command.help or ""
    examples = [line.strip() for line in help_text.splitlines() if line.strip().startswith(f"tune {name}")]
    assert examples
    for example in examples:
        words = shlex.split(example.split(" | ")[0], comments=True)
        command.make_context(name, words[2:]).close()


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_every_option_has_help(name: str, command: click.Command) -> None:
    silent = [param.name for param in command.params if isinstance(param, click.Option) and not param.help]
    assert silent == []


def test_the_example_is_the_file_that_is_shipped() -> None:
    shipped = (ROOT / "search_spaces" / "iris" / "space.yaml").read_text(encoding="utf-8")
    assert f"```yaml\n{shipped}```" in README


def test_the_search_space_file_takes_one_page() -> None:
    section = README.split("## The search-space file\n")[1].split("\n## ")[0]
    assert len(section.splitlines()) <= 60


def test_every_exit_status_is_documented() -> None:
    from tuner.cli import status

    documented = {int(number) for number in re.findall(r"^\| (\d+) \| ", README, re.M)}
    assert documented == {
        status.FINE,
        status.NOTHING_FEASIBLE,
        status.BAD_INPUT,
        status.ENVIRONMENT_FAILED,
        status.BUG,
        status.INTERRUPTED,
    }


def test_the_reference_names_every_key() -> None:
    from typing import get_args

    from tuner.space.file.mistakes import by_key
    from tuner.space.file.models import ImageKeys, SpaceKeys, WorkloadKeys
    from tuner.workload.model import ProtocolName

    text = (ROOT / "docs" / "search-space.md").read_text(encoding="utf-8")
    keys = (*by_key(SpaceKeys), *by_key(WorkloadKeys), *by_key(ImageKeys))
    assert [key for key in keys if f"`{key}`" not in text] == []
    assert [name for name in get_args(ProtocolName) if f"`{name}`" not in text] == []
