from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tuner.yaml.scalars import ambiguity, flow, key, quoted, resolve

PLAIN = st.text(alphabet="0123456789abefinoxyEFNTY.+-_:~=", min_size=1, max_size=8)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def read_1_1(text: str) -> object:
    return yaml.safe_load(text)


def read_1_2(text: str) -> object:
    return YAML(typ="safe", pure=True).load(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("12", 12),
        ("-3", -3),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".inf", math.inf),
        ("on", "on"),
        ("500m", "500m"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_core_schema(text: str, value: object) -> None:
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *("on", "Off", "yes", "NO", "y", "N", "0644", "007", "1_000", "0b11", "0o17", "1:30"),
        *("1e3", "1.5e3", "-.5", "<<", "=", "2024-01-01", "2024-01-01T00:00:00Z", "08"),
    ],
)
def test_what_the_versions_read_differently(text: str) -> None:
    assert ambiguity(text)


@pytest.mark.parametrize(
    "text", ["", "true", "12", "-3", "0", "1.5", "1.5e+3", "500m", "iris:1", "--on", "3.4.5", ".inf", "a"]
)
def test_what_they_read_alike(text: str) -> None:
    assert ambiguity(text) is None


@given(PLAIN)
def test_what_is_not_ambiguous_reads_the_same_in_both(text: str) -> None:
    try:
        old, new = read_1_1(f"a: {text}"), read_1_2(f"a: {text}")
    except Exception:
        return  # not a plain scalar at all
    if (
        not (isinstance(old, dict) and isinstance(old.get("a"), str | int | float | None))
        or ambiguity(text) is not None
    ):
        return
    assert repr(old["a"]) == repr(resolve(text))
    assert repr(new["a"]) == repr(resolve(text))


@given(DATA)
def test_written_data_reads_the_same_in_both(value: object) -> None:
    text = flow({"a": value})
    assert repr(read_1_1(text)) == repr(read_1_2(text)) == repr({"a": value})


@given(st.text())
def test_quoted_text_is_one_line_and_reads_back(text: str) -> None:
    line = quoted(text)
    assert len(line.splitlines()) == 1
    assert read_1_1(line) == read_1_2(line) == text


@given(st.text(min_size=1) | st.sampled_from(["on", "y", "null", "1", "<<", "nvidia.com/gpu"]))
def test_keys(text: str) -> None:
    assert read_1_1(f"{key(text)}: 1") == read_1_2(f"{key(text)}: 1") == {text: 1}


def test_the_keys_of_resources_and_annotations_stay_unquoted() -> None:
    assert key("nvidia.com/gpu") == "nvidia.com/gpu"
    assert key("tuner.dev/trial") == "tuner.dev/trial"
