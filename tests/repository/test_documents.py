"""The documents are true: each command, option, key of a search-space file and link in them exists."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
from ruamel.yaml import YAML

from tests.repository.checkout import ROOT
from tests.repository.documents import (
    anchors,
    blocks,
    documents,
    name_of,
    scalars,
    tune_commands,
    words_in_code,
    yaml_items,
)
from tuner.cli.root import tune
from tuner.space.file.schema import json_schema

OTHERS_OPTIONS = {
    "CHANGELOG.md": {"--bind", "--rest_api_port"},
    "search_spaces/fastapi/README.md": {"--limit-concurrency", "--workers"},
    "docs/search-space.md": {"--max_num_seqs", "--max-num-seqs", "--workers"},
}
"""Flags of servers that a page tells of beside our options."""
OF_SERVERS = "docs/servers.md"
"""It is made from the code, and tells of the servers' flags alone."""
COMING_FROM = "docs/coming-from.md"
"""The first column of its tables holds the words of others."""
OTHERS_KEYS = {"apiVersion", "compare", "image", "kind", "metadata", "on", "repos", "spec"}
"""At the top of YAML that is no search space: manifests, and files of continuous integration."""
OTHERS_WORDS = {"app", "data", "image", "implementation", "kind", "minReplicas", "replicas", "serviceAccountName"}
"""Keys of manifests and of event streams that stand as `key: value` in running text."""


def options(name: str) -> set[str]:
    return {option for one in tune.commands[name].params for option in (*one.opts, *one.secondary_opts)} | {"--help"}


def ours(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return re.sub(r"^\|[^|]*(?=\|)", "", text, flags=re.M) if name_of(path) == COMING_FROM else text


def named(text: str) -> set[str]:
    """The commands that a document speaks of."""
    return set(re.findall(r"\btune ([a-z]+)", text)) & set(tune.commands)


def of_scripts(text: str) -> str:
    """The scripts that a document names, so that their options can be looked for."""
    found = []
    for name in sorted(set(re.findall(r"scripts/[\w/]+", text))):
        found += [path.read_text() for path in (ROOT / name, ROOT / f"{name}.py") if path.is_file()]
    return "\n".join(found)


each = pytest.mark.parametrize("path", documents(), ids=name_of)


@each
def test_every_command_in_a_block_parses(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where there is every file that a command names
    (tmp_path / "search_spaces").symlink_to(ROOT / "search_spaces")
    for words in tune_commands(path.read_text(encoding="utf-8")):
        if words[0].startswith("--"):
            assert words[0] in ("--version", "--help")
            continue
        for word in words:
            if re.fullmatch(r"[\w/.-]+\.(csv|json|pem|proto|yaml)", word) and not Path(word).exists():
                Path(word).parent.mkdir(parents=True, exist_ok=True)
                Path(word).touch()
        command = tune.commands[words[0]]
        command.make_context(words[0], words[1:]).close()


@each
def test_every_command_in_a_sentence_exists_with_its_options(path: Path) -> None:
    for span in words_in_code(ours(path)):
        for name, rest in re.findall(r"(?:^|[;&|] )tune ([\w-]+)([^;&|]*)", span):
            if name in ("COMMAND", "--help", "--version"):
                continue
            assert name in tune.commands, span
            assert set(re.findall(r"(?<![\w-])--[a-z][\w-]*", rest)) <= options(name), span


@each
def test_every_option_is_one_of_a_command_that_the_page_speaks_of(path: Path) -> None:
    if name_of(path) == OF_SERVERS:
        return
    text = ours(path)
    known = {"--help", *OTHERS_OPTIONS.get(name_of(path), ())}.union(*map(options, named(text)))
    scripts = of_scripts(text)
    for span in words_in_code(text):
        option = re.match(r"--[a-z][\w-]*", span)
        if option and option[0] not in known:
            assert re.search(rf"""["'\s|]{option[0]}\b""", scripts), f"{span}: of no command that this page names"


@each
def test_links_lead_to_files_and_headings(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)", path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        there = path.parent / file if file else path
        assert there.exists(), link
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), link


schema_of_spaces = cache(json_schema)


@cache
def parts() -> tuple[jsonschema.Draft202012Validator, ...]:
    """A check of a whole search space and one of each of its parts, none of which needs to be complete."""
    schema = _loose(copy.deepcopy(schema_of_spaces()))
    within = [schema["properties"][key] for key in ("parameters", "slo", "objectives")]
    roots = [schema, *({**part, "$defs": schema["$defs"]} for part in (*within, *schema["$defs"].values()))]
    return tuple(map(jsonschema.Draft202012Validator, roots))


def _loose(schema: Any) -> Any:
    """Without what has to be there."""
    if isinstance(schema, list):
        return [_loose(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    loose = {name: _loose(value) for name, value in schema.items() if name != "required" or isinstance(value, dict)}
    for name in ("anyOf", "oneOf"):
        if name in loose and not any(loose[name]):
            del loose[name]
    return loose


def is_of_a_space(value: Any) -> bool:
    return any(part.is_valid(value) for part in parts())


def of_spaces(path: Path) -> Iterator[Any]:
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.language == "yaml":
            items = list(yaml_items(block))
            if not any(isinstance(item, dict) and OTHERS_KEYS & item.keys() for item in items):
                yield from items


@each
def test_every_key_of_a_search_space_in_a_block_exists(path: Path) -> None:
    for item in of_spaces(path):
        assert is_of_a_space(item), item


@each
def test_every_key_of_a_search_space_in_a_sentence_exists(path: Path) -> None:
    if name_of(path) == OF_SERVERS:
        return
    for span in words_in_code(ours(path)):
        dotted = re.fullmatch(r"([a-z_]+)\.([a-z_]+)", span)
        if dotted and keys_of(dotted[1]):
            assert dotted[2] in keys_of(dotted[1]), span
        if re.match(r"[a-zA-Z_]+: ", span) and span.partition(":")[0] not in OTHERS_WORDS:
            left_out = [span.replace("...", some) for some in ("{}", "some")]
            assert any(is_of_a_space(YAML(typ="safe", pure=True).load(text)) for text in left_out), span
        if re.fullmatch(r"[a-z_]+:", span):
            assert span[:-1] in schema_of_spaces()["properties"], span


def keys_of(key: str) -> set[str]:
    """Those below a key of the top level."""
    schema = schema_of_spaces()["properties"].get(key)
    reference = next((text for text in scalars(schema) if text.startswith("#/$defs/")), None)
    return set(schema_of_spaces()["$defs"][reference.rpartition("/")[2]]["properties"]) if reference else set()


def test_a_wrong_key_would_be_found() -> None:
    assert is_of_a_space({"workload": {"rate": "200/s"}})
    assert is_of_a_space({"workers": {"int": [1, 4], "set": "env/WORKERS"}})
    assert not is_of_a_space({"workload": {"rte": "200/s"}})
    assert not is_of_a_space({"workers": {"integer": [1, 4], "set": "env/WORKERS"}})


def test_a_wrong_option_would_be_found() -> None:
    with pytest.raises(click.NoSuchOption):
        tune.commands["run"].make_context("run", ["space", "--trails", "3"])
