"""What to try next: by the model or one of Optuna's samplers, kept from trying anything twice or for nothing.

A sampler draws in memory (`tuner.study.samplers`); Optuna's store gets each trial when it is finished, in one
transaction. So there is no half-made trial in it after a crash, trials have the same numbers there as in the journal,
and the store can be made anew from the journal at any time.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import cached_property

from tuner.manifests.model import Rendered
from tuner.search.candidates import Candidates
from tuner.search.costs import Demand
from tuner.search.model import Observation, Outlook
from tuner.space.model import Configuration, SearchSpace
from tuner.study.model import Proposal, Summary
from tuner.study.modelled import Modelled
from tuner.study.names import AUTO
from tuner.study.observed import observation
from tuner.study.optuna_trial import at, finished, lost
from tuner.study.samplers import sampler
from tuner.study.store import Store
from tuner.trials.model import Attempt, Outcome, Purpose, StudyStart, Trial

_RETRIES = 1
"""A configuration that failed by the environment's fault may be proposed so many times more."""


class SamplingAdvisor:
    """Proposes configurations by the model or a named sampler (see `tuner.study.model.Advisor`), and keeps Optuna's store."""

    def __init__(
        self,
        *,
        start: StudyStart,
        space: SearchSpace,
        baseline: Configuration,
        render: Callable[[Configuration], Rendered],
        infeasible: Callable[[Rendered], str | None],
        known: Sequence[Configuration] = (),
        observed: Callable[[], Sequence[Observation]] | None = None,
        demand: Callable[[Configuration], Demand] | None = None,
        impossible: Callable[[Configuration], str | None] | None = None,
    ) -> None:
        """`infeasible` says why what was rendered could never run here; None: it can. `known` are tried before the
        sampler is asked, whichever it is.

        `impossible` says the same of a configuration, where that can be known before it is rendered.

        For `auto`: `observed` tells all that was observed so far; None: what this advisor was told. `demand`: see
        `Modelled`.

        Raises InputError for a sampler that cannot be used, StoreFailure when Optuna's store cannot be opened.
        """
        self._space = space
        self._baseline = baseline
        self._render = render
        self._infeasible = infeasible
        self._impossible = impossible or (lambda _: None)
        self._known = known
        self._observed = observed
        self._seed = start.seed
        self._modelled = (
            Modelled(space, start.seed, self._observations, demand, impossible) if start.sampler == AUTO else None
        )
        self._sampler = self._modelled or sampler(start.sampler, space, start.seed)
        self._store = Store.open(start)
        self._told: list[Configuration] = []
        self._seen: list[Observation] = []
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

    def outlook(self, trials: int) -> Outlook | None:
        """What so many more trials would probably bring; None: Optuna's samplers, or too few trials, cannot tell."""
        return None if self._modelled is None else self._modelled.outlook(trials)

    def tell(self, number: int, outcome: Outcome, started_at: datetime | None = None, duration_s: float = 0.0) -> None:
        """Raises KeyError for a number that was not proposed or is not the next to be told, StoreFailure."""
        if number != len(self._told):
            raise KeyError(f"trial {number} cannot be told: the next to be told is {len(self._told)}")
        proposal = self._proposed.pop(number)
        self._learn(proposal.configuration, proposal.rendered.digest, outcome, started_at, duration_s)

    def conclude(self, summary: Summary) -> None:
        """Bring Optuna's store to what the study found in the end. Raises StoreFailure."""
        self._store.conclude(self._space, summary)

    def restore(self, trials: Sequence[Trial], pending: Sequence[Attempt] = ()) -> tuple[Proposal, ...]:
        """Take up a study where its journal ends; what is `pending` was proposed, but is not finished: it is proposed
        again, with the numbers that it had.

        The store is brought to what the journal says. Raises StoreFailure.
        """
        for trial in trials:
            self._learn(trial.configuration, trial.manifest_digest, trial.outcome, trial.started_at, trial.duration_s)
        self._store.cut(len(self._told))
        return tuple(self._propose(one.purpose, one.configuration, self._render(one.configuration)) for one in pending)

    def left_out(self) -> Mapping[str, int]:
        """How many valid configurations are not tried, by why; empty for samplers that do not foresee it."""
        return {} if self._modelled is None else self._modelled.left_out()

    @property
    def _next(self) -> int:
        return len(self._told) + len(self._proposed)

    def _propose(self, purpose: Purpose, configuration: Configuration, rendered: Rendered) -> Proposal:
        number = self._next
        self._proposed[number] = Proposal(
            number=number, purpose=purpose, configuration=configuration, rendered=rendered
        )
        return self._proposed[number]

    def _learn(
        self,
        configuration: Configuration,
        digest: str,
        outcome: Outcome,
        started_at: datetime | None,
        duration_s: float,
    ) -> None:
        trial = finished(self._space, configuration, digest, outcome)
        self._store.put(len(self._told), trial if started_at is None else at(trial, started_at, duration_s))
        self._sampler.learn(configuration, trial)
        self._told.append(configuration)
        if (seen := observation(configuration, outcome)) is not None:
            self._seen.append(seen)
        if lost(outcome) and self._lost[digest] < _RETRIES:
            self._lost[digest] += 1
        else:
            self._tried.add(digest)

    def _observations(self) -> tuple[Observation, ...]:
        """What was observed, and what is under way: nobody knows yet how that ends."""
        seen = tuple(self._seen if self._observed is None else self._observed())
        latest_s = max((one.at_s for one in seen if not one.source), default=0.0)
        known = {one.configuration.digest for one in seen if not one.source}
        proposed = (self._proposed[number].configuration for number in sorted(self._proposed))
        under_way = [one for one in proposed if one.digest not in known]
        return (*seen, *(Observation(configuration=one, lived=None, at_s=latest_s) for one in under_way))

    def _drafts(self, number: int) -> Generator[Configuration]:
        """Those known; then from the study's sampler. Where one of Optuna's only finds what was tried, at random; at
        last, all that there is, in an order of the seed's. The model leaves out nothing but what is not worth a trial."""
        yield from self._known
        with closing(self._sampler.draw(number)) as drafts:
            yield from drafts
        if self._modelled is not None:
            return
        with closing(sampler("random", self._space, self._seed).draw(number)) as drafts:
            yield from drafts
        yield from self._all

    @cached_property
    def _all(self) -> Sequence[Configuration]:
        listed = list(Candidates(self._space, self._seed).listed)
        random.Random(self._seed).shuffle(listed)  # noqa: S311
        return listed

    def _worth_trying(self, configuration: Configuration) -> Rendered | None:
        """What it renders to; None: it breaks a rule, can never run here, or is tried already."""
        if not all(rule.holds(configuration.values) for rule in self._space.rules):
            return None
        if self._impossible(configuration) is not None:
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
