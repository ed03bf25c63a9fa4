"""What to try next: Optuna's samplers, kept from trying anything twice or for nothing.

A sampler draws in memory (`tuner.study.samplers`); Optuna's store gets each trial when it is finished, in one
transaction. So there is no half-made trial in it after a crash, trials have the same numbers there as in the journal,
and the store can be made anew from the journal at any time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing

from tuner.manifests.model import Rendered
from tuner.space.model import Configuration, SearchSpace
from tuner.space.size import configurations, size
from tuner.study.model import Proposal
from tuner.study.optuna_trial import finished, in_domain, lost
from tuner.study.samplers import ENUMERABLE, sampler
from tuner.study.store import Store
from tuner.trials.model import Attempt, Outcome, Purpose, StudyStart, Trial

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
        render: Callable[[Configuration], Rendered],
        infeasible: Callable[[Rendered], str | None],
        known: Sequence[Configuration] = (),
    ) -> None:
        """`infeasible` says why what was rendered could never run here; None: it can. `known` are tried before the
        sampler is asked, whichever it is.

        Raises InputError for a sampler that cannot be used, StoreFailure when Optuna's store cannot be opened.
        """
        self._space = space
        self._baseline = baseline
        self._render = render
        self._infeasible = infeasible
        self._known = known
        self._sampler = sampler(start.sampler, space, start.seed)
        self._random = sampler("random", space, start.seed)
        self._store = Store.open(start)
        self._told: list[Configuration] = []
        self._proposed: dict[int, Proposal] = {}
        self._tried: set[str] = set()
        self._lost: Counter[str] = Counter()
        self._manifests: dict[str, str | None] = {}
        """By the digest of a configuration that of its manifest; None: it can never run here."""

    def ask(self) -> Proposal | None:
        """Trial 0 is the baseline; then what the sampler draws. None: nothing untried is left, or can be found."""
        number = self._next
        if number == 0:
            return self._propose("baseline", self._baseline, self._render(self._baseline))
        with closing(self._drafts(number)) as drafts:
            found = next(((draft, rendered) for draft in drafts if (rendered := self._worth_trying(draft))), None)
        return None if found is None else self._propose("search", *found)

    def repeat(self, number: int, purpose: Purpose = "confirm") -> Proposal:
        """Trial `number` once more, as a trial of its own. Raises IndexError for one that was not told."""
        return self._propose(purpose, self._told[number], self._render(self._told[number]))

    def tell(self, number: int, outcome: Outcome) -> None:
        """Raises KeyError for a number that was not proposed or is not the next to be told, StoreFailure."""
        if number != len(self._told):
            raise KeyError(f"trial {number} cannot be told: the next to be told is {len(self._told)}")
        proposal = self._proposed.pop(number)
        self._learn(proposal.configuration, proposal.rendered.digest, outcome)

    def restore(self, trials: Sequence[Trial], pending: Attempt | None = None) -> Proposal | None:
        """Take up a study where its journal ends; `pending` was proposed, but not finished: it is proposed again.

        The store is brought to what the journal says. Raises StoreFailure.
        """
        for trial in trials:
            self._learn(trial.configuration, trial.manifest_digest, trial.outcome)
        self._store.cut(len(self._told))
        if pending is None:
            return None
        return self._propose(pending.purpose, pending.configuration, self._render(pending.configuration))

    @property
    def _next(self) -> int:
        return len(self._told) + len(self._proposed)

    def _propose(self, purpose: Purpose, configuration: Configuration, rendered: Rendered) -> Proposal:
        number = self._next
        self._proposed[number] = Proposal(
            number=number, purpose=purpose, configuration=configuration, rendered=rendered
        )
        return self._proposed[number]

    def _learn(self, configuration: Configuration, digest: str, outcome: Outcome) -> None:
        trial = finished(self._space, configuration, digest, outcome)
        self._store.put(len(self._told), trial)
        whole = in_domain(self._space, configuration).keys() == configuration.values.keys()
        self._sampler.learn(trial, whole=whole)
        self._told.append(configuration)
        if lost(outcome) and self._lost[digest] < _RETRIES:
            self._lost[digest] += 1
        else:
            self._tried.add(digest)

    def _drafts(self, number: int) -> Generator[Configuration]:
        """Those known; then from the study's sampler; where that only finds what was tried, at random; at last, all
        that there is."""
        yield from self._known
        for source in (self._sampler, self._random):
            with closing(source.draw(number)) as drafts:
                yield from drafts
        number_of = size(self._space)
        if number_of is not None and number_of.count <= ENUMERABLE:
            yield from configurations(self._space)

    def _worth_trying(self, configuration: Configuration) -> Rendered | None:
        """What it renders to; None: it breaks a rule, can never run here, or is tried already."""
        if not all(rule.holds(configuration.values) for rule in self._space.rules):
            return None
        name, rendered = configuration.digest, None
        if name not in self._manifests:
            rendered = self._render(configuration)
            self._manifests[name] = rendered.digest if self._infeasible(rendered) is None else None
        digest = self._manifests[name]
        pending = {proposal.rendered.digest for proposal in self._proposed.values()}
        if digest is None or digest in self._tried | pending:
            return None
        return rendered or self._render(configuration)
