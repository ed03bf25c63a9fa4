"""A comparison for a CI job, as the job's tools read it."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as Xml

import pytest

from tests.measure.test_comparison_text import comparison
from tests.measure.test_paired import pairs
from tuner.measure.comparison_text import headline
from tuner.report.verdict import junit, junit_of_failure, markdown, markdown_of_failure

WORSE = [1.12, 1.13, 1.11, 1.12]
SAME = [1.0, 1.01, 0.99, 1.006]
OPEN = [1.0, 1.3, 0.9, 1.1]


@pytest.mark.parametrize(
    ("ratios", "failures", "errors", "told"), [(SAME, 0, 0, None), (WORSE, 1, 0, "failure"), (OPEN, 0, 1, "error")]
)
def test_a_suite_of_one_test(ratios: list[float], failures: int, errors: int, told: str | None) -> None:
    found = comparison(pairs(ratios), last=True)
    suite = Xml.fromstring(junit(found))
    (case,) = suite.findall("testcase")
    assert suite.attrib == {"name": "tune compare", "tests": "1", "failures": str(failures), "errors": str(errors)}
    assert case.attrib == {"classname": "tune.compare", "name": "b.yaml against a.yaml", "time": "40.0"}
    assert [one.tag for one in case] == [*([] if told is None else [told]), "system-out"]
    if told is not None:
        assert case[0].attrib["message"] == headline(found)
    said = case.findtext("system-out", "")
    assert headline(found) in said
    assert "latency_p50: A 10 ms, B " in said


def test_what_a_server_says_leaves_the_report_whole() -> None:
    suite = Xml.fromstring(junit_of_failure("a", "b", "B (b) failed at ready: <&\x1b[31m\n\x00 no model"))
    error = suite.find("testcase/error")
    assert error is not None
    assert error.attrib["message"].startswith("B (b) failed at ready: <&")
    assert "no model" in (error.text or "")
    assert "\x1b" not in junit_of_failure("a", "b", "\x1b[31m")


def test_a_table_for_a_comment() -> None:
    text = markdown(comparison(pairs(WORSE)))
    head, _, *table = text.splitlines()
    assert head == "### ❌ B is 12 % slower than A at p50 (9.6 % to 14 %, 4 pairs of restarts)"
    assert table[:3] == [
        "| | A | B | B / A |",
        "| --- | --: | --: | --: |",
        "| **latency\\_p50** | 10 ms | 11.2 ms | 1.120 (1.096 to 1.144) |",
    ]
    assert "- A: a.yaml" in text
    assert markdown(comparison(pairs(SAME))).startswith("### ✅ no difference: ")
    assert markdown(comparison(pairs(OPEN), last=True)).startswith("### ⚠️ undecided: ")


def test_nothing_of_others_becomes_markup() -> None:
    found = replace(comparison(pairs(SAME)), a="`x`|<img src=x>", warnings=("see\n# [this](http://evil)",))
    text = markdown(found)
    assert "\\`x\\`\\|\\<img src=x\\>" in text
    assert "see \\# \\[this\\](http://evil)" in text
    failed = markdown_of_failure("a", "<b>", "no\n<script>")
    assert failed == "### ⚠️ \\<b\\> could not be compared with a\n\n    no\n    <script>\n"
