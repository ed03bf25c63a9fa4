"""What is shown of a run: notes, tables, pictures, the page of a trial."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

from tests.record import examples
from tuner.record.mlflow.metrics import metric_name
from tuner.record.mlflow.notes import summary_note, trial_note
from tuner.record.mlflow.pictures import curve_picture, front_picture, importance_picture
from tuner.record.mlflow.tables import comparison_table, curve_table, front_table
from tuner.record.mlflow.trial_page import trial_page
from tuner.trials.model import Failed

SUMMARY, START = examples.summary(), examples.start()
BASELINE, MIDDLE = SUMMARY.trials[:2]
HOSTILE = "<script>alert(1)</script> | *bold* & `code`"


def test_tables_are_plain_json_in_the_units_of_their_names() -> None:
    assert MIDDLE.measurement is not None
    curve = curve_table(MIDDLE.measurement)
    for table in (curve, front_table(SUMMARY), comparison_table(SUMMARY)):
        assert json.loads(json.dumps(table, allow_nan=False)) == table
        assert {len(row) for row in table["data"]} == {len(table["columns"])}
    first = dict(zip(curve["columns"], curve["data"][0], strict=True))
    assert (first["offered_rps"], first["latency_p99_ms"], first["latency_p99_ms_high"]) == (100.0, 11.0, 13.2)
    assert metric_name("latency_p99") in front_table(SUMMARY)["columns"]


def test_a_closed_loop_is_no_row_of_the_curve() -> None:
    assert MIDDLE.measurement is not None
    probed = replace(MIDDLE.measurement, curve=(examples.window(0.0, 0.01), *MIDDLE.measurement.curve))
    assert curve_table(probed) == curve_table(MIDDLE.measurement)


def test_what_a_server_wrote_is_no_markup() -> None:
    failed = Failed(stage="ready", kind="Crashed", reason=HOSTILE)
    trial = replace(MIDDLE, outcome=failed)
    page = trial_page(trial, "1", START, BASELINE, f"-{HOSTILE}")
    assert "<script" not in page
    note = trial_note(trial, START, BASELINE, None, "iris")
    assert "<script" not in note
    assert "\\*bold\\*" in note


def test_a_trials_page_loads_nothing_and_has_its_figures() -> None:
    page = trial_page(MIDDLE, "1", START, BASELINE, "-a: 1\n+a: 2")
    assert "default-src 'none'" in page
    assert page.count("src=") == 0
    assert "390/s (390-429)" in page
    assert '<span class="add">+a: 2</span>' in page


def test_pictures_are_drawn_of_what_there_is() -> None:
    assert MIDDLE.measurement is not None
    curve = curve_picture(MIDDLE.measurement, ["latency_p99", "latency_p50", "ttft_p50"], {"latency_p99": 0.02})
    shares = {"value": 0.6, "low": 0.4, "high": 0.8}
    matters = [{"metric": "throughput", "knobs": [{"knob": "<cpu>", "alone": shares, "in_all": None}]}]
    importance = importance_picture({"too_few": "", "matters": matters})
    for picture in (front_picture(SUMMARY), curve, importance):
        assert ElementTree.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"
    assert "&lt;cpu&gt;" in importance
    assert front_picture(replace(SUMMARY, front=replace(SUMMARY.front, members=()))) == ""
    assert importance_picture(None) == importance_picture({"too_few": "one trial", "matters": []}) == ""


def test_the_front_is_a_staircase() -> None:
    lines = [one.get("points") for one in ElementTree.fromstring(front_picture(SUMMARY)).iter() if one.get("points")]
    (corners,) = [[tuple(map(float, point.split(","))) for point in line.split()] for line in lines if line]
    cheap, corner, fast = corners
    assert (corner[0], corner[1]) == (fast[0], cheap[1])


def test_the_note_of_a_study_says_the_verdict_and_how_to_take_it_away() -> None:
    note = summary_note(SUMMARY, "iris")
    assert note.startswith("**Chosen (knee): trial 1")
    assert "`tune export iris -o manifest.yaml`" in note
    assert "no difference beyond the noise floor" in note
