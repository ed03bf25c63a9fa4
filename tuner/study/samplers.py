"""The samplers by name, but `auto` (`tuner.study.modelled`). Each draws configurations for a trial, the one it likes best first.

Whatever a sampler draws for trial n depends on the seed, n and the trials told before, and on nothing else: a study
that was interrupted goes on as if it had not been.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Generator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from tuner.errors import InputError
from tuner.space.active import exists, in_order
from tuner.space.domain import grid
from tuner.space.model import Choices, Configuration, Domain, FloatRange, IntRange, SearchSpace
from tuner.space.size import configurations, size
from tuner.space.values import Value
from tuner.study.names import AUTO
from tuner.study.optuna_trial import as_drawn, drawn_from, quiet, suggest

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

ENUMERABLE = 100_000
"""Spaces up to this size are gone through one by one."""
_BLIND_DRAWS = 500


class Sampler(Protocol):
    def learn(self, configuration: Configuration, trial: FrozenTrial) -> None:
        """Take note of a finished trial, as Optuna's store keeps it."""
        ...

    def draw(self, number: int) -> Generator[Configuration]:
        """Configurations for trial `number`: as many as are worth drawing, or all there are. Close it after use."""
        ...


def sampler(name: str, space: SearchSpace, seed: int) -> Sampler:
    """The sampler of that name.

    Raises InputError for one that is unknown, that lacks a package or that does not fit the space.
    """
    if name not in SAMPLERS:
        raise InputError.at(
            f"--sampler {name}", f"there is no sampler {name!r}", f"use one of {AUTO}, {', '.join(SAMPLERS)}"
        )
    return SAMPLERS[name](space, seed)


class OptunaSampler:
    """A sampler of Optuna's over a study in memory, which holds the finished trials and, while drawing, the drafts.

    Drafts that were not taken stay RUNNING until one was: TPE and GP then keep away from them (constant liar).
    Afterwards they are FAIL, which samplers pass over.

    The sampler itself is made anew for each trial, with a seed of that trial's. So a study that was interrupted goes on
    as if it had not been, and nothing is lost: what TPE has learned stands in the trials, a genetic sampler's generations
    and parents in the trials' and the study's notes. Only the GP forgets with which parameters its last fit ended, from
    which it would begin the next one; that would depend on how often it was asked.
    """

    def __init__(self, space: SearchSpace, seed: int, make: Callable[[int], BaseSampler], draws: int = 30) -> None:
        """`make` gives the sampler for a seed; at most `draws` drafts are drawn for one trial."""
        import optuna

        self._space = space
        self._seed = seed
        self._make = make
        self._draws = draws
        with quiet():
            self._memory = optuna.create_study(
                sampler=make(seed), directions=[objective.direction for objective in space.objectives]
            )

    def learn(self, configuration: Configuration, trial: FrozenTrial) -> None:
        from optuna.trial import create_trial

        params = as_drawn(self._space, configuration)
        # A trial with values missing would take the parameters they belong to out of the joint model for good.
        if params.keys() != configuration.values.keys():
            return
        with quiet():
            self._memory.add_trial(
                create_trial(
                    state=trial.state,
                    values=trial.values,
                    params=params,
                    distributions={name: drawn_from(self._space.parameter(name).domain) for name in params},
                    constraints=trial.constraints,
                    user_attrs=trial.user_attrs,
                    system_attrs=self._generation(),
                )
            )

    def draw(self, number: int) -> Generator[Configuration]:
        from optuna.trial import TrialState

        drafts = []
        with quiet():
            self._memory.sampler = self._make(seed_of(self._seed, number))
            self._generation()
        try:
            for _ in range(self._draws):
                with quiet():
                    draft = self._memory.ask()
                    drafts.append(draft)
                    configuration = suggest(self._space, draft)
                yield configuration
        finally:
            for draft in drafts:
                self._memory.tell(draft, state=TrialState.FAIL)

    def _generation(self) -> dict[str, Any]:
        """What a genetic sampler notes on the trials it draws: the generation a trial of this moment belongs to.

        The generation's parents are looked up here first: Optuna gives them in another order the first time.
        """
        from optuna.samplers import BaseGASampler
        from optuna.trial import TrialState

        genetic = self._memory.sampler
        if not isinstance(genetic, BaseGASampler):
            return {}
        probe = self._memory.ask()
        frozen = self._memory.get_trials(deepcopy=False)[probe.number]
        genetic.get_parent_population(self._memory, genetic.get_trial_generation(self._memory, frozen))
        self._memory.tell(probe, state=TrialState.FAIL)
        return dict(self._memory.get_trials(deepcopy=False)[probe.number].system_attrs)


class Quasirandom:
    """Points of a scrambled Sobol sequence (Sobol 1967; Owen 1998): even cover of the space, deaf to results."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        _need("qmc", "scipy")
        self._parameters = in_order(space.parameters)
        self._seed = seed

    def learn(self, configuration: Configuration, trial: FrozenTrial) -> None:
        pass

    def draw(self, number: int) -> Generator[Configuration]:
        from scipy.stats.qmc import Sobol  # type: ignore[import-untyped]

        points = Sobol(len(self._parameters), scramble=True, seed=self._seed).fast_forward(number)
        for _ in range(_BLIND_DRAWS):
            values: dict[str, Value] = {}
            for parameter, place in zip(self._parameters, points.random(1)[0], strict=True):
                if exists(parameter, values):
                    values[parameter.name] = at(parameter.domain, float(place))
            yield Configuration(values=values)


class Grid:
    """Every configuration of a finite space, in an order shuffled by the seed so that each part is even cover."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        number = size(space)
        if number is None:
            message = "the space is infinite: a float parameter has no step"
            raise InputError.at("--sampler grid", message, "give it a step, or use auto")
        if number.count > ENUMERABLE:
            message = f"the space has {number} configurations, more than {ENUMERABLE:,}"
            raise InputError.at("--sampler grid", message, "use auto")
        self._all = list(configurations(space))
        random.Random(seed).shuffle(self._all)  # noqa: S311

    def learn(self, configuration: Configuration, trial: FrozenTrial) -> None:
        pass

    def draw(self, number: int) -> Generator[Configuration]:  # noqa: ARG002 - the same for every trial
        yield from self._all


def seed_of(seed: int, number: int) -> int:
    """A seed for trial `number`, unrelated to its neighbours'."""
    import numpy as np

    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def at(domain: Domain, place: float) -> Value:
    """The value at `place` (0 to 1) of a domain, evenly spaced (in the logarithm where the domain says so)."""
    match domain:
        case Choices():
            return domain.values[min(int(place * len(domain.values)), len(domain.values) - 1)]
        case IntRange(log=False) | FloatRange(log=False, step=float() | int()):
            values = grid(domain) or ()
            return values[min(int(place * len(values)), len(values) - 1)]
        case IntRange():
            # each whole number owns the stretch half a unit to both sides of it, as in Optuna
            low, high = domain.low - 0.5, domain.high + 0.5
            nearest = round(math.exp(math.log(low) + place * math.log(high / low)))
            return min(max(nearest, domain.low), domain.high)
        case FloatRange(log=True):
            return domain.low * math.exp(place * math.log(domain.high / domain.low))
        case FloatRange():
            return domain.low + (domain.high - domain.low) * place


def _tpe(space: SearchSpace, seed: int) -> Sampler:
    """Tree-structured Parzen estimator over all parameters together; in groups where some exist only sometimes."""
    from optuna.samplers import TPESampler

    group = any(parameter.when is not None for parameter in space.parameters)
    all_of_it = {one.name: drawn_from(one.domain) for one in sorted(space.parameters, key=lambda one: one.name)}

    class WholeSpace(TPESampler):
        """Optuna would look at every trial to find what all of them have, which is known here beforehand."""

        def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
            return super().infer_relative_search_space(study, trial) if group else all_of_it

    def make(seed: int) -> BaseSampler:
        return WholeSpace(multivariate=True, group=group, n_startup_trials=_blind(space), seed=seed)

    return OptunaSampler(space, seed, make)


def _random(space: SearchSpace, seed: int) -> Sampler:
    from optuna.samplers import RandomSampler

    return OptunaSampler(space, seed, lambda seed: RandomSampler(seed=seed), _BLIND_DRAWS)


def _nsga2(space: SearchSpace, seed: int) -> Sampler:
    """Genetic. It breeds from measured trials only: what failed is not bred from, but not kept away from either."""
    from optuna.samplers import NSGAIISampler

    return OptunaSampler(space, seed, lambda seed: NSGAIISampler(population_size=_generation(space), seed=seed))


def _gp(space: SearchSpace, seed: int) -> Sampler:
    """Gaussian process. It learns from measured trials only, like nsga2."""
    from optuna.samplers import GPSampler

    _need("gp", "scipy", "torch")
    return OptunaSampler(space, seed, lambda seed: GPSampler(n_startup_trials=_blind(space), seed=seed))


SAMPLERS: dict[str, Callable[[SearchSpace, int], Sampler]] = {
    "tpe": _tpe,
    "random": _random,
    "nsga2": _nsga2,
    "gp": _gp,
    "qmc": Quasirandom,
    "grid": Grid,
}


def _blind(space: SearchSpace) -> int:
    """How many trials there are before the first that is more than a guess: a fifth of the budget, 3 to 10."""
    trials = space.budget.trials
    return 5 if trials is None else min(max(trials // 5, 3), 10)


def _generation(space: SearchSpace) -> int:
    """A quarter of the trials make a generation, 4 to 50."""
    trials = space.budget.trials
    return 50 if trials is None else min(max(trials // 4, 4), 50)


def _need(name: str, *packages: str) -> None:
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        message = f"the sampler {name} needs {' and '.join(missing)}, not installed here"
        raise InputError.at(f"--sampler {name}", message, f"`pip install {' '.join(missing)}`")
