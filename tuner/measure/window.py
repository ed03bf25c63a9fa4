"""From the raw samples of one load window to numbers with confidence, and whether they can be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tuner.measure.errors import error_ratio, good_share, unchecked, wrong_answers
from tuner.measure.joined import join, starts_s
from tuner.measure.model import Usage, Window
from tuner.measure.samples import UNCHECKED, Samples, Status
from tuner.measure.status import errors
from tuner.measure.tokens import token_quantiles
from tuner.space.metrics import LATENCY_PERCENTILES
from tuner.space.model import Constraint
from tuner.statistics.model import BoolArray, Estimate, FloatArray, IntArray
from tuner.statistics.quantiles import MISS, estimate_quantiles
from tuner.statistics.steady import Truncation, truncate
from tuner.statistics.student import student_point
from tuner.units import format_rate, format_ratio, format_seconds

BINS = 10
"""Equal parts of a window whose backlog growth is compared."""
FIRST = 5
"""Answers at least that tell how long one takes without a backlog; else the first of the equal parts does."""
LOPSIDED = 1.25
"""A replica whose share is this many times its fair share, or one part in so many of it, is worth a warning."""

_PERCENTILES = dict(LATENCY_PERCENTILES)
_WHOLE = Truncation(cut=0, unsteady=False, wanted=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """When a window is no measurement."""

    lateness_ratio: float = 0.1
    """Most lateness of the generator, as a ratio of the latency at the same quantile (it is part of that latency)."""
    lateness_s: float = 1e-3
    """Lateness that is always forgiven: what an event loop and a kernel timer cost."""
    cpu_ratio: float = 0.9
    """Most of the time that the generator may run or wait for a CPU: above, it queues requests itself."""
    requests: int = 30
    """Fewest requests in the kept part."""
    changes: bool = False
    """The load changes on purpose: nothing is cut as warm-up, and no steadiness is asked for."""
    short: bool = False
    """The window holds few answers after one another, of a server that was warm before: the same. Of a few dozen
    latencies of a queue, a third of the windows look unsteady by chance."""


def to_judge(trust: Trust, slo: Sequence[Constraint]) -> Trust:
    """For a window whose verdict is all that is asked for: lateness is forgiven up to `lateness_ratio` of the tightest
    bound on a latency. That is what is forgiven at the bound anyway; farther below, lateness may lengthen a latency
    (which counts from the scheduled instant) without carrying it across."""
    tightest_s = min((one.bound for one in slo if one.metric in _PERCENTILES), default=0.0)
    return replace(trust, lateness_s=max(trust.lateness_s, trust.lateness_ratio * tightest_s))


def summarize(samples: Samples, trust: Trust = Trust(), *, more: Sequence[Samples] = (), miss: float = MISS) -> Window:
    """What one load window taught, or one and `more` of the same stage that followed it.

    The warm-up is cut by MSER-5 and what follows it (`tuner.statistics.steady`), in a window whose backlog does not
    grow. A request belongs to the kept part by its scheduled time, whenever it is answered: the achieved rate counts
    the good answers to what was due in it. Where the backlog grew, and in a closed loop, that would count answers that
    came after the load had ended, and make an overloaded server look able; there each counts by the share of its
    service that lies in the kept part, the service of a server being what its fastest answer took, just before the end.

    Latency quantiles are over good answers and over requests that timed out or were never sent; the latter count as
    slower than everything (right-censored), so that a server which drops slow requests looks slow, not fast. Requests
    that failed fast (refused, lost, wrong) carry no latency and count in the error ratio alone. A quantile that falls
    on a censored request is absent from `latency_s` and stands in `beyond_s`. Of streams both hold the times to the
    first token and between tokens, too (`tuner.measure.tokens`).

    The error ratio is that of `tuner.measure.errors`. The growth of the backlog is the mean over ten equal parts of the
    window of requests due minus requests ended, with Student's t interval; in a steady queue the parts' growths sum to
    nearly nothing (rate conservation). What is being served is no backlog: a request counts as ended as much earlier as
    the window's first answers took. Several windows each begin with no backlog: their growths are averaged part by
    part.

    `miss` is the probability with which each interval may miss the truth.
    """
    parts = (samples, *more)
    whole = join(parts)
    waits = np.concatenate([_waits(part) for part in parts])
    truncation = _WHOLE if trust.changes or trust.short else truncate(waits)
    backlog = _backlog_growth(parts, miss)
    overloaded = backlog is not None and backlog.low is not None and backlog.low > 0.0
    from_s = 0.0 if overloaded or truncation.cut == 0 else float(whole.scheduled_s[truncation.cut])
    kept = whole.scheduled_s >= from_s
    latency_s, beyond_s = _latency(whole, kept, waits, miss)
    cpu_ratio = whole.generator_cpu_ratio
    lateness = _lateness(whole, kept)
    share = _replica_share(whole, kept)
    late = _late(lateness, {**{name: each.value for name, each in latency_s.items()}, **beyond_s}, trust)
    busy = _busy(cpu_ratio, trust)
    suspended = _suspended(whole)
    few = _few(int(kept.sum()), trust)
    unsteady = () if overloaded else _unsteady(truncation, whole)
    return Window(
        offered_rps=whole.offered_rps,
        achieved_rps=_achieved(parts, from_s, keeps_up=not overloaded),
        latency_s=latency_s,
        error_ratio=error_ratio(whole, kept, miss),
        errors=errors(whole.status[kept]),
        requests=int(kept.sum()),
        warm_up_s=from_s,
        lateness_p99_s=_quantile(lateness, 0.99),
        generator_cpu_ratio=cpu_ratio,
        replica_share=share,
        beyond_s=beyond_s,
        backlog_rps=backlog,
        unchecked=unchecked(whole, kept),
        untrusted=(*suspended, *late, *busy, *few, *unsteady),
        generator_limited=bool(late or busy or suspended),
        warnings=(
            *_lopsided(share, whole, kept),
            *_resent(whole),
            *(_overload(backlog) if backlog and overloaded else ()),
            *wrong_answers(whole, kept),
        ),
    )


def _resent(samples: Samples) -> tuple[str, ...]:
    if not samples.resent:
        return ()
    times = "1 request was" if samples.resent == 1 else f"{samples.resent} requests were"
    return (f"{times} sent once more: the server had closed its idle connection before the request went out",)


def _waits(samples: Samples) -> FloatArray:
    """Seconds waited for each good or censored request, in the order scheduled."""
    waits, counted = samples.waits_s, samples.good | samples.censored
    # Requests that failed fast keep their place with the median, so that positions are rows.
    typical = float(np.median(waits[counted])) if counted.any() else 0.0
    return np.where(counted, waits, typical)


def _latency(
    samples: Samples, kept: BoolArray, waits: FloatArray, miss: float
) -> tuple[dict[str, Estimate], dict[str, float]]:
    good, censored = kept & samples.good, kept & samples.censored
    values = samples.censored_latency_s[good | censored]
    estimates = estimate_quantiles(values, tuple(_PERCENTILES.values()), miss)
    latency_s: dict[str, Estimate] = {}
    beyond_s: dict[str, float] = {}
    for name, level in _PERCENTILES.items():
        estimate = estimates.get(level)
        if estimate is None:
            continue
        if math.isinf(estimate.value):
            beyond_s[name] = float(waits[censored].min())
        else:
            latency_s[name] = estimate
    tokens_s, tokens_beyond_s = token_quantiles(samples, good, censored, waits, miss)
    return latency_s | tokens_s, beyond_s | tokens_beyond_s


def _achieved(parts: Sequence[Samples], from_s: float, *, keeps_up: bool) -> float:
    """Good answers a second over the kept part; the window of a closed loop may have ended a little late."""
    answers, seconds = 0.0, 0.0
    share = good_share(join(parts))
    for part, start in zip(parts, starts_s(parts), strict=True):
        begin = max(0.0, from_s - start)
        if begin < part.window_s:
            open_loop = part.offered_rps > 0.0
            weight = np.ones(len(part)) if part.checking is None else np.where(part.checking == UNCHECKED, share, 1.0)
            answers += (_due if keeps_up and open_loop else _served)(part, weight, begin)
            seconds += part.window_s - begin
    return answers / seconds if seconds > 0.0 else 0.0


def _due(part: Samples, weight: FloatArray, begin: float) -> float:
    """Good answers to what was due from `begin` on, whenever they came."""
    return float(weight[part.good & (part.scheduled_s >= begin)].sum())


def _served(part: Samples, weight: FloatArray, begin: float) -> float:
    """Good answers of a server that always had something to do, from `begin` to the window's end: of each the share of
    its service that lies there. Counting whole answers would err by all that a server has in hand at either end."""
    finished = part.finished_s[part.good]
    if not len(finished):
        return 0.0
    service = float(part.latency_s[part.good].min())
    if service <= 0.0:
        return float(weight[part.good][(finished >= begin) & (finished <= part.window_s)].sum())
    within = np.minimum(finished, part.window_s) - np.maximum(finished - service, begin)
    return float((weight[part.good] * np.clip(within / service, 0.0, 1.0)).sum())


def _backlog_growth(parts: Sequence[Samples], miss: float) -> Estimate | None:
    """Requests due less requests ended, a second; None for a closed loop, whose backlog cannot grow."""
    known = [part for part in parts if part.offered_rps > 0.0 and part.window_s > 0.0 and len(part) > 0]
    if not known:
        return None
    growth = np.sum([_growth(part) for part in known], axis=0)
    growth_rps = growth / (sum(part.window_s for part in known) / BINS)
    mean, error = float(growth_rps.mean()), float(growth_rps.std(ddof=1)) / math.sqrt(BINS)
    half = student_point(miss, BINS - 1) * error
    return Estimate(value=mean, low=mean - half, high=mean + half)


def _growth(part: Samples) -> IntArray:
    edges = np.linspace(0.0, part.window_s, BINS + 1)
    ended = ~part.censored & np.isfinite(part.finished_s)
    spent = part.latency_s[ended]
    began = part.finished_s[ended] - np.minimum(spent, _unloaded_s(part))
    growth: IntArray = np.histogram(part.scheduled_s, edges)[0] - np.histogram(began, edges)[0]
    return growth


def _unloaded_s(part: Samples) -> float:
    """What an answer took before a backlog could build up: the median of the first good ones; 0 where there is none."""
    good = part.latency_s[part.good]
    return float(np.median(good[: max(FIRST, len(good) // BINS)])) if len(good) else 0.0


def _lateness(samples: Samples, kept: BoolArray) -> FloatArray:
    """What the generator alone answers for, of every request it came to: how late it sent those that a connection was
    free for, and how late it found that there was none for the others. None in a closed loop."""
    if samples.offered_rps == 0.0:
        return np.zeros(0)
    late: FloatArray = samples.lateness_s[kept & np.isfinite(samples.lateness_s)]
    return late


def _quantile(values: FloatArray, level: float) -> float:
    return float(np.quantile(values, level)) if len(values) else 0.0


def _replica_share(samples: Samples, kept: BoolArray) -> tuple[float, ...]:
    answered = kept & samples.answered & (samples.replica >= 0)
    if not answered.any():
        return ()
    replicas = int(samples.replica.max()) + 1
    counts = np.bincount(samples.replica[answered], minlength=replicas)
    return tuple(float(count) for count in counts / counts.sum())


def _late(lateness: FloatArray, latency_s: Mapping[str, float], trust: Trust) -> tuple[str, ...]:
    reasons = []
    for name in ("latency_p50", "latency_p99"):
        if name not in latency_s:
            continue
        late, latency = _quantile(lateness, _PERCENTILES[name]), latency_s[name]
        if late > max(trust.lateness_s, trust.lateness_ratio * latency):
            quantile = name.removeprefix("latency_")
            reasons.append(
                f"the load generator was late: {quantile} of its lateness is {format_seconds(late)}, of the latency "
                f"{format_seconds(latency)}; lateness may be {format_ratio(trust.lateness_ratio)} of it "
                f"or {format_seconds(trust.lateness_s)}"
            )
    return tuple(reasons)


def _busy(cpu_ratio: float, trust: Trust) -> tuple[str, ...]:
    if cpu_ratio <= trust.cpu_ratio:
        return ()
    return (
        f"the load generator was at its limit: it ran or waited for a CPU in {format_ratio(cpu_ratio)} of the time, "
        f"more than {format_ratio(trust.cpu_ratio)}; lower the rate, or give it more CPUs",
    )


def _few(requests: int, trust: Trust) -> tuple[str, ...]:
    if requests >= trust.requests:
        return ()
    return (
        f"too few requests: {requests}, at least {trust.requests} are needed; lengthen the window or raise the rate",
    )


def _unsteady(truncation: Truncation, samples: Samples) -> tuple[str, ...]:
    if not truncation.unsteady:
        return ()
    return (
        f"the window of {format_seconds(samples.window_s)} was never steady: latencies changed so much that the "
        f"steady-state rule would cut {format_ratio(truncation.wanted)} of it; lengthen the window or the warm-up",
    )


def _suspended(samples: Samples) -> tuple[str, ...]:
    if samples.suspended_s <= 0.0:
        return ()
    return (
        f"the load generator was suspended for {format_seconds(samples.suspended_s)} of this window (stopped by a "
        "signal, or the machine slept): what was due meanwhile was not sent",
    )


def _lopsided(share: tuple[float, ...], samples: Samples, kept: BoolArray) -> tuple[str, ...]:
    """Shares that differ from an even spread by more than a quarter and by more than chance (3 standard errors)."""
    if len(share) < 2:
        return ()
    fair = 1.0 / len(share)
    chance = 3.0 * math.sqrt(fair * (1.0 - fair) / int(kept.sum()))
    if all(fair / LOPSIDED <= part <= fair * LOPSIDED or abs(part - fair) <= chance for part in share):
        return ()
    shares = ", ".join(format_ratio(part) for part in share)
    return (
        f"the replicas answered unequal shares of the requests: {shares}; even would be {format_ratio(fair)} each: "
        f"{_why_lopsided(share, samples, kept)}",
    )


def hidden_spread(window: Window, usage: Usage) -> tuple[str, ...]:
    """A warning for replicas behind one address: the CPU time they used alone tells how the requests were spread."""
    share = usage.cpu_share
    if len(window.replica_share) != 1 or len(share) < 2:
        return ()
    fair = 1.0 / len(share)
    if all(fair / LOPSIDED <= part <= fair * LOPSIDED for part in share):
        return ()
    shares = ", ".join(format_ratio(part) for part in share)
    return (
        f"the replicas used unequal shares of the CPU time: {shares}; even would be {format_ratio(fair)} each: behind "
        "one address each connection goes to a replica by chance and stays there; load from inside the cluster is spread",
    )


def _why_lopsided(share: tuple[float, ...], samples: Samples, kept: BoolArray) -> str:
    """What the samples tell of the reason; replicas count from 0, as in their logs."""
    least, most = int(np.argmin(share)), int(np.argmax(share))
    failed = np.isin(samples.status, (Status.CONNECT_FAILED, Status.CONNECTION_LOST, Status.TIMED_OUT))
    failures = int((kept & failed & (samples.replica == least)).sum())
    if failures > int((kept & failed & (samples.replica == most)).sum()):
        return f"replica {least} failed {failures} requests (no connection, or no answer)"
    slow, fast = (_service_s(samples, kept & (samples.replica == replica)) for replica in (least, most))
    if slow > LOPSIDED * fast:
        return (
            f"replica {least} takes {format_seconds(slow)} where replica {most} takes {format_seconds(fast)} (medians), "
            "so that its connections are busy longer"
        )
    if samples.connections % len(share):
        return f"{samples.connections} connections cannot be divided evenly among {len(share)} replicas"
    return "the answers do not tell why"


def _service_s(samples: Samples, rows: BoolArray) -> float:
    """Median time from send to answer; 0 where none was answered."""
    spent = (samples.finished_s - samples.sent_s)[rows & samples.good]
    return _quantile(spent, 0.5)


def _overload(backlog: Estimate) -> tuple[str, ...]:
    return (
        f"the backlog grew by {format_rate(backlog.value)} throughout: "
        "latencies depend on how long the window was, and no warm-up was cut",
    )
