"""What a study has taught so far (`tuner.search.knowledge`), from its journal: fitted anew, since nothing is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tuner.front.model import Choice
from tuner.search.calibration import Widened, widening
from tuner.search.costs import Costs, Demand
from tuner.search.encoding import Encoding
from tuner.search.knowledge import Exact, Knowledge, learn, metrics_of
from tuner.search.lives import Lives
from tuner.search.model import Observation
from tuner.search.prediction import Prediction, predict
from tuner.search.surrogate import Surrogate
from tuner.search.threads import one_thread
from tuner.search.worth import Beliefs
from tuner.space.model import Configuration, SearchSpace
from tuner.statistics.model import FloatArray
from tuner.study.observed import observations
from tuner.study.optuna_importance import optuna_importances
from tuner.study.warm import from_earlier
from tuner.trials.journal import JournalContents

_COST = "cost"
Asks = Callable[[Configuration], Demand]
"""What a configuration asks for; its cost follows."""


def knowledge(
    contents: JournalContents,
    space: SearchSpace,
    choice: Choice | None,
    demand: Asks | None = None,
    *,
    compared: bool = True,
) -> Knowledge:
    """From the trials so far; `choice` is what is chosen of them. `demand` None: costs are believed, not known.

    `compared`: with what Optuna's evaluators make of them, which take seconds to load.
    """
    with one_thread():
        found = _learned(contents, space, choice, demand)
    if not compared:
        return found
    matters = tuple(
        replace(one, others=optuna_importances(space, contents.trials, one.metric)) for one in found.matters
    )
    return replace(found, matters=matters)


def _learned(contents: JournalContents, space: SearchSpace, choice: Choice | None, demand: Asks | None) -> Knowledge:
    observed = _observed(contents)
    metrics = metrics_of(space)
    encoding = Encoding(space)
    surrogate = Surrogate.fit(encoding, observed, metrics)
    configurations = {trial.number: trial.configuration for trial in contents.trials}
    return learn(
        space,
        observed,
        _beliefs(space, surrogate, observed, demand),
        noise_sd=_noise(surrogate, metrics),
        baseline=next((trial.configuration for trial in contents.trials if trial.purpose == "baseline"), None),
        choice=None if choice is None else configurations[choice.candidate.trial],
        seed=contents.start.seed,
    )


def prediction(
    contents: JournalContents, space: SearchSpace, configuration: Configuration, demand: Asks | None = None
) -> Prediction:
    """What is believed of a configuration in every metric that was measured."""
    with one_thread():
        return _predicted(contents, space, configuration, demand)


def _predicted(
    contents: JournalContents, space: SearchSpace, configuration: Configuration, demand: Asks | None
) -> Prediction:
    observed = _observed(contents)
    metrics = tuple(dict.fromkeys([*metrics_of(space), *(name for one in observed for name in one.metrics)]))
    encoding = Encoding(space)
    surrogate = Surrogate.fit(encoding, observed, metrics)
    return predict(
        configuration,
        beliefs=_beliefs(space, surrogate, observed, demand),
        noise_sd=_noise(surrogate, metrics),
        metrics=metrics,
        slo=space.slo,
        lives=float(Lives.fit(encoding, observed).probability([configuration])[0]),
        encoding=encoding,
        observations=observed,
    )


def _observed(contents: JournalContents) -> tuple[Observation, ...]:
    return (*observations(contents.trials, contents.start), *from_earlier(contents.start))


def _noise(surrogate: Surrogate, metrics: Sequence[str]) -> Mapping[str, float]:
    """By metric; a cost has none."""
    return {metric: surrogate.noise_sd(metric) for metric in metrics if metric != _COST and surrogate.knows(metric)}


def _beliefs(space: SearchSpace, surrogate: Surrogate, observed: Sequence[Observation], demand: Asks | None) -> Beliefs:
    """The model's, no more certain than it proved to be, and costs as they are known to be."""
    measured = {one.configuration.digest for one in observed if one.metrics}
    beliefs: Beliefs = Widened(surrogate, widening(len(measured)))
    costs = None if demand is None else _costs(space, demand)
    return beliefs if costs is None else Exact(beliefs, _COST, costs)


def _costs(space: SearchSpace, demand: Asks) -> Callable[[Sequence[Configuration]], FloatArray] | None:
    """None: they are not known of every configuration, or are nothing, which has no logarithm."""
    costs = Costs(space, demand)

    def of(configurations: Sequence[Configuration]) -> FloatArray:
        found = costs(configurations)
        if found is None:
            raise KeyError(_COST)
        return found

    from tuner.search.lattice import lattice

    known = costs(lattice(space)[0])
    return of if known is not None and len(known) and bool((known > 0.0).all()) else None
