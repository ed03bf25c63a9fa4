from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace

from rich.console import Console

from tests.record import examples
from tuner.record.console import LiveConsole, PlainConsole
from tuner.search.model import Outlook
from tuner.study.stop import Spent


def console(width: int = 120, *, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=width, height=24, force_terminal=terminal, _environ={})


def text_of(made: Console) -> str:
    assert isinstance(made.file, io.StringIO)
    return made.file.getvalue()


def test_plain_lines_tell_the_study() -> None:
    made = console()
    plain = PlainConsole(examples.space(), made)
    summary = examples.summary()
    plain.started(summary.start)
    plain.proposed(examples.proposal(0, examples.SMALL, "baseline"))
    plain.stage(0, "measure at 100/s")
    for trial in summary.trials:
        plain.finished(trial)
    plain.closed(summary)
    text = text_of(made)
    lines = text.splitlines()
    assert lines[1] == "SLO: latency_p99 <= 100 ms, error_ratio <= 0.1 %"
    assert lines[2] == "trial 0 (baseline): cpu=500m threads=1 workers=1"
    assert "trial 1: throughput 390/s (390-429), cost 0.016 USD/h, latency_p99 11 ms (9.9-13.2)" in text
    assert "trial 4: failed at ready: OOMKilled" in text
    assert "2 of 9 trials, about 4m56s left, best throughput 1.86x baseline" in text
    assert lines[-1].endswith("9 trials, 4 met the SLO, 2 on the Pareto front")
    assert "\x1b" not in text


def test_the_line_tells_the_money_and_what_more_trials_would_bring() -> None:
    made = console()
    plain = PlainConsole(examples.space(), made)
    start = examples.start()
    plain.started(replace(start, budget=replace(start.budget, cost=5.0)))
    plain.foreseen(
        Spent(trials=1, time_s=20.0, cost=0.5, usual_cost=0.25), Outlook(trials=10, expected=0.004, most=0.03)
    )
    plain.finished(examples.trials()[0])
    assert "0.5 of 5 USD, 10 more trials would probably bring 0.4 % more of all objectives" in text_of(made)


def test_the_time_of_a_replay_is_that_of_its_trials() -> None:
    made = console()
    plain = PlainConsole(examples.space(), made)
    start = examples.start()
    plain.started(replace(start, budget=replace(start.budget, trials=None, time_s=3600.0)))
    plain.finished(replace(examples.trials()[0], duration_s=1800.0))
    assert "about 30m left" in text_of(made)


def test_until_a_trial_was_run_the_end_is_as_foretold() -> None:
    made = console()
    plain = PlainConsole(examples.space(), made, trial_s=20.0)
    start = examples.start()
    plain.started(replace(start, budget=replace(start.budget, trials=3, time_s=1800.0, confirm=1)))
    assert plain._progress.line() == "0 of 3 trials, about 2m left"
    plain.foreseen(Spent(trials=2, time_s=80.0, usual_s=40.0), None)
    assert plain._progress.line() == "2 of 3 trials, about 2m40s left", "by the trials of an earlier process"


def test_of_many_knobs_those_are_told_that_are_not_as_in_the_baseline() -> None:
    made = console()
    plain = PlainConsole(examples.space(), made)
    many = {f"knob{number}": number for number in range(31)}
    plain.proposed(examples.proposal(0, many, "baseline"))
    plain.proposed(examples.proposal(1, {**many, "knob7": 70}))
    assert text_of(made).splitlines()[-1] == "trial 1 (search): the baseline but for knob7=70"


def test_what_an_earlier_process_ran_counts_too() -> None:
    made = console()
    plain = PlainConsole(examples.space(), made)
    plain.started(examples.start())
    plain.foreseen(Spent(trials=4, time_s=80.0), None)
    plain.finished(examples.trials()[1])
    assert "5 of 9 trials" in text_of(made)


def test_confirmations_do_not_count_against_the_budget() -> None:
    made = console()
    plain = PlainConsole(examples.space(), made)
    plain.started(examples.start())
    plain.finished(examples.trials()[7])
    assert "0 of 9 trials" in text_of(made)


def test_the_live_table_shows_the_running_trial_and_gives_the_terminal_back() -> None:
    made = console(terminal=True)
    live = LiveConsole(examples.space(), made, now=lambda: 0.0)
    summary = examples.summary()
    live.started(summary.start)
    for trial in summary.trials[:5]:
        live.finished(trial)
    live.proposed(examples.proposal(5))
    live.stage(5, "measure at 100/s")
    assert "trial 5: measure at 100/s" in text_of(made)
    assert "OOMKilled" in text_of(made)
    live.closed(summary)
    live.stop()
    shown, hidden = text_of(made).rfind("\x1b[?25h"), text_of(made).rfind("\x1b[?25l")
    assert shown > hidden >= 0
    assert "2 on the Pareto front" in text_of(made)


def test_the_live_view_cuts_no_word_and_shows_what_runs_in_its_row() -> None:
    made = console(80, terminal=True)
    live = LiveConsole(examples.space(), made, now=lambda: 0.0)
    live.started(examples.start())
    for trial in examples.trials()[:5]:
        live.finished(trial)
    live.foreseen(Spent(trials=5, time_s=90.0), Outlook(trials=10, expected=0.004, most=0.03))
    live.proposed(examples.proposal(5))
    live.stage(5, "search for the capacity, " + "a step of many words " * 8)
    rows = ["".join(segment.text for segment in line).rstrip() for line in made.render_lines(live._render())]
    live.stop()
    assert max(map(len, rows)) <= 80
    (running,) = [row for row in rows if row.split()[:1] == ["5"]]
    assert running.endswith("running")
    (stage,) = [row for row in rows if row.startswith("trial 5: search")]
    assert stage.endswith((" words …", " step …", " of …", " many …", " a …"))
    assert any(row.startswith("10 more trials would probably bring 0.4 % more of all objectives") for row in rows)


def test_the_live_table_keeps_to_the_window() -> None:
    made = console(80, terminal=True)
    live = LiveConsole(examples.space(), made, now=lambda: 0.0)
    live.started(examples.start())
    for number in range(60):
        live.finished(replace(examples.trials()[2 if number == 3 else 6], number=number))
    live.proposed(examples.proposal(60))
    rendered = made.render_lines(live._render())
    live.stop()
    assert len(rendered) <= 24
    rows = ["".join(segment.text for segment in line) for line in rendered]
    assert any(row.strip().startswith("+3 ") for row in rows), "the best trial scrolled out of sight"
    assert any(row.strip().startswith("59 ") for row in rows), "the newest trial is not shown"


def test_an_unhandled_error_leaves_the_cursor_visible() -> None:
    program = """
from rich.console import Console
from tests.record import examples
from tuner.record.console import LiveConsole
from tuner.search.model import Outlook
from tuner.study.stop import Spent
live = LiveConsole(examples.space(), Console(force_terminal=True, width=80))
live.started(examples.start())
raise SystemExit(3)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert done.stdout.rfind("\x1b[?25h") > done.stdout.rfind("\x1b[?25l")
