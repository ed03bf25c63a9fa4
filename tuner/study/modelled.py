"""The sampler `auto`: the model of `tuner.search` over all valid configurations that can run here.

It is no `BaseSampler` of Optuna's: there, a study is asked parameter by parameter within bounds, and a sampler knows
neither rules nor what is tried, cannot say that nothing is left, and has no place for a cost that is known beforehand
or for a baseline outside of all bounds. Made to fit, it would lose what it is better by. Optuna's store is kept all the
same, so that Optuna's own tools read the study.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence

import numpy as np

from tuner.search.candidates import Candidates
from tuner.search.costs import Costs, Demand
from tuner.search.encoding import Encoding
from tuner.search.lives import Lives
from tuner.search.model import Observation, Outlook
from tuner.search.proposer import Proposer
from tuner.search.threads import one_thread
from tuner.space.model import Configuration, SearchSpace
from tuner.statistics.model import BoolArray

_COST = "cost"
_SAME = 1e-6
_REASONS = 4
"""So many are told, the commonest: they may name amounts, and there is one for each."""


class Modelled:
    """Proposes what is worth most by what is believed (see `tuner.search.proposer`); implements `Sampler`."""

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        observed: Callable[[], Sequence[Observation]],
        demand: Callable[[Configuration], Demand] | None = None,
        impossible: Callable[[Configuration], str | None] | None = None,
    ) -> None:
        """`observed` tells all that was observed so far, proposals under way among it.

        `demand` tells what a configuration asks for, from which costs are known; None: nothing is known beforehand.
        `impossible` says of a configuration why it cannot run here, where that does not follow from what it asks for.
        """
        self._space = space
        self._seed = seed
        self._observed = observed
        self._demand = demand
        self._impossible = impossible
        self._encoding = Encoding(space)
        self._costs = None if demand is None else Costs(space, demand)
        self._costs_known: bool | None = None
        self._left_out: Counter[str] = Counter()
        self._candidates: Candidates | None = None
        self._proposers: dict[bool, Proposer] = {}

    def learn(self, configuration: Configuration, trial: object) -> None:
        """Nothing: what was observed is asked for when it is needed."""

    def draw(self, number: int) -> Generator[Configuration]:
        observations = tuple(self._observed())
        with one_thread():
            proposer = self._proposer(observations)
        lives = Lives.fit(self._encoding, observations)
        drawn: set[str] = set()
        while True:
            # some are proposed at a time; once more where none of them was worth trying
            before = len(drawn)
            with one_thread():
                drafts = list(proposer.propose(number, observations, frozenset(drawn)))
            drawn.update(one.digest for one in drafts)
            yield from (one for one, dies in zip(drafts, lives.doomed(drafts), strict=True) if not dies)
            if len(drawn) == before:
                return

    def outlook(self, trials: int) -> Outlook | None:
        """What so many more trials would probably bring; None: that cannot be told yet."""
        observations = tuple(self._observed())
        if not observations:
            return None
        with one_thread():
            return self._proposer(observations).outlook(observations, trials)

    def left_out(self) -> Mapping[str, int]:
        """How many valid configurations are not tried, by why, the commonest first: they cannot run here, or certainly
        die."""
        if self._candidates is None:
            return {}
        observations = tuple(self._observed())
        tried = {one.configuration.digest for one in observations if not one.source}
        untried = tuple(one for one in self._candidates.listed if one.digest not in tried)
        counted = Counter(self._left_out) + Counter(Lives.fit(self._encoding, observations).pruned(untried))
        told = dict(counted.most_common(_REASONS))
        rest = counted.total() - sum(told.values())
        return told | ({"other reasons": rest} if rest else {})

    def _proposer(self, observations: Sequence[Observation]) -> Proposer:
        """Made when the first one is asked for: the baseline is tried meanwhile, in which it has no say."""
        if self._candidates is None:
            self._candidates = Candidates(self._space, self._seed, self._possible)
        known = self._knows_costs(observations)
        if known not in self._proposers:
            costs = self._costs if known else None
            self._proposers[known] = Proposer(self._space, self._encoding, self._candidates, costs, self._seed)
        return self._proposers[known]

    def _possible(self, configurations: Sequence[Configuration]) -> BoolArray:
        possible = np.ones(len(configurations), dtype=bool)
        why: Counter[str] = Counter()
        if self._costs is not None:
            possible &= self._costs.possible(configurations)
            why.update(self._costs.impossible(configurations))
        if self._impossible is not None:
            for row in np.flatnonzero(possible):
                if (reason := self._impossible(configurations[row])) is not None:
                    possible[row] = False
                    why[reason] += 1
        if self._candidates is None:  # those listed; neighbours come later
            self._left_out = why
        return possible

    def _knows_costs(self, observations: Sequence[Observation]) -> bool:
        """Whether costs are what was measured wherever they were: admission may change what pods ask for, and what
        was recorded elsewhere may have other prices."""
        if self._costs is None or self._candidates is None:
            return False
        if self._costs_known is None:
            self._costs_known = self._costs.are_known(self._candidates.listed)
        if not self._costs_known:
            return False
        for one in observations:
            if one.source or _COST not in one.metrics:
                continue
            if not math.isclose(float(self._costs([one.configuration])[0]), one.metrics[_COST], rel_tol=_SAME):
                return False
        return True
