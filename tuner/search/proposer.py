"""Which configuration is tried next, and what is still to be gained.

First a few points far from each other (`design`), then the valid configuration that promises most by what is believed
(`surrogate`, `acquisition`): the expected feasible improvement of the one objective, or of the hypervolume of several
(Gardner et al. 2014, "Bayesian optimization with inequality constraints"; Schonlau 1997). What is already good is
what is believed of the tried ones, not the best value seen: with noise the best seen is a lucky one.

What is proposed depends on the space, the seed and the observations alone: a study that was interrupted goes on as if
it had not been.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tuner.search.acquisition import (
    expected_hypervolume_improvement,
    hypervolume,
    log_expected_improvement,
    log_probability_below,
    non_dominated,
)
from tuner.search.candidates import Candidates
from tuner.search.covariance import Columns
from tuner.search.design import design_size, maximin, pool_size
from tuner.search.encoding import Encoding
from tuner.search.lives import Lives
from tuner.search.model import Belief, Observation, Outlook
from tuner.search.surrogate import Surrogate, columns_of, logarithm
from tuner.space.model import Configuration, Constraint, Objective, SearchSpace, decisive
from tuner.statistics.model import BoolArray, FloatArray, IntArray

Costs = Callable[[Sequence[Configuration]], FloatArray | None]
"""(rows,): the exact cost of configurations, in the unit of the metric `cost`; None: it is not known."""

_COST = "cost"
_SCREENED = 4000
"""Candidates that the whole acquisition is worked out for, at most."""
_FEWEST = 1000
"""The same, at least."""
_WORK = 200_000
"""Candidates times observations, beyond which fewer candidates are looked at."""
_BELIEVED = 0.5
"""A tried configuration counts as feasible where that is likelier than not."""
_SURE = 0.95
"""From this probability on, what is no better by what is known beforehand is not worth a trial."""
_CAUTION = 2.0
"""The power of the probability to live: a death tells less than a measurement and takes as long."""
_MATTERS = 0.05
"""Of the one objective, in the logarithm: less is not looked for. Around a good configuration there is always a per cent
to be expected of knobs that do nothing, and trial after trial went there while other knobs had better values."""
_HOPE = 0.1
"""What the objective counts for while nothing feasible is known."""
_LEADERS = 4
_FALLBACKS = 30
"""Points that a design offers, should the first be impossible to render."""
_DRAWS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pool:
    """Configurations that a proposal is chosen from."""

    configurations: Sequence[Configuration]
    digests: Sequence[str]
    rows: Columns
    costs: FloatArray | None

    def __len__(self) -> int:
        return len(self.configurations)

    def __getitem__(self, rows: IntArray) -> _Pool:
        return _Pool(
            configurations=[self.configurations[row] for row in rows],
            digests=[self.digests[row] for row in rows],
            rows=self.rows[rows],
            costs=None if self.costs is None else self.costs[rows],
        )

    def untried(self, taken: Collection[str]) -> IntArray:
        return np.array([row for row, digest in enumerate(self.digests) if digest not in taken], dtype=np.int64)

    def joined(self, other: _Pool) -> _Pool:
        costs = None if self.costs is None or other.costs is None else np.concatenate([self.costs, other.costs])
        return _Pool(
            configurations=[*self.configurations, *other.configurations],
            digests=[*self.digests, *other.digests],
            rows=self.rows.joined(other.rows).leveled(),
            costs=costs,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beliefs:
    """Of several configurations: the objectives, to be minimised, and whether they live and meet the SLO."""

    mean: FloatArray
    """(rows, objectives), in the logarithm, with the sign turned where more is better."""
    sd: FloatArray
    log_feasible: FloatArray
    """(rows,): the logarithm of the probability."""


class Proposer:
    """Proposes from the valid configurations of one search space (see the module)."""

    def __init__(
        self, space: SearchSpace, encoding: Encoding, candidates: Candidates, costs: Costs | None = None, seed: int = 0
    ) -> None:
        """`costs` None: cost is measured like any other metric."""
        self._objectives = space.objectives
        self._slo = space.slo
        self._metrics = decisive(space.objectives, space.slo)
        self._design = design_size(len(space.parameters))
        self._pooled = pool_size(len(space.parameters))
        self._encoding = encoding
        self._candidates = candidates
        self._costs = costs
        self._seed = seed
        self._all = self._pool(candidates.listed)
        self._fitted: tuple[tuple[Observation, ...], Surrogate] | None = None
        self._lived: tuple[tuple[Observation, ...], Lives] | None = None

    def propose(
        self, number: int, observations: Sequence[Observation], tried: Collection[str] = ()
    ) -> Iterator[Configuration]:
        """Untried configurations, the best first. `tried` are digests of configurations beside those observed."""
        own = [one for one in observations if not one.source]
        taken = {one.configuration.digest for one in own} | set(tried)
        free = self._all[self._all.untried(taken)]
        free = free[np.flatnonzero(self._is_affordable(free) & ~self._is_dominated(free, observations))]
        if self._is_designed(own, observations):
            order, pool = self._far_apart(free, own), free
        else:
            pool = self._near_leaders(free, observations, taken, number)
            order = self._promising(pool, observations)
        for row in order:
            yield pool.configurations[row]

    def gain(self, observations: Sequence[Observation], trials: int = 1) -> float:
        """What the next `trials` trials are expected to improve the best value of the one objective by, relative to
        it; of several, the hypervolume (in logarithms). Infinite while that cannot be told."""
        outlook = self.outlook(observations, trials)
        return math.inf if outlook is None else outlook.expected

    def outlook(self, observations: Sequence[Observation], trials: int) -> Outlook | None:
        """What so many more trials would probably bring, by draws of what the best of them may turn out to be.

        None while nothing is known to be feasible or the design is not done.
        """
        own = [one for one in observations if not one.source]
        surrogate = self.surrogate(observations)
        tried = self._tried(observations)
        if not len(tried) or not self._knows_objectives(surrogate) or self._is_designed(own, observations):
            return None
        lives = self._lives(observations)
        seen = self._beliefs(tried, surrogate, lives)
        good = np.exp(seen.log_feasible) >= _BELIEVED
        if not good.any():
            return None
        free = self._all[self._all.untried({one.configuration.digest for one in own})]
        free = free[np.flatnonzero(self._is_affordable(free) & ~self._is_dominated(free, observations))]
        if not len(free):
            return Outlook(trials=trials, expected=0.0, most=0.0)
        free = self._screened(free, tried, seen, number=0, rows=len(surrogate))
        beliefs = self._beliefs(free, surrogate, lives)
        leaders = np.argsort(-self._scores(beliefs, seen, good), kind="stable")[:trials]
        draws = self._drawn(free[leaders], beliefs, leaders, surrogate)
        gains = self._gains(draws, seen.mean[good], _reference(seen, beliefs))
        return Outlook(trials=trials, expected=float(gains.mean()), most=float(np.quantile(gains, 0.9)))

    def _gains(self, draws: FloatArray, good: FloatArray, reference: FloatArray) -> FloatArray:
        """(draws,): what each improves the best, or the hypervolume, by."""
        if len(self._objectives) == 1:
            improved = np.maximum(float(good[:, 0].min()) - draws[:, :, 0].min(1), 0.0)
            return np.asarray(np.expm1(np.minimum(improved, 50.0)))
        front = good[non_dominated(good)]
        volume = hypervolume(front, reference)
        return np.array([hypervolume(np.vstack([front, draw]), reference) / volume - 1.0 for draw in draws])

    def surrogate(self, observations: Sequence[Observation]) -> Surrogate:
        """What is believed after these observations; of the last ones it is remembered."""
        key = tuple(observations)
        if self._fitted is None or self._fitted[0] != key:
            wanted = [metric for metric in self._metrics if not (metric == _COST and self._costs is not None)]
            self._fitted = (key, Surrogate.fit(self._encoding, observations, wanted))
        return self._fitted[1]

    def _lives(self, observations: Sequence[Observation]) -> Lives | None:
        """None: nothing died."""
        if not any(one.lived is False for one in observations):
            return None
        key = tuple(observations)
        if self._lived is None or self._lived[0] != key:
            self._lived = (key, Lives.fit(self._encoding, observations))
        return self._lived[1]

    def _pool(self, configurations: tuple[Configuration, ...]) -> _Pool:
        return _Pool(
            configurations=configurations,
            digests=tuple(one.digest for one in configurations),
            rows=columns_of(self._encoding.points(configurations)).leveled(),
            costs=None if self._costs is None else self._costs(configurations),
        )

    def _tried(self, observations: Sequence[Observation]) -> _Pool:
        """The configurations of this study that were measured, once each."""
        own = {one.configuration.digest: one.configuration for one in observations if not one.source and one.metrics}
        return self._pool(tuple(own.values()))

    def _is_designed(self, own: Sequence[Observation], observations: Sequence[Observation]) -> bool:
        """Whether a point of the design is due: an earlier study stands in for it."""
        started = len({one.configuration.digest for one in own})
        return started <= self._design and len(observations) - len(own) <= self._design

    def _far_apart(self, free: _Pool, own: Sequence[Observation]) -> IntArray:
        """The design around what was tried: as one of its points is tried, the others are drawn anew around it."""
        rng = np.random.default_rng([self._seed, len(own)])
        tried = self._pool(tuple(one.configuration for one in own)).rows
        places = _places(free.rows.joined(tried))
        return maximin(places[: len(free)], places[len(free) :], _FALLBACKS, rng, self._pooled)

    def _promising(self, pool: _Pool, observations: Sequence[Observation]) -> IntArray:
        surrogate = self.surrogate(observations)
        lives = self._lives(observations)
        beliefs = self._beliefs(pool, surrogate, lives)
        tried = self._tried(observations)
        if not len(tried) or not self._knows_objectives(surrogate):
            scores = beliefs.log_feasible
        else:
            seen = self._beliefs(tried, surrogate, lives)
            good = np.exp(seen.log_feasible) >= _BELIEVED
            scores = self._scores(beliefs, seen, good)
        return np.asarray(np.argsort(-scores, kind="stable"))

    def _is_affordable(self, pool: _Pool) -> BoolArray:
        """(rows,): False where the cost alone breaks a bound."""
        fine = np.ones(len(pool), dtype=np.bool_)
        for bound in self._slo:
            if bound.metric == _COST and pool.costs is not None:
                fine &= np.array([bound.excess(float(cost)) <= 0 for cost in pool.costs], dtype=np.bool_)
        return fine

    def _is_dominated(self, pool: _Pool, observations: Sequence[Observation]) -> BoolArray:
        """(rows,): nothing is asked for but cost, and what is surely feasible costs no more."""
        tried = self._tried(observations)
        if tried.costs is not None and len(tried) and all(one.metric == _COST for one in self._objectives):
            seen = self._beliefs(tried, self.surrogate(observations), self._lives(observations))
            sure = np.exp(seen.log_feasible) >= _SURE
            if sure.any() and pool.costs is not None:
                return np.asarray(pool.costs >= tried.costs[sure].min())
        return np.zeros(len(pool), dtype=np.bool_)

    def _scores(self, beliefs: _Beliefs, seen: _Beliefs, good: BoolArray) -> FloatArray:
        """(rows,): the logarithm of what a trial is worth."""
        if not good.any():
            # a feasible one first; among equals the one that may be good
            hope = log_expected_improvement(beliefs.mean[:, 0], beliefs.sd[:, 0], float(seen.mean[:, 0].min()))
            return np.asarray(beliefs.log_feasible + _HOPE * hope)
        if len(self._objectives) == 1:
            best = float(seen.mean[good, 0].min()) - (0.0 if self._is_known(self._objectives[0]) else _MATTERS)
            return log_expected_improvement(beliefs.mean[:, 0], beliefs.sd[:, 0], best) + beliefs.log_feasible
        front = seen.mean[good]
        volume = expected_hypervolume_improvement(
            beliefs.mean, beliefs.sd, front[non_dominated(front)], _reference(seen, beliefs)
        )
        return np.asarray(np.log(np.maximum(volume, 1e-300)) + beliefs.log_feasible)

    def _near_leaders(
        self, free: _Pool, observations: Sequence[Observation], taken: Collection[str], number: int
    ) -> _Pool:
        """What is worth looking at: all that is free, or of too many a part, with the leaders' neighbours."""
        surrogate = self.surrogate(observations)
        if len(free) * len(surrogate) <= _WORK and len(free) <= _SCREENED and self._candidates.complete:
            return free
        tried = self._tried(observations)
        if not len(tried) or not self._knows_objectives(surrogate):
            return free[np.arange(0, len(free), max(1, len(free) // _SCREENED))]
        seen = self._beliefs(tried, surrogate, self._lives(observations))
        pool = self._screened(free, tried, seen, number, rows=len(surrogate))
        if self._candidates.complete:
            return pool
        leaders = [tried.configurations[row] for row in _leaders(seen)]
        near = self._pool(self._candidates.near(leaders, number))
        near = near[near.untried(set(pool.digests) | set(taken))]
        return pool.joined(near[np.flatnonzero(self._is_affordable(near) & ~self._is_dominated(near, observations))])

    def _screened(self, free: _Pool, tried: _Pool, seen: _Beliefs, number: int, rows: int) -> _Pool:
        """Of too many a part drawn at random, and those nearest to the leaders; the fewer, the more is known."""
        most = min(_SCREENED, max(_WORK // max(rows, 1), _FEWEST))
        if len(free) <= most:
            return free
        rng = np.random.default_rng([self._seed, number])
        chosen = [rng.choice(len(free), most // 2, replace=False)]
        places = _places(free.rows.joined(tried.rows))
        leaders = _leaders(seen)
        share = most // 2 // len(leaders)
        for leader in leaders:
            away = np.abs(places[: len(free)] - places[len(free) + leader]).sum(1)
            chosen.append(np.argpartition(away, share)[:share])
        return free[np.unique(np.concatenate(chosen))]

    def _knows_objectives(self, surrogate: Surrogate) -> bool:
        return all(surrogate.knows(one.metric) or self._is_known(one) for one in self._objectives)

    def _is_known(self, objective: Objective) -> bool:
        """Beforehand, and exactly."""
        return objective.metric == _COST and self._costs is not None

    def _beliefs(self, pool: _Pool, surrogate: Surrogate, lives: Lives | None) -> _Beliefs:
        found: dict[str, Belief] = {}
        for metric in self._metrics:
            if metric == _COST and pool.costs is not None:
                mean = np.array([logarithm(_COST, float(cost)) for cost in pool.costs])
                found[metric] = Belief(mean=mean, sd=np.zeros(len(pool)))
            elif surrogate.knows(metric):
                found[metric] = surrogate.believe_rows(metric, pool.rows)
        log_feasible = np.zeros(len(pool))
        if lives is not None:
            with np.errstate(divide="ignore"):
                log_feasible = _CAUTION * np.log(lives.probability(pool.configurations))
        for bound in self._slo:
            if bound.metric in found:
                log_feasible = log_feasible + _log_meets(bound, found[bound.metric])
        unknown = Belief(mean=np.zeros(len(pool)), sd=np.ones(len(pool)))
        beliefs = [found.get(one.metric, unknown) for one in self._objectives]
        return _Beliefs(
            mean=np.stack([one.sign * held.mean for one, held in zip(self._objectives, beliefs, strict=True)], axis=1),
            sd=np.stack([held.sd for held in beliefs], axis=1),
            log_feasible=log_feasible,
        )

    def _drawn(self, leaders: _Pool, beliefs: _Beliefs, rows: IntArray, surrogate: Surrogate) -> FloatArray:
        """(draws, rows, objectives): what these may turn out to be; infinitely bad where they are not feasible."""
        rng = np.random.default_rng([self._seed, len(rows)])
        drawn = np.empty((_DRAWS, len(rows), len(self._objectives)))
        for place, objective in enumerate(self._objectives):
            mean = beliefs.mean[rows, place]
            if surrogate.knows(objective.metric):
                _, covariance = surrogate.joint(objective.metric, leaders.configurations)
                values, vectors = np.linalg.eigh(covariance)
                root = vectors * np.sqrt(np.maximum(values, 0.0))
                drawn[:, :, place] = mean + rng.standard_normal((_DRAWS, len(rows))) @ root.T
            else:
                drawn[:, :, place] = mean
        fails = np.log(rng.random((_DRAWS, len(rows)))) > beliefs.log_feasible[rows]
        drawn[fails] = np.inf
        return drawn


def _log_meets(bound: Constraint, belief: Belief) -> FloatArray:
    edge = logarithm(bound.metric, bound.bound)
    if bound.at_least:
        return log_probability_below(-belief.mean, belief.sd, -edge)
    return log_probability_below(belief.mean, belief.sd, edge)


def _reference(seen: _Beliefs, others: _Beliefs) -> FloatArray:
    """A tenth beyond the worst, in each objective, of what was tried and of what else is believed to be feasible: what
    costs more than all before may be worth it."""
    likely = np.exp(others.log_feasible) >= _BELIEVED
    means = np.vstack([seen.mean, others.mean[likely]])
    worst, best = means.max(0), means.min(0)
    return np.asarray(worst + np.maximum(0.1 * (worst - best), 1e-3))


def _leaders(seen: _Beliefs) -> IntArray:
    """The few best of what was tried: of the feasible ones by each objective, or those nearest to being feasible."""
    worth = np.where(np.exp(seen.log_feasible) >= _BELIEVED, 0.0, 1e3 - seen.log_feasible)
    ranks = [np.argsort(worth + seen.mean[:, place], kind="stable")[:_LEADERS] for place in range(seen.mean.shape[1])]
    return np.asarray(np.unique(np.concatenate(ranks)))


def _places(rows: Columns) -> FloatArray:
    """(rows, columns) that distances are summed over: knobs alone; two different words are 1 apart."""
    numbers = rows.numbers[:, : rows.numbers.shape[1] - rows.derived]
    words = [(column[:, None] == np.unique(column)[None, :]) * 0.5 for column in rows.words.T]
    return np.nan_to_num(np.hstack([numbers, *words]), nan=0.5)
