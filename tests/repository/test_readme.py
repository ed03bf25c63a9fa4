"""The README is true: its commands run, every command stands in it, its example is the file that is shipped."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from tests.repository.checkout import ROOT
from tuner.cli.root import tune

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/benching.md",
    "docs/benchmarks.md",
    "docs/comparing.md",
    "docs/components.md",
    "docs/measuring.md",
    "docs/search-space.md",
    "docs/stress.md",
    "search_spaces/iris/README.md",
)
BY_OTHER_MEANS = ("cluster", "demo", "setup", "study", "test")
"""Marks of blocks not run here: they set up, take minutes, or need a study; their commands are only checked."""


@dataclass(frozen=True)
class Block:
    """A fenced block of shell commands; `mark` is what follows ``sh`` on the fence."""

    mark: str
    text: str

    def commands(self) -> Iterator[list[str]]:
        for line in self.text.splitlines():
            words = shlex.split(line.split(" | ")[0], comments=True)  # what is piped into is not ours
            if words:
                yield words


def blocks(text: str) -> list[Block]:
    return [Block(mark.strip(), body) for mark, body in re.findall(r"^```sh([^\n]*)\n(.*?)^```$", text, re.M | re.S)]


def run_shell(text: str, folder: Path, env: dict[str, str]) -> None:
    """Run it in bash, which must end well."""
    command = ["bash", "-euo", "pipefail", "-c", text]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    done = subprocess.run(command, cwd=folder, env=env, text=True, check=False, **streams)
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


def commands() -> list[tuple[str, click.Command]]:
    return [(name, tune.commands[name]) for name in tune.list_commands(click.Context(tune))]


def test_every_block_is_run_or_marked() -> None:
    marks = [block.mark for block in blocks(README)]
    assert "" in marks
    assert set(marks) - {""} == set(BY_OTHER_MEANS)


def test_the_blocks_run_in_order_in_a_clean_folder(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "search_spaces", tmp_path / "search_spaces", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "search_spaces" / "iris" / "deployment.yaml", tmp_path)
    env = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    for block in blocks(README):
        if not block.mark:
            run_shell(block.text, tmp_path, env)
    assert (tmp_path / "space.yaml").is_file()


@pytest.mark.parametrize("block", blocks(README), ids=lambda block: block.mark or "run")
def test_every_command_in_a_block_exists_with_its_options(block: Block) -> None:
    for words in block.commands():
        if words[0] == "tune":
            command = tune.commands[words[1]]
            command.make_context(words[1], words[2:]).close()
        elif words[0].startswith("scripts/"):
            assert (ROOT / words[0]).is_file()
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


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_between_documents_lead_somewhere(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []


def test_the_reference_names_every_key() -> None:
    from typing import get_args

    from tuner.space.file.mistakes import by_key
    from tuner.space.file.models import ImageKeys, SpaceKeys, WorkloadKeys
    from tuner.workload.model import ProtocolName

    text = (ROOT / "docs" / "search-space.md").read_text(encoding="utf-8")
    keys = (*by_key(SpaceKeys), *by_key(WorkloadKeys), *by_key(ImageKeys))
    assert [key for key in keys if f"`{key}`" not in text] == []
    assert [name for name in get_args(ProtocolName) if f"`{name}`" not in text] == []
