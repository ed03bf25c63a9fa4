"""The recipes work: their commands run in order, on what a simulated server would have measured."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.repository.checkout import ROOT
from tests.repository.documents import Block, blocks, yaml_items
from tests.repository.test_readme import SERVER, environment, run_shell

PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
SIMULATED = '{"simulated": {"cpu_s": 0.0005, "memory_worker": "100Mi"}}'
TOLD = " --backend replay --table simulated.json"
SHORTER = {"tune run": " --trials 6 --confirm 0 --tracking-uri none"}
NEEDS_A_STUDY = {"Move a study, or hand it on": "tune run space.yaml"}
SPACE = """\
name: scorer
manifest: deployment.yaml
parameters:
  workers: {int: [1, 4], set: args/--workers}
  cpu: {choices: [500m, "1"], set: [limits/cpu, requests/cpu]}
workload: {protocol: http, request: request.json, path: /score, rate: 20/s}
slo: {latency_p99: 100ms}
objectives: {throughput: maximize, cost: minimize}
budget: {trials: 8}
"""
"""What a reader has before any recipe."""


def replayed(section: str) -> list[Block]:
    return [block for block in blocks(section) if (block.language, block.mark) == ("sh", "replay")]


def lines(section: str) -> Iterator[str]:
    """Its commands: told by the simulated server where they do not say by what, and shorter."""
    for block in replayed(section):
        for line in block.text.splitlines():
            command = line.split("  #")[0].rstrip()
            if re.match(r"tune (run|check)", command) and "--backend" not in command:
                command += TOLD
            yield command + next((extra for begin, extra in SHORTER.items() if command.startswith(begin)), "")


def with_keys_of(section: str) -> str:
    """The reader's search space with the keys that a recipe shows in place of its own."""
    yaml = YAML(typ="safe", pure=True)
    space: dict[str, Any] = yaml.load(SPACE)
    for block in blocks(section):
        if block.language == "yaml":
            for item in yaml_items(block):
                space.update(item)
    return space_text(space)


def space_text(space: dict[str, Any]) -> str:
    out = StringIO()
    YAML(typ="safe", pure=True).dump(space, out)
    return out.getvalue()


def test_every_recipe_stands_in_the_table_of_contents() -> None:
    assert [title for title, _ in re.findall(r"^\| \[([^\]]+)\]\((#[^)]+)\) \|", PAGE, re.M)] == [
        title[0].lower() + title[1:] for title in SECTIONS
    ]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("title", [title for title, section in SECTIONS.items() if replayed(section)])
def test_a_recipe_runs(title: str, tmp_path: Path) -> None:
    shutil.copytree(SERVER, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "simulated.json").write_text(SIMULATED)
    for block in blocks(SECTIONS[title]):
        if block.language == "json":
            for name in ("short.json", "long.json"):
                (tmp_path / name).write_text(block.text)
    (tmp_path / "space.yaml").write_text(with_keys_of(SECTIONS[title]))
    before = [NEEDS_A_STUDY[title] + TOLD + SHORTER["tune run"]] if title in NEEDS_A_STUDY else []
    for command in (*before, *lines(SECTIONS[title])):
        run_shell(command, tmp_path, environment(tmp_path))
