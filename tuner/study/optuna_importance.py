"""Which knobs mattered by Optuna's own evaluators, to hold ours against."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tuner.space.model import SearchSpace
from tuner.study.optuna_trial import finished, quiet
from tuner.trials.model import Trial

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator
    from optuna.trial import FrozenTrial

_LEAST = 10
"""Different configurations; of fewer their forests and densities say nothing, and they take a second and a half to load."""


def optuna_importances(space: SearchSpace, trials: Sequence[Trial], metric: str) -> Mapping[str, Mapping[str, float]]:
    """By evaluator, by knob: its share of one of the objectives' importance, by the trials that were measured whole.

    ``fANOVA`` (Hutter et al. 2014: a random forest) and ``PED-ANOVA`` (Watanabe et al. 2023: how the best trials differ
    from all). Empty for what is no objective, for too few configurations, and where Optuna cannot tell; without the forest where
    scikit-learn, which grows it, is not installed.
    """
    place = next((at for at, one in enumerate(space.objectives) if one.metric == metric), None)
    if place is None:
        return {}
    told = [finished(space, one.configuration, one.manifest_digest, one.outcome) for one in trials]
    whole = [one for one in told if one.values is not None and one.values[place] > 0.0]
    if len({one.user_attrs["digest"] for one in whole}) < _LEAST:
        return {}
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

    found = {}
    with quiet():
        study = optuna.create_study(directions=[objective.direction for objective in space.objectives])
        study.add_trials(whole)
        better_is_lower = space.objectives[place].direction == "minimize"
        evaluators: dict[str, BaseImportanceEvaluator] = {
            "PED-ANOVA": PedAnovaImportanceEvaluator(evaluate_on_local=False)
        }
        if find_spec("sklearn") is not None:
            evaluators = {"fANOVA": FanovaImportanceEvaluator(seed=0), **evaluators}
        for name, evaluator in evaluators.items():
            sign = 1.0 if better_is_lower or name == "fANOVA" else -1.0
            if shares := _evaluated(evaluator, study, place, sign):
                found[name] = shares
    return found


def _evaluated(evaluator: BaseImportanceEvaluator, study: object, place: int, sign: float) -> Mapping[str, float]:
    """Of the metric's logarithm, as ours; `sign` -1 where more is better, for those who look for what is best."""

    def target(trial: FrozenTrial) -> float:
        return sign * math.log(trial.values[place])

    try:
        # PED-ANOVA reminds whoever gives a target of which way is better, which the sign sees to
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            shares = evaluator.evaluate(study, target=target)  # type: ignore[arg-type]
    except (ValueError, RuntimeError):
        return {}
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()} if total > 0.0 else {}
