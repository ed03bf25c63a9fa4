"""What to try next: Optuna's samplers, kept from trying anything twice or for nothing.

A sampler draws in memory (`tuner.study.samplers`); Optuna's store gets each trial when it is finished, in one
transaction. So there is no half-made trial in it after a crash, trials have the same numbers there as in the journal,
and the store can be made anew from the journal at any time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing

from tuner.space.model import Configuration, SearchSpace
from tuner.space.size import configurations, size
from tuner.study.model import Proposal
from tuner.study.optuna_trial import finished, in_domain
from tuner.study.samplers import ENUMERABLE, sampler
from tuner.study.store import Store
from tuner.trials.model import Failed, Interrupted, Outcome, Purpose, StudyStart, Trial

_RETRIES = 1
"""A configuration that failed by the environment's fault may be proposed so many times more."""


class OptunaAdvisor:
    """Proposes configurations by one of Optuna's samplers (see `tuner.study.model.Advisor`)."""

    def __init__(
        self,
        *,
        start: StudyStart,
        space: SearchSpace,
        baseline: Configuration,
        digest: Callable[[Configuration], str],
        infeasible: Callable[[Configuration], str | None],
    ) -> None:
        """`digest` is that of the rendered manifest; `infeasible` says why a configuration could never run here.

        Raises InputError for a sampler that cannot be used, StoreFailure when Optuna's store cannot be opened.
        """
        self._space = space
        self._baseline = baseline
        self._digest = digest
        self._infeasible = infeasible
        self._sampler = sampler(start.sampler, space, start.seed)
        self._random = sampler("random", space, start.seed)
        self._store = Store.open(start)
        self._told: list[Configuration] = []
        self._proposed: dict[int, Configuration] = {}
        self._tried: set[str] = set()
        self._lost: Counter[str] = Counter()
        self._verdicts: dict[str, tuple[str, bool]] = {}

    def ask(self) -> Proposal | None:
        """Trial 0 is the baseline; then what the sampler draws. None: nothing untried is left, or can be found."""
        number = self._next
        if number == 0:
            return self._propose("baseline", self._baseline)
        with closing(self._drafts(number)) as drafts:
            found = next(filter(self._worth_trying, drafts), None)
        return None if found is None else self._propose("search", found)

    def repeat(self, number: int) -> Proposal:
        """Trial `number` once more, as a trial of its own. Raises IndexError for one that was not told."""
        return self._propose("confirm", self._told[number])

    def tell(self, number: int, outcome: Outcome) -> None:
        """Raises KeyError for a number that was not proposed or is not the next to be told, StoreFailure."""
        if number != len(self._told):
            raise KeyError(f"trial {number} cannot be told: the next to be told is {len(self._told)}")
        self._learn(self._proposed.pop(number), outcome)

    def restore(self, trials: Sequence[Trial], pending: Proposal | None = None) -> None:
        """Take up a study where its journal ends; `pending` was proposed, but not finished.

        The store is brought to what the journal says. Raises StoreFailure.
        """
        for trial in trials:
            self._learn(trial.configuration, trial.outcome, trial.manifest_digest)
        self._store.cut(len(self._told))
        if pending is not None:
            self._proposed[pending.number] = pending.configuration

    @property
    def _next(self) -> int:
        return len(self._told) + len(self._proposed)

    def _propose(self, purpose: Purpose, configuration: Configuration) -> Proposal:
        proposal = Proposal(number=self._next, purpose=purpose, configuration=configuration)
        self._proposed[proposal.number] = configuration
        return proposal

    def _learn(self, configuration: Configuration, outcome: Outcome, digest: str | None = None) -> None:
        digest = digest if digest is not None else self._digest(configuration)
        trial = finished(self._space, configuration, digest, outcome)
        self._store.put(len(self._told), trial)
        whole = in_domain(self._space, configuration).keys() == configuration.values.keys()
        self._sampler.learn(trial, whole=whole)
        self._told.append(configuration)
        environment = isinstance(outcome, Interrupted) or (
            isinstance(outcome, Failed) and outcome.blame == "environment"
        )
        if environment and self._lost[digest] < _RETRIES:
            self._lost[digest] += 1
        else:
            self._tried.add(digest)

    def _drafts(self, number: int) -> Generator[Configuration]:
        """From the study's sampler; where that only finds what was tried, at random; at last, all that there is."""
        for source in (self._sampler, self._random):
            with closing(source.draw(number)) as drafts:
                yield from drafts
        number_of = size(self._space)
        if number_of is not None and number_of.count <= ENUMERABLE:
            yield from configurations(self._space)

    def _worth_trying(self, configuration: Configuration) -> bool:
        if not all(rule.holds(configuration.values) for rule in self._space.rules):
            return False
        name = configuration.digest
        if name not in self._verdicts:
            self._verdicts[name] = (self._digest(configuration), self._infeasible(configuration) is None)
        digest, can_run = self._verdicts[name]
        return can_run and digest not in self._tried and digest not in self._pending_digests()

    def _pending_digests(self) -> set[str]:
        return {self._digest(configuration) for configuration in self._proposed.values()}
