"""Optuna as its documentation begins: the samplers' own defaults, every choice an unordered category, no rules.

What breaks a rule or cannot run is a trial that failed, and what was tried may be tried again, as it would be for
whoever wrote that study.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna

from tuner.manifests.model import Rendered
from tuner.space.model import Choices, Configuration, FloatRange, IntRange, SearchSpace
from tuner.study.model import Proposal
from tuner.trials.model import Attempt, Measured, Outcome, Purpose, StudyStart, Trial

PLAIN: dict[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "plain-tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "plain-gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
}


class PlainOptuna:
    """Implements `tuner.study.model.Advisor`."""

    def __init__(
        self,
        *,
        start: StudyStart,
        space: SearchSpace,
        baseline: Configuration,
        render: Callable[[Configuration], Rendered],
        **_: Any,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._baseline, self._render = space, baseline, render
        directions = [objective.direction for objective in space.objectives]
        self._study = optuna.create_study(sampler=PLAIN[start.sampler](start.seed), directions=directions)
        self._study.enqueue_trial(dict(baseline.values))
        self._asked: dict[int, optuna.Trial] = {}
        self._told: list[Configuration] = []

    def ask(self) -> Proposal | None:
        trial = self._study.ask()
        values = {one.name: self._suggest(trial, one.name, one.domain) for one in self._space.parameters}
        number = len(self._told)
        self._asked[number] = trial
        return self._proposal(number, "search" if number else "baseline", Configuration(values=values))

    def repeat(self, number: int, purpose: Purpose = "confirm") -> Proposal:
        return self._proposal(len(self._told), purpose, self._told[number])

    def tell(self, number: int, outcome: Outcome, *_started: object) -> None:
        self._told.append(self._pending.configuration)
        trial = self._asked.pop(number, None)
        if trial is None:
            return
        metrics = outcome.measurement.metrics() if isinstance(outcome, Measured) else {}
        for bound in self._space.slo:
            if bound.metric in metrics:
                trial.set_constraint(bound.metric, bound.excess(metrics[bound.metric]))
        values = [metrics[one.metric] for one in self._space.objectives if one.metric in metrics]
        if len(values) == len(self._space.objectives):
            self._study.tell(trial, values)
        else:
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)

    def outlook(self, trials: int) -> None:
        """Optuna does not tell."""

    def conclude(self, summary: object) -> None:
        """There is no store."""

    def left_out(self) -> Mapping[str, int]:
        return {}

    def restore(self, trials: Sequence[Trial], pending: Sequence[Attempt] = ()) -> tuple[Proposal, ...]:
        assert not trials
        assert not pending
        return ()

    def _proposal(self, number: int, purpose: Purpose, configuration: Configuration) -> Proposal:
        rendered = self._render(configuration)
        self._pending = Proposal(number=number, purpose=purpose, configuration=configuration, rendered=rendered)
        return self._pending

    @staticmethod
    def _suggest(trial: optuna.Trial, name: str, domain: Choices | IntRange | FloatRange) -> Any:
        if isinstance(domain, Choices):
            return trial.suggest_categorical(name, domain.values)
        if isinstance(domain, IntRange):
            return trial.suggest_int(name, domain.low, domain.high, step=domain.step, log=domain.log)
        return trial.suggest_float(name, domain.low, domain.high, step=domain.step, log=domain.log)
