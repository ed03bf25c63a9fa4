"""When the search ends, and the race after it: by trials, time, money, or no more to gain. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from tuner.search.model import Outlook
from tuner.space.model import Budget, Configuration
from tuner.trials.model import Trial
from tuner.units import format_gain, format_money, format_seconds

Price = Callable[[Configuration], float]
"""What an hour of what a configuration requests is charged."""

AHEAD = 10
"""So many trials one looks ahead."""
_MOST_RESERVED = 1 / 3
"""Of the time and of the money at most this share is kept for the race."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a study has used up so far, and what one more trial takes."""

    trials: int
    """Those that count against the budget."""
    time_s: float
    cost: float | None = None
    """What was requested, times how long; None: no price is known."""
    currency: str = "USD"
    usual_s: float | None = None
    """None: no trial was run yet."""
    usual_cost: float | None = None
    under_way: int = 0
    """Trials that were begun, and will count when they end."""


def spent(trials: Sequence[Trial], time_s: float, price: Price | None, currency: str) -> Spent:
    """`price` is that of an hour of what a configuration requests; None: no price is known."""
    usual = [trial for trial in trials if trial.searched] or trials
    costs = None if price is None else [price(trial.configuration) * trial.duration_s / 3600.0 for trial in trials]
    return Spent(
        trials=sum(trial.searched for trial in trials),
        time_s=time_s,
        cost=None if costs is None else sum(costs),
        currency=currency,
        usual_s=median(trial.duration_s for trial in usual) if usual else None,
        usual_cost=median(costs) if costs else None,
    )


def search_over(
    budget: Budget, so_far: Spent, outlook: Outlook | None = None, *, lacks_baseline: bool = False
) -> str | None:
    """Why no further trial of the search is begun; None: it goes on.

    One more trial has to fit, give or take half of it, and the race after it: as many starts as the choice and the
    baseline need. `outlook` None: nobody can tell what further trials would bring. `lacks_baseline`: the environment lost
    it, and to measure it again counts against no number of trials.
    """
    if budget.trials is not None and so_far.trials + so_far.under_way >= budget.trials and not lacks_baseline:
        return f"all {budget.trials} trials were run"
    if (over := _used_up(budget, so_far, starts=2 * budget.confirm)) is not None:
        return over
    if budget.gain is not None and outlook is not None and outlook.most < budget.gain:
        return (
            f"there is no more to gain: {outlook.trials} more trials would bring less than {format_gain(budget.gain)}, even "
            "with luck"
        )
    return None


def race_over(budget: Budget, so_far: Spent) -> str | None:
    """Why nothing more is started in the race; None: the budget allows it."""
    return _used_up(budget, so_far, starts=0)


def _used_up(budget: Budget, so_far: Spent, *, starts: int) -> str | None:
    """The first trial is always run."""
    if budget.time_s is not None and so_far.usual_s is not None:
        reserve_s = min(starts * so_far.usual_s, _MOST_RESERVED * budget.time_s)
        if so_far.time_s + so_far.usual_s / 2 + reserve_s > budget.time_s:
            return f"the time of {format_seconds(budget.time_s)} is used up"
    if budget.cost is not None and so_far.cost is not None and so_far.usual_cost is not None:
        reserve = min(starts * so_far.usual_cost, _MOST_RESERVED * budget.cost)
        begun = so_far.under_way * so_far.usual_cost
        if so_far.cost + begun + so_far.usual_cost / 2 + reserve > budget.cost:
            return f"the money of {format_money(budget.cost, so_far.currency)} is used up"
    return None
