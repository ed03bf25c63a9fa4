"""The whole page, and where it is written."""

from __future__ import annotations

from pathlib import Path

from tuner import files
from tuner.report.html import render
from tuner.report.plot import Chart
from tuner.report.study import failures, front, knowledge, method, progress, trials
from tuner.report.study.found import Found
from tuner.report.study.verdict import against_baseline, knobs_changed, noise_text, verdict
from tuner.space.model import SearchSpace
from tuner.study.model import Summary
from tuner.trials.folder import StudyFolder

_RUNNING = "it has not ended"


def study_page(folder: StudyFolder, summary: Summary, space: SearchSpace | None, *, live: bool = False) -> str:
    """`space`: as it was when the study began, None: it cannot be read any more. `live`: the page is served, and brings
    itself up to date."""
    found = Found(folder=folder, summary=summary, space=space)
    hidden = trials.Hidden(found)
    charts: list[Chart] = []

    def placed(*made: Chart | None) -> list[int]:
        """Where the script draws them."""
        there = [one for one in made if one is not None]
        charts.extend(there)
        return list(range(len(charts) - len(there), len(charts)))

    parts = {
        "front": placed(*front.front_charts(found)),
        "latency": placed(front.curves_chart(found), front.distribution_chart(found)),
        "knobs": placed(front.parallel_chart(found)),
        "matters": placed(knowledge.importance_chart(found)),
        "course": placed(*progress.best_charts(found), progress.machine_chart(found)),
    }
    columns, steps = knowledge.steps(found)
    return render(
        "study.html",
        charts=charts,
        live=live,
        title=f"{summary.start.name}: what tuner found",
        running=summary.ended_because == _RUNNING,
        state=_state(found),
        found=found,
        start=summary.start,
        verdict=verdict(found),
        noise=noise_text(found),
        compared=against_baseline(found),
        knobs=knobs_changed(found),
        diff=() if found.chosen is None or found.same else hidden.difference(found.chosen),
        parts=parts,
        too_few=knowledge.too_few(found),
        step_columns=columns,
        steps=steps,
        held_back=list(knowledge.held_back(found)),
        others=knowledge.others(found),
        failures=list(failures.reasons(found)),
        trials=list(trials.told(found)),
        how=method.how(found),
        objections=[hidden.text(one) for one in method.objections(found)],
        where=method.where(found),
        offered=method.offered(space),
        rules=[] if space is None else [rule.text for rule in space.rules],
        command=method.commands(found),
    )


def write(path: Path, folder: StudyFolder, summary: Summary, space: SearchSpace | None) -> None:
    """The page of a study as it stands, whole or not at all. Raises StoreFailure."""
    files.write(path, study_page(folder, summary, space).encode(), private=True)


def _state(found: Found) -> str:
    summary = found.summary
    searched = sum(trial.searched for trial in summary.trials)
    of = "" if summary.start.budget.trials is None else f" of {summary.start.budget.trials}"
    took = progress.lasted_text(found)
    took = f", {took}" if took else ""
    if summary.ended_because == _RUNNING:
        return f"Running, or stopped without a word: {searched}{of} trials of the search so far{took}."
    return f"Ended: {summary.ended_because}; {len(summary.trials)} trials{took}."
