"""A study's page says what was found, no more certain than it is, shows why, and leaks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.record import examples
from tests.report.pages import Page, loads_nothing
from tests.report.study.studies import folder_of, starts, summary_of
from tuner.report.provenance import provenance
from tuner.report.study.page import study_page, write
from tuner.study.model import Summary
from tuner.trials.model import Failed, Trial

LARGE: dict[str, object] = dict(examples.LARGE)


def page_of(root: Path, trials: Sequence[Trial], summary: Summary | None = None, **options: Any) -> Page:
    return Page(study_page(folder_of(root, trials), summary or summary_of(trials), examples.space(), **options))


def chart(page: Page, title: str) -> dict[str, Any]:
    return next(one for one in page.figures if one["title"] == title)


def test_it_tells_the_choice_against_the_baseline_in_two_sentences(tmp_path: Path) -> None:
    page = page_of(tmp_path, examples.trials())
    loads_nothing(page)
    assert (
        "Trial 2 was chosen from 5 configurations that were measured: throughput 640/s against the baseline's 210/s "
        "(3.05x, better); cost 0.031 USD/h against the baseline's 0.016 USD/h (1.94x, worse). It meets the SLO (latency "
        "p99 <= 100 ms and error ratio <= 0.1 %) and was chosen by the rule knee:"
    ) in page.text
    assert "Ended: 9 of 9 trials were run; 9 trials" in page.text


def test_it_states_the_numbers_that_the_manifest_states(tmp_path: Path) -> None:
    trials = [*starts(200.0, 210.0, 205.0), *starts(600.0, 640.0, 620.0, first=3, values=LARGE)]
    page, summary = page_of(tmp_path, trials), summary_of(trials)
    assert summary.choice is not None
    notes = provenance(summary, trials[summary.choice.candidate.trial])
    for metric in ("throughput", "latency-p99", "cost", "error-ratio"):
        assert notes[f"tuner.dev/measured-{metric}"] in page.text


def test_without_restarts_nothing_is_told_from_chance(tmp_path: Path) -> None:
    trials = [*starts(200.0), *starts(640.0, first=1, values=LARGE)]
    page = page_of(tmp_path, trials)
    assert "throughput 640/s against the baseline's 200/s (3.2x, undecided)" in page.text
    assert (
        "Restarts of one configuration were not measured, so that no difference can be told from chance." in page.text
    )
    assert "Trial 1 was measured in one start only" in page.text


def test_a_baseline_that_was_not_beaten_is_told(tmp_path: Path) -> None:
    trials = [*starts(900.0), *starts(300.0, first=1, values=LARGE)]
    page = page_of(tmp_path, trials)
    assert (
        "The manifest as it stands was chosen from 2 configurations that were measured: throughput 900/s" in page.text
    )
    assert "What to change" not in page.text


def test_nothing_that_meets_the_slo_is_told_with_how_the_trials_ended(tmp_path: Path) -> None:
    trials = [one for one in examples.trials() if one.number in (3, 4, 6)]
    page = page_of(tmp_path, trials)
    assert "None of the 2 configurations measured certainly met the SLO (latency p99 <= 100 ms and" in page.text
    assert "Of 3 trials 1 broke the SLO, 1 failed, 1 broke the SLO beyond doubt." in page.text


def test_a_study_that_has_just_begun_has_a_page(tmp_path: Path) -> None:
    page = page_of(tmp_path, [], summary_of([], ended=None), live=True)
    assert "Nothing was measured: no trial has ended yet." in page.text
    assert "Running, or stopped without a word: 0 of 9 trials" in page.text
    assert page.figures == []


def test_the_front_marks_what_each_point_is_and_shows_it_where_it_is_chosen(tmp_path: Path) -> None:
    page = page_of(tmp_path, examples.trials())
    [panel] = chart(page, "Throughput against cost")["panels"]
    marks = {
        point["trial"]: point.get("mark", "")
        for series in panel["series"]
        for point in series["points"]
        if "trial" in point
    }
    assert marks == {0: "baseline", 1: "front", 2: "chosen"}
    chosen = next(point for series in panel["series"] for point in series["points"] if point.get("trial") == 2)
    assert (chosen["x"], chosen["y"], chosen["high"]) == (0.031, 640.0, 704.0)
    assert (
        chosen["text"]
        == "trial 2: throughput 640/s, cost 0.031 USD/h, latency p99 9 ms, error ratio 0 %; cpu=1 workers=4"
    )
    assert "trial-2" in page.ids


def test_what_equals_the_choice_within_the_noise_is_marked(tmp_path: Path) -> None:
    trials = examples.trials()
    summary = summary_of(trials)
    assert summary.choice is not None
    page = page_of(tmp_path, trials, replace(summary, choice=replace(summary.choice, equals=(1,))))
    [panel] = chart(page, "Throughput against cost")["panels"]
    equal = next(one for one in panel["series"] if one["name"] == "as good as the choice within the noise")
    assert [(point["trial"], point["mark"]) for point in equal["points"]] == [(1, "equal")]
    assert "As good within the noise: trial 1: throughput 380/s" in page.text


def test_latency_over_rate_and_its_distribution_are_of_the_front_and_the_baseline(tmp_path: Path) -> None:
    page = page_of(tmp_path, examples.trials())
    for title in ("Latency over rate", "Latency distributions"):
        [panel] = chart(page, title)["panels"]
        names = [series["name"] for series in panel["series"]]
        assert names == ["trial 2 (chosen)", "trial 0 (baseline)", "trial 1"]
    [panel] = chart(page, "Latency over rate")["panels"]
    assert [point["x"] for point in panel["series"][1]["points"]] == [100.0, 200.0, 400.4]
    assert [point["y"] for point in panel["series"][1]["points"]] == pytest.approx([20.0, 30.0, 60.0])


def test_all_knobs_stand_beside_each_other_with_the_values_that_were_offered(tmp_path: Path) -> None:
    found = chart(page_of(tmp_path, examples.trials()), "All knobs at once")
    assert [axis["title"] for axis in found["axes"]] == [
        "cpu",
        "threads",
        "workers",
        "cost (USD/h)",
        "latency p99 (ms)",
        "error ratio (%)",
        "throughput (requests/s)",
    ]
    assert found["axes"][0]["words"] == ["500m", "1"]
    chosen = next(one for one in found["strands"] if one.get("mark") == "chosen")
    assert chosen["values"] == [1.0, None, 4.0, 0.031, 9.0, 0.0, 640.0]
    assert chosen["share"] == 1.0


def test_the_best_so_far_counts_what_met_the_slo(tmp_path: Path) -> None:
    page = page_of(tmp_path, examples.trials())
    for title, at in (("Best so far over trials", [0.0, 1.0, 2.0, 7.0]), ("Best so far over time", None)):
        [panel] = chart(page, title)["panels"]
        best = panel["series"][0]
        assert best["line"] == "steps"
        assert [point["y"] for point in best["points"]] == [210.0, 390.0, 640.0, 640.0]
        assert at is None or [point["x"] for point in best["points"]] == at


def test_failures_are_told_by_reason_with_the_end_of_the_log(tmp_path: Path) -> None:
    page = page_of(tmp_path, examples.trials())
    assert "OOMKilled at ready: 1 trial replica 0 was killed for memory (limit 256Mi) trial 4" in page.text
    assert "The end of the log of trial 4 booting worker killed" in page.text
    assert "cannot run here: 1 trial requests 4 cores, this machine has 2" in page.text


def test_it_says_how_it_was_measured_where_and_how_to_repeat_it(tmp_path: Path) -> None:
    page = page_of(tmp_path, examples.trials())
    for told in (
        "How it was measured",
        "aims maximize throughput and minimize cost",
        "arrivals poisson, 32 connections, time-out 5 s",
        "few samples beyond p99.9 (trials 0, 2)",
        "not enforced: memory limit: no right to write cgroups",
        "threads 1 to 8, logarithmic (where workers is 1 or 2) env/GUNICORN_THREADS",
        "Where it ran",
        "cgroup v2",
        "To repeat it tune run",
        "tune export",
    ):
        assert told in page.text, told


def test_no_secret_and_no_markup_of_others_gets_through(tmp_path: Path) -> None:
    crash = "token hunter2secret at postgres://me:hidden@db/x <script>alert(1)</script>"
    failed = Failed(stage="ready", kind="Exited", reason=crash, logs=crash)
    trials = [*starts(200.0), examples.trial(1, {"workers": 2, "threads": 1, "cpu": "1"}, failed)]
    folder = folder_of(tmp_path, trials)
    text = study_page(folder, summary_of(trials), examples.space())
    assert "hunter2secret" not in text
    assert "me:hidden" not in text
    assert "<script>alert" not in text
    assert "Exited at ready" in Page(text).text


def test_a_manifest_is_told_by_its_difference_from_todays(tmp_path: Path) -> None:
    page = page_of(tmp_path, [*starts(200.0), *starts(640.0, first=1, values=LARGE)])
    assert '- - {name: WORKERS, value: "1"}' in page.text
    assert '+ - {name: WORKERS, value: "4"}' in page.text
    assert '{name: DB_PASSWORD, value: "***"}' in page.text


def test_every_id_is_there_once_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    page = page_of(tmp_path, examples.trials())
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert {f"chart-{place}" for place in range(len(page.figures))} <= set(page.ids)


def test_only_a_page_that_is_followed_may_ask_again(tmp_path: Path) -> None:
    trials = examples.trials()
    still, live = page_of(tmp_path / "a", trials), page_of(tmp_path / "b", trials, live=True)
    assert "connect-src" not in still.policy
    assert "connect-src 'self'" in live.policy
    assert "live" in live.ids


def test_a_page_of_a_thousand_trials_stays_small(tmp_path: Path) -> None:
    trials = [
        trial
        for number in range(1000)
        for trial in starts(
            200.0 + number, first=number, values={"workers": number % 4 + 1, "threads": number, "cpu": "1"}
        )
    ]
    text = study_page(folder_of(tmp_path, trials), summary_of(trials), examples.space())
    assert len(text.encode()) < 1_500_000


def test_it_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    trials = examples.trials()
    folder = folder_of(tmp_path, trials)
    write(folder.page, folder, summary_of(trials), None)
    assert folder.page.stat().st_mode & 0o077 == 0
    assert "Trial 2 was chosen" in Page(folder.page.read_text()).text


def test_without_an_slo_nothing_is_told_to_meet_it(tmp_path: Path) -> None:
    trials = [*starts(200.0), *starts(640.0, first=1, values=LARGE)]
    summary = summary_of(trials)
    page = page_of(tmp_path, trials, replace(summary, start=replace(summary.start, slo=())))
    assert "0 baseline front measured ;" in page.text
    assert "It meets the SLO" not in page.text
    assert "It was chosen by the rule knee:" in page.text
    assert [series["name"] for series in chart(page, "Best so far over trials")["panels"][0]["series"]] == [
        "best so far",
        "measured",
    ]
