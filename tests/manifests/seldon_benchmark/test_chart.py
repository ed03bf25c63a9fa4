"""What the documentation says of the chart's values holds for all of them."""

from __future__ import annotations

import re

from tests.repository.checkout import ROOT
from tuner.manifests.seldon_benchmark.chart import CELL, COLUMNS, MEASURED, VALUES

PAGE = (ROOT / "docs" / "argo.md").read_text(encoding="utf-8")


def test_the_page_has_a_line_for_every_value_in_the_charts_order() -> None:
    table = PAGE.split("<!-- values: seldon-benchmark-workflow -->")[1].split("<!-- end -->")[0]
    assert re.findall(r"^\| `([\w.]+)` \|", table, re.M) == [value.key for value in VALUES]


def test_what_may_be_a_list_is_a_column() -> None:
    assert {value.column for value in VALUES} - {""} == {*CELL} - {"iteration_name"}
    assert len(set(COLUMNS)) == len(COLUMNS) == 25
    assert all(f"`{column}`" in PAGE for column in MEASURED)
