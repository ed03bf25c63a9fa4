from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests.manifests.spaces import DEPLOYMENT
from tuner.yaml import tree
from tuner.yaml.splice import Unwritable, same, splice

KEYS = st.text(alphabet="abcxyz", min_size=1, max_size=3).filter(lambda text: text not in "yn")
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-99, 99)
    | st.sampled_from(["", "a", "on", "1", "two words", "l1\nl2\n", "#x"])
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=10
)
DOCUMENTS = st.dictionaries(KEYS, TREES, min_size=1, max_size=3)


def data_of(text: str) -> list[Any]:
    return [tree.data(document.root) for document in tree.parse(text)]


def changed(text: str, change: Any) -> str:
    documents = tree.parse(text)
    values = [tree.data(document.root) for document in documents]
    change(*values)
    out = splice(text, list(zip(documents, values, strict=True)))
    assert data_of(out) == values
    assert [d for d in yaml.safe_load_all(out) if d is not None] == values
    assert [d for d in YAML(typ="safe", pure=True).load_all(out) if d is not None] == values
    return out


def grow(data: Any, value: Any, choose: Any) -> Any:
    """A value made from another by changing leaves and adding entries, as splice allows."""
    if isinstance(data, dict):
        grown = {name: grow(item, value, choose) for name, item in data.items()}
        return grown | ({"added": value} if choose() else {})
    if isinstance(data, list):
        return [grow(item, value, choose) for item in data] + ([value] if choose() else [])
    return value if choose() else data


@given(DOCUMENTS, TREES, st.data(), st.booleans(), st.sampled_from([False, None, True]), st.booleans())
def test_a_changed_text_reads_as_the_new_values(
    document: dict[str, Any], value: Any, data: st.DataObject, indented: bool, flow_style: bool | None, final: bool
) -> None:
    text = yaml.safe_dump(document, default_flow_style=flow_style, indent=4 if indented else 2)
    if not final:
        text = text.rstrip("\n")
    if data_of(text) != [document]:
        return  # PyYAML wrote what YAML 1.2 reads otherwise
    new = grow(copy.deepcopy(document), value, lambda: data.draw(st.booleans()))
    documents = tree.parse(text)
    out = splice(text, [(documents[0], new)])
    assert same(data_of(out), [new])
    assert same([YAML(typ="safe", pure=True).load(out)], [new])


@given(DOCUMENTS)
def test_without_a_change_the_text_stays(document: dict[str, Any]) -> None:
    text = yaml.safe_dump(document)
    documents = tree.parse(text)
    assert splice(text, [(documents[0], tree.data(documents[0].root))]) == text


def test_only_the_changed_lines_differ() -> None:
    def change(deployment: Any, service: Any) -> None:
        deployment["spec"]["replicas"] = 3
        service["spec"]["ports"][0]["port"] = 81

    lines = zip(DEPLOYMENT.splitlines(), changed(DEPLOYMENT, change).splitlines(), strict=True)
    assert [new for old, new in lines if old != new] == [
        "  replicas: 3",
        "    - {name: http, port: 81, targetPort: http}",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: {}\n", 'a: {x: "1"}\n'),
        ("a:\n", 'a: {x: "1"}\n'),
        ("a:   # nothing\nb: 1\n", 'a: {x: "1"}   # nothing\nb: 1\n'),
        ("a: null # nothing\n", 'a: {x: "1"} # nothing\n'),
        ("a: {z: 1,}\n", 'a: {z: 1, x: "1",}\n'),
        ("a:\n  z: 1 # one\n  # more\nb: 2", 'a:\n  z: 1 # one\n  x: "1"\n  # more\nb: 2'),
        ("a:\n  z: |\n    text\n\nb: 2\n", 'a:\n  z: |\n    text\n\n  x: "1"\nb: 2\n'),
        ("a:\n    z: 1", 'a:\n    z: 1\n    x: "1"'),
        ("a:\n  z:\n  # none\nb: 1\n", 'a:\n  z:\n  x: "1"\n  # none\nb: 1\n'),
        ("a:\r\n  z: 1\r\nb: 2\r\n", 'a:\r\n  z: 1\r\n  x: "1"\r\nb: 2\r\n'),
        ("---\na: {}\n...\n", '---\na: {x: "1"}\n...\n'),
    ],
)
def test_a_new_key_joins_its_siblings(text: str, expected: str) -> None:
    def change(document: Any) -> None:
        document["a"] = {**(document["a"] or {}), "x": "1"}

    assert changed(text, change) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: []\n", "a: [9]\n"),
        ("a: [1]\n", "a: [1, 9]\n"),
        ("a:\n- 1 # one\nb: 2\n", "a:\n- 1 # one\n- 9\nb: 2\n"),
        ("a:\n  -   k: 1\n      l: 2\nb: 2\n", "a:\n  -   k: 1\n      l: 2\n  - 9\nb: 2\n"),
        ("a:\n-\n# none\nb: 1\n", "a:\n-\n- 9\n# none\nb: 1\n"),
        ("a:\n- - 1\n", "a:\n- - 1\n- 9\n"),
    ],
)
def test_a_new_item_joins_its_siblings(text: str, expected: str) -> None:
    assert changed(text, lambda document: document["a"].append(9)) == expected


def test_block_scalars_are_replaced_whole_or_word_by_word() -> None:
    def change(document: Any) -> None:
        document["a"], document["c"] = "one", "two"

    assert changed("a: |\n  x\n  y\nb: 1\nc: >-\n  z\n", change) == 'a: "one"\nb: 1\nc: >-\n  two\n'


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"a": [1, 9], "b": [1], "c": {"d": [1]}}, "a: &x [1, 9]\nb: [1]\nc: {d: [1]}\n"),
        ({"a": [1], "b": [1, 9], "c": {"d": [1]}}, "a: &x [1]\nb: [1, 9]\nc: {d: *x}\n"),
        ({"a": [2], "b": [2], "c": {"d": [3]}}, "a: &x [2]\nb: [2]\nc: {d: [3]}\n"),
    ],
)
def test_what_an_alias_shares_is_not_changed_behind_its_back(change: Any, expected: str) -> None:
    text = "a: &x [1]\nb: *x\nc: {d: *x}\n"
    assert splice(text, [(tree.parse(text)[0], change)]) == expected


def test_what_a_merge_brings_is_changed_beside_it() -> None:
    def change(document: Any) -> None:
        document["b"]["x"], document["c"]["x"] = 5, 6

    text = "a: &r {x: 1, z: 2}\nb:\n  <<: *r\nc: {<<: *r, w: 3}\n"
    assert changed(text, change) == "a: &r {x: 1, z: 2}\nb:\n  <<: *r\n  x: 5\nc: {<<: *r, w: 3, x: 6}\n"


def test_a_changed_source_of_a_merge_is_written_out_where_it_is_merged() -> None:
    text = "a: &r {x: 1, z: [2]}\nb:\n  <<: *r\n"
    out = changed(text, lambda document: document["a"].update(x=5))
    assert out == "a: &r {x: 5, z: [2]}\nb:\n  <<: {x: 1, z: [2]}\n"


@pytest.mark.parametrize("change", [{"a": {}, "b": [1]}, {"a": {"c": 1}, "b": []}, {"a": 1, "b": [1]}])
def test_nothing_is_removed(change: Any) -> None:
    text = "a: {c: 1}\nb: [1]\n"
    with pytest.raises(Unwritable):
        splice(text, [(tree.parse(text)[0], change)])
