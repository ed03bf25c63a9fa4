"""A comparison for a CI job: a JUnit report, and a table for a pull request's comment."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from tuner.measure.comparison_text import headline, rows, spread_text, terms_text
from tuner.measure.paired import Comparison
from tuner.printable import printable
from tuner.units import format_seconds

_SIGNS = {"better": "✅", "no difference": "✅", "worse": "❌", "undecided": "⚠️"}
_MARKED = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>|#~"})
"""What Markdown, or HTML in it, would take for its own."""


def junit(found: Comparison) -> str:
    """A suite of one test, which fails where B is worse, and is in error where it cannot be told: neither passes."""
    verdict, said = found.assessment.verdict, headline(found)
    case, suite = _suite(found.a, found.b, sum(found.load_s))
    if verdict == "worse":
        suite.set("failures", "1")
        Xml.SubElement(case, "failure", {"type": "worse", "message": said}).text = _table(found)
    elif verdict == "undecided":
        suite.set("errors", "1")
        Xml.SubElement(case, "error", {"type": "undecided", "message": said}).text = _table(found)
    Xml.SubElement(case, "system-out").text = "\n".join([said, "", _table(found), "", *_lines(found)])
    return _xml(suite)


def junit_of_failure(a: str, b: str, reason: str) -> str:
    """The same, of a comparison that ended without a result."""
    case, suite = _suite(a, b, 0.0)
    suite.set("errors", "1")
    Xml.SubElement(case, "error", {"type": "failed", "message": printable(reason.partition("\n")[0])}).text = reason
    return _xml(suite)


def markdown(found: Comparison) -> str:
    """The verdict, a table of the metrics, and on demand the terms and what to mistrust."""
    verdict = found.assessment.verdict
    head = [f"### {_SIGNS[verdict]} {_marked(headline(found))}", "", "| | A | B | B / A |", "| --- | --: | --: | --: |"]
    table = []
    for name, *values in rows(found):
        bold = "**" if name == found.terms.metric else ""
        table.append("| " + " | ".join([f"{bold}{_marked(name)}{bold}", *values]) + " |")
    more = ["<details><summary>On which terms</summary>", "", *(f"- {_marked(one)}" for one in _lines(found))]
    return "\n".join([*head, *table, "", *more, "", "</details>", ""])


def markdown_of_failure(a: str, b: str, reason: str) -> str:
    """The same, of a comparison that ended without a result."""
    quoted = "".join(f"    {line}\n" for line in printable(reason).splitlines())
    return f"### {_SIGNS['undecided']} {_marked(f'{b} could not be compared with {a}')}\n\n{quoted}"


def _suite(a: str, b: str, seconds: float) -> tuple[Xml.Element, Xml.Element]:
    """The test and the suite around it."""
    suite = Xml.Element("testsuite", {"name": "tune compare", "tests": "1", "failures": "0", "errors": "0"})
    name = f"{printable(b)} against {printable(a)}"
    return Xml.SubElement(
        suite, "testcase", {"classname": "tune.compare", "name": name, "time": f"{seconds:.1f}"}
    ), suite


def _xml(suite: Xml.Element) -> str:
    for element in suite.iter():  # what a server says may hold characters that XML has no place for
        element.text = None if element.text is None else printable(element.text)
    Xml.indent(suite)
    return Xml.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _table(found: Comparison) -> str:
    return "\n".join(f"{name}: A {a}, B {b}{f', B / A {ratio}' if ratio else ''}" for name, a, b, ratio in rows(found))


def _lines(found: Comparison) -> list[str]:
    """Who was compared, on which terms, how it ended, and what to mistrust."""
    primary = found.assessment.effect(found.terms.metric)
    noise = "" if primary is None else spread_text(primary, found.terms)
    loads = " and ".join(format_seconds(load) for load in found.load_s)
    return [
        f"A: {found.a}",
        f"B: {found.b}",
        f"terms: {terms_text(found.terms)}",
        *([f"noise: {noise}"] if noise else []),
        f"ended: {found.ended_because}; load: {loads}",
        *(f"measured in vain: {reason}" for reason in found.refused),
        *found.warnings,
    ]


def _marked(text: str) -> str:
    return printable(text).replace("\n", " ").translate(_MARKED)
