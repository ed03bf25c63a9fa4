"""JSON paths: the examples of RFC 9535 that need no filter, and what is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.workload.json_path import MAX_LENGTH, parse_path

STORE = {
    "store": {
        "book": [
            {"category": "reference", "author": "Rees", "price": 8.95},
            {"category": "fiction", "author": "Waugh", "price": 12.99},
            {"category": "fiction", "author": "Melville", "isbn": "0-553", "price": 8.99},
            {"category": "fiction", "author": "Tolkien", "isbn": "0-395", "price": 22.99},
        ],
        "bicycle": {"colour": "red", "price": 399},
    }
}
ODD = {"o": {"j j": {"k.k": 3}}, "'": {"@": 2}, "a": ["a", "b", "c", "d", "e", "f", "g"], "é": 1, "none": None}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.store.book[*].author", ["Rees", "Waugh", "Melville", "Tolkien"]),
        ("$..author", ["Rees", "Waugh", "Melville", "Tolkien"]),
        ("$.store.*", [STORE["store"]["book"], STORE["store"]["bicycle"]]),
        ("$.store..price", [8.95, 12.99, 8.99, 22.99, 399]),
        ("$..book[2].author", ["Melville"]),
        ("$..book[2].publisher", []),
        ("$..book[-1].author", ["Tolkien"]),
        ("$..book[0,1]['author','price']", ["Rees", 8.95, "Waugh", 12.99]),
        ("$..book[:2].price", [8.95, 12.99]),
        ("$.store.book[9]", []),
        ("$.store.book.author", []),
        ("$.store[0]", []),
        ("$", [STORE]),
    ],
)
def test_what_is_selected_of_the_book_store(path: str, found: list[object]) -> None:
    assert parse_path(path).select(STORE) == found


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.o['j j']", [{"k.k": 3}]),
        ("$.o['j j']['k.k']", [3]),
        ('$.o["j j"]["k.k"]', [3]),
        ('$["\'"]["@"]', [2]),
        ("$['\\'']['@']", [2]),
        ("$['\\u00e9']", [1]),
        ("$.é", [1]),
        ("$.none", [None]),
        ("$.a[1:3]", ["b", "c"]),
        ("$.a[5:]", ["f", "g"]),
        ("$.a[1:5:2]", ["b", "d"]),
        ("$.a[5:1:-2]", ["f", "d"]),
        ("$.a[::-1]", ["g", "f", "e", "d", "c", "b", "a"]),
        ("$.a[::0]", []),
        ("$.a[ 0 , -1 ]", ["a", "g"]),
        ("$..[0]", ["a"]),
        ("$.o..*", [{"k.k": 3}, 3]),
    ],
)
def test_what_is_selected_by_odd_names_and_slices(path: str, found: list[object]) -> None:
    assert parse_path(path).select(ODD) == found


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "begins with \\$"),
        ("a.b", "begins with \\$"),
        ("$a", "column 2: found 'a'"),
        ("$.", "column 3: found the end"),
        ("$..", "column 4: found the end"),
        ("$.a b", "column 4: found ' '"),
        ("$.1", "column 3: found '1'"),
        ("$.[0]", "column 3: found '\\['"),
        ("$[", "column 3"),
        ("$[0", "column 4: found the end"),
        ("$[01]", "column 4: found '1'"),
        ("$[a]", "column 3: found 'a'"),
        ("$['a]", "column 3"),
        ("$['\\x']", "no escape"),
        ("$[?@.price < 10]", "column 3: filters"),
        ("$." + "a" * MAX_LENGTH, "at most"),
    ],
)
def test_what_is_no_path(path: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_path(path)


@given(st.text(max_size=20))
def test_no_text_raises_anything_else(text: str) -> None:
    with suppress(ValueError):
        assert isinstance(parse_path("$" + text).select(ODD), list)


@given(st.text(max_size=10))
def test_any_name_can_be_written_in_quotes(name: str) -> None:
    quoted = "".join("\\" + c if c in "'\\" else c for c in name)
    assert parse_path(f"$['{quoted}']").select({name: 7, "x" + name: 8}) == [7]
