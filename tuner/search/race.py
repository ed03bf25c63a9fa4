"""The race of the finalists: which configuration is started once more, and when the first place is certain.

A search picks the luckiest run and goes to the edge of the SLO, so that what looked best is worth less than it looked.
Here the leaders by what is believed (`tuner.search.standings`) are started again until one is the best with enough
probability, or as good as the best for all that matters: selection of the best with a linear loss (Chick & Inoue, *New
two-stage and sequential procedures for selecting the best simulated system*, Operations Research 49(5), 2001), the
field thinned out as in successive rejects (Audibert, Bubeck & Munos, *Best arm identification in multi-armed bandits*,
COLT 2010).

Pure: what comes next depends on what was measured alone, so that a race goes on after an interruption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from tuner.search.restarts import Noise, is_exact
from tuner.search.standings import Aim, Contender, Standing, meets, noises, standings

SURE = 0.90
"""What is chosen meets the SLO with this probability at least, by its fresh starts."""
MATTERS = 0.02
"""What is better by less (2 %, or 0.02 of the way from the ideal to the worst of the front) is not worth its price."""
ENOUGH = 2
"""From so many fresh starts on, their posterior tells whether the SLO is met."""
ROUNDS = 4
"""A race has at most so many starts for each that is wanted of what is chosen, those of the baseline among them."""

_EXTRA_ROUNDS = 6
"""As `ROUNDS`, while nobody has earned the first place."""
_CERTAIN = 0.90
"""First place is certain with this probability of being the best."""
_SMALL_LOSS = 0.01
"""It is as good as certain where the others could be better by no more than this, on the average."""
_OUT = 0.05
"""A configuration that is less probably the best is not started again."""
_FALLEN = 0.30
"""One that less probably meets the SLO has fallen."""
_SAFE = 0.80
"""Where nobody has earned the first place, one that meets the SLO with this probability is preferred."""
_OPEN = 0.20
"""A configuration that is the best with this probability, or more, was not told apart from the first."""
_FIELD = 4
"""So many race beside each other at most."""
_PATIENCE = 2
"""A configuration is started at most so often for each start that is wanted of what is chosen."""
_NAMED = 3
"""So many equals are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What the race comes to next."""

    start: int | None
    """The trial to start once more; None: the race is over."""
    chosen: int | None = None
    """When it is over; None: nobody may be chosen."""
    equals: tuple[int, ...] = ()
    """Others that could not be told from it, or that differ by nothing that matters; cheapest first."""
    why: str = ""
    """When it is over, why."""
    fallen: tuple[int, ...] = ()
    """Those that were started again and did not meet the SLO surely enough."""


@dataclass(frozen=True, slots=True)
class _Race:
    """The contenders at one moment, the most probable choice first."""

    aim: Aim
    by_number: Mapping[int, Contender]
    table: Sequence[Standing]
    fallen: tuple[int, ...]
    wanted: int

    def has_earned(self, one: Standing) -> bool:
        measured = _measured(self.by_number[one.trial])
        return measured >= self.wanted and (measured < ENOUGH or one.meets >= SURE)

    def decided(self) -> str | None:
        """Why the leader's place is certain; None: it is not."""
        leader = self.first()
        if leader is None or not self._is_alike(self.table[0], leader):
            return None
        if leader.best >= _CERTAIN:
            return f"it is the best with a probability of {_percent(leader.best)}"
        if leader.loss <= _SMALL_LOSS:
            return f"the others could be better by no more than {_percent(leader.loss)} on the average"
        return None

    def next(self, baseline: int | None, left: int) -> int | None:
        """Whose turn it is, the baseline before them; None: further starts would tell no more.

        Whoever promises the most for each start that is still to be paid before it may be chosen. The baseline, which
        is started beside the others, has a turn of its own where nobody else is before it.
        """
        first = self.first()
        promises: dict[int, float] = {}
        for one in self.table:
            missing = max(1, self.wanted - self.by_number[one.trial].starts)
            if one is first or (first is not None and missing + self._due(baseline) > left):
                continue
            if one.trial == baseline and one is not self.table[0] and first is None:
                continue
            promise = one.meets * max(0.0, 1.0 - one.loss) if first is None else one.gain(first)
            promises[one.trial] = promise / missing
        turn = max(promises, key=lambda trial: promises[trial], default=None)
        if turn is None or promises[turn] <= 0.0:
            return None
        enough = min(self.by_number[turn].starts + 1, self.wanted)
        return baseline if baseline is not None and self.by_number[baseline].starts < enough else turn

    def _due(self, baseline: int | None) -> int:
        """The starts that the baseline still has."""
        return 0 if baseline is None else max(0, self.wanted - self.by_number[baseline].starts)

    def first(self) -> Standing | None:
        """The most probable choice of those that may be chosen; None: there is none yet."""
        return next((one for one in self.table if self.has_earned(one)), None)

    def safest(self) -> Standing:
        """Whom to choose where nobody has earned it."""
        safe = [one for one in self.table if one.meets >= _SAFE and one.best > 0.0]
        return safe[0] if safe else max(self.table, key=lambda one: one.meets)

    def over(self, why: str) -> Step:
        """The cheapest of those that are equal to the first for all that matters; and who they are."""
        earned = [one for one in self.table if self.has_earned(one)]
        first = earned[0] if earned else self.safest()
        alike = [one for one in earned if self._is_alike(one, first)] or [first]
        chosen = min(alike, key=lambda one: (self._price(one), -one.best))
        others = [
            one
            for one in self.table
            if one is not chosen
            and (one.best >= _OPEN or (one.loss - first.loss <= MATTERS and self.by_number[one.trial].fresh))
            and one.meets >= _SAFE
        ]
        equals = sorted(others[:_NAMED], key=lambda one: (self._price(one), -one.best))
        return Step(
            start=None,
            chosen=chosen.trial,
            equals=tuple(one.trial for one in equals),
            why=why,
            fallen=self.fallen,
        )

    def _is_alike(self, one: Standing, first: Standing) -> bool:
        """As good in all that is aimed at but the price: not merely as good a compromise."""
        if one.loss - first.loss > MATTERS:
            return False
        for objective in self.aim.objectives:
            if not is_exact(objective.metric):
                values = [fmean(self.by_number[each.trial].values(objective.metric)) for each in (one, first)]
                if max(values) > min(values) * (1.0 + MATTERS):
                    return False
        return True

    def _price(self, one: Standing) -> float:
        """Free where no price is known: it is known of all, or of none."""
        return min(self.by_number[one.trial].values("cost"), default=0.0)


def step(
    contenders: Sequence[Contender], aim: Aim, *, baseline: int | None, wanted: int, used: int, spent: str | None = None
) -> Step:
    """The next start, or the end of the race.

    `wanted`: the fresh starts of what is chosen, at least 1. `used`: the starts that this race had. `baseline` is
    started as often as is wanted, each time before the others, so that a drift of the machine strikes all alike; None:
    it was not measured. `spent` says why nothing more may be started; None: the budget allows it.
    """
    scatter = noises(contenders, aim)
    fallen = tuple(one.trial for one in contenders if one.starts and _has_fallen(one, aim, scatter, wanted))
    alive = [one for one in contenders if one.sound and one.trial not in fallen]
    table = standings(alive, aim, scatter)
    if not table:
        return Step(start=None, why="no configuration that meets the SLO is left", fallen=fallen)
    race = _Race(aim, {one.trial: one for one in contenders}, table, fallen, wanted)
    why = race.decided() or spent
    if why is None and used >= ROUNDS * wanted and (race.first() or used >= _EXTRA_ROUNDS * wanted):
        why = f"its {used} starts are used up"
    if why is not None:
        return race.over(why)
    turn = race.next(baseline, ROUNDS * wanted - used)
    return race.over("further starts would tell no more") if turn is None else Step(start=turn, fallen=fallen)


def _has_fallen(one: Contender, aim: Aim, scatter: Mapping[str, Noise], wanted: int) -> bool:
    if not one.sound:
        return True
    measured = _measured(one)
    if measured == 0:
        return False
    sure = meets(one, aim, scatter)
    if measured < ENOUGH:
        return measured >= wanted and sure < 0.5
    return sure < _FALLEN or (one.starts >= _PATIENCE * wanted and sure < SURE)


def _measured(one: Contender) -> int:
    """How many of its fresh starts were measured."""
    return max(map(len, one.fresh.values()), default=0)


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %" if share < 0.995 else "over 99 %"
