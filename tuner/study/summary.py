"""What a study found, from its journal alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from tuner.errors import InputError
from tuner.front.choose import by_trial, choose, satisfying
from tuner.front.model import Candidate, Choice, Front
from tuner.front.pareto import front as pareto
from tuner.measure.noise import compare, noise_floors
from tuner.search.model import Outlook
from tuner.space.metrics import METRICS
from tuner.space.model import Budget, Constraint
from tuner.study.candidates import baseline, candidates, replicates, reported, values
from tuner.study.events import (
    BUDGET,
    CHOSEN,
    ENDED,
    INTERRUPTED,
    KNOWLEDGE,
    PARALLEL,
    PROPOSED,
    RATE,
    SEARCHED,
    last,
)
from tuner.study.model import BaselineComparison, Summary
from tuner.trials.codec import decode
from tuner.trials.journal import JournalContents
from tuner.trials.model import StudyStart, Trial


def summarize(
    contents: JournalContents,
    *,
    pick: str | None = None,
    where: Sequence[Constraint] = (),
    trial: int | None = None,
) -> Summary:
    """All that a study found so far.

    Its choice is the one the study made; before that, what it would choose now. With `pick`, `where` or `trial` it is
    chosen again from what was measured. Raises InputError for a trial that was not measured.
    """
    start = current(contents)
    found = candidates(contents.trials, start.slo)
    front = pareto(found, start.objectives)
    groups = replicates(contents.trials)
    base = baseline(contents.trials, found)
    floor = noise_floors([values(group) for group in groups.values()], compared(start))
    if trial is not None:
        choice: Choice | None = _asked_for(trial, contents.trials, found)
    elif pick is not None or where:
        choice = choose(pareto(satisfying(found, where), start.objectives), pick or start.pick)
    else:
        choice = _choice(contents, front, found, start.pick)
    state, because = _ended(contents)
    return Summary(
        start=start,
        trials=contents.trials,
        front=front,
        choice=choice,
        baseline=None if base is None else base.trial,
        comparisons=_comparisons(contents.trials, groups, start, base, choice, floor),
        noise_floor=floor,
        rate_rps=rate(contents),
        ended_because=because,
        state=state,
        knowledge=_knowledge(contents) if pick is None and not where and trial is None else None,
        candidates=found,
        outlook=_outlook(contents),
        left_out=(last(contents.events, SEARCHED) or {}).get("left_out") or {},
    )


def current(contents: JournalContents) -> StudyStart:
    """The first line, with the budget, and how many trials run at a time, as they were changed last."""
    start, budget, parallel = contents.start, last(contents.events, BUDGET), last(contents.events, PARALLEL)
    if budget is not None:
        start = replace(start, budget=decode(Budget, budget))
    return start if parallel is None else replace(start, parallel=int(parallel["number"]))


def rate(contents: JournalContents) -> float | None:
    """The common rate; None: not fixed yet."""
    fixed = last(contents.events, RATE)
    return None if fixed is None else float(fixed["rate_rps"])


def compared(start: StudyStart) -> tuple[str, ...]:
    """The metrics that the study aims at or bounds, each once."""
    return tuple(dict.fromkeys([o.metric for o in start.objectives] + [bound.metric for bound in start.slo]))


def _knowledge(contents: JournalContents) -> Mapping[str, Any] | None:
    """As it was written down; None where trials followed."""
    written = last(contents.events, KNOWLEDGE)
    if written is None or written["trials"] != len(contents.trials):
        return None
    return {name: value for name, value in written.items() if name != "trials"}


def _choice(contents: JournalContents, front: Front, found: Sequence[Candidate], pick: str) -> Choice | None:
    """The study's own choice where it made one, and it still meets the SLO."""
    made = last(contents.events, CHOSEN)
    now = choose(front, pick)
    if made is None:
        return now
    for candidate in found:
        if candidate.trial == made["trial"] and candidate.feasible:
            equals = tuple(made.get("equals", ()))
            return Choice(candidate=candidate, pick=made["pick"], reason=made["reason"] + made["note"], equals=equals)
    return None


def _asked_for(trial: int, trials: Sequence[Trial], found: Sequence[Candidate]) -> Choice:
    """The candidate that a trial is a restart of. Raises InputError when it was not measured."""
    group = next((group for group in replicates(trials).values() if any(one.number == trial for one in group)), ())
    for restart in group:
        if choice := by_trial(found, restart.number):
            return choice
    measured = ", ".join(str(candidate.trial) for candidate in found) or "none"
    raise InputError.at("--trial", f"trial {trial} was not measured", f"those that were: {measured}")


def _comparisons(
    trials: Sequence[Trial],
    groups: Mapping[str, Sequence[Trial]],
    start: StudyStart,
    base: Candidate | None,
    choice: Choice | None,
    floor: Mapping[str, float],
) -> tuple[BaselineComparison, ...]:
    """In each compared metric that both have; one whose baseline is 0 has no ratio, and is left out if they differ."""
    if base is None or choice is None:
        return ()
    digests = {trial.number: trial.manifest_digest for trial in trials}
    before, after = (values(reported(groups[digests[one.trial]])) for one in (base, choice.candidate))
    found = []
    for metric in compared(start):
        old, new = base.metrics.get(metric), choice.candidate.metrics.get(metric)
        if old is None or new is None or (old == 0 and new != 0):
            continue
        verdict = compare(before[metric], after[metric], METRICS[metric].better, floor.get(metric))
        before_is_least, after_is_least = metric in base.least, metric in choice.candidate.least
        # the truth is any value from a lower bound on
        told = {"better": not before_is_least, "worse": not after_is_least}
        if not told.get(verdict, not (before_is_least or after_is_least)):
            verdict = "undecided"
        found.append(
            BaselineComparison(
                metric=metric,
                baseline=old,
                chosen=new,
                ratio=new / old if old else 1.0,
                verdict=verdict,
                baseline_is_least=before_is_least,
                chosen_is_least=after_is_least,
            )
        )
    return tuple(found)


def _outlook(contents: JournalContents) -> Outlook | None:
    searched = last(contents.events, SEARCHED)
    told = None if searched is None else searched.get("outlook")
    return None if told is None else decode(Outlook, told)


def _ended(contents: JournalContents) -> tuple[Literal["open", "ended", "interrupted"], str]:
    """How it stands, by the last of the events that say so, and in words; a study without one is running, or was
    killed."""
    for event in reversed(contents.events):
        if event.kind == ENDED:
            return "ended", str(event.data["because"])
        if event.kind == INTERRUPTED:
            return "interrupted", "it was interrupted; `tune resume` goes on"
        if event.kind == PROPOSED:
            break
    return "open", "it has not ended"
