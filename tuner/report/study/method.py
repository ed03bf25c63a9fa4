"""How it was measured, where, and how to do it again: what a reader needs to object."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from tuner.report.provenance import node_text
from tuner.report.study.found import Found, counted, name, word
from tuner.report.study.verdict import constraint_text, noise_text
from tuner.space.model import Choices, Parameter, SearchSpace
from tuner.trials.model import StudyStart, measured
from tuner.units import format_money, format_rate, format_ratio, format_seconds
from tuner.uri import masked
from tuner.workload.arrivals import described
from tuner.workload.model import WorkloadSpec


def how(found: Found) -> dict[str, str]:
    """The load, the rules, and how much of it there was; what is not known is absent."""
    summary = found.summary
    start = summary.start
    told: dict[str, str | None] = {
        "aims": " and ".join(f"{one.direction} {name(one.metric)}" for one in start.objectives),
        "SLO": " and ".join(constraint_text(found, one) for one in start.slo) or "none",
        "common rate": None if summary.rate_rps is None else f"{format_rate(summary.rate_rps)}: latencies are of it",
    }
    if found.space is not None:
        told |= _load(found.space.workload)
    windows = [measured(trial) for trial in summary.trials]
    known = [one for one in windows if one is not None]
    requests = sum(window.requests for one in known for window in one.curve)
    if known:
        lateness = max(one.at_rate.lateness_p99_s for one in known)
        told |= {
            "load from": ", ".join(dict.fromkeys(one.load_from for one in known)),
            "requests": f"{requests:,} in {sum(len(one.curve) for one in known):,} windows that could be trusted"
            if requests
            else None,
            "load generator": f"late by {format_seconds(lateness)} at most (99th percentile of a window), its CPU at most "
            f"{format_ratio(max(one.at_rate.generator_cpu_ratio for one in known))} busy"
            if requests
            else None,
        }
    told |= {
        "trials": f"{counted(len(summary.trials), 'trial')}: "
        + ", ".join(f"{count} {purpose}" for purpose, count in _purposes(found).items()),
        "proposed by": f"{start.sampler}, seed {start.seed}",
        "budget": _budget(start, found.currency),
        "ended": summary.ended_because,
        "noise": noise_text(found),
        "throughput": "the highest offered rate that meets the SLO, searched for in windows of an open loop",
        "intervals": "95 %: of one start from its window; of several the range over all starts and their intervals",
    }
    return {key: value for key, value in told.items() if value}


def objections(found: Found) -> Iterator[str]:
    """What speaks against the figures of the choice and of the baseline, as far as the study knows it."""
    looked = [number for number in (found.chosen, found.baseline) if number is not None]
    digests = {found.trials[number].manifest_digest for number in looked}
    for number in looked:
        starts = found.candidates[number].replicates
        if starts == 1:
            yield f"Trial {number} was measured in one start only: how far starts of it differ is not known."
    said: dict[str, list[int]] = {}
    for trial in found.summary.trials:
        measurement = trial.measurement
        if measurement is None or trial.manifest_digest not in digests:
            continue
        for sentence in (
            *(f"not enforced: {one}" for one in measurement.not_enforced),
            *measurement.warnings,
            *(f"admission: {one}" for one in measurement.admitted),
            *([f"disturbed: {measurement.disturbance}"] if measurement.disturbance else []),
        ):
            said.setdefault(sentence, []).append(trial.number)
    for sentence, numbers in said.items():
        yield f"{sentence} (trial{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))})"
    if found.summary.start.backend == "replay":
        yield "Nothing was run for this study: what was measured before was told again."
    if found.summary.start.load == "here" and found.summary.start.backend == "process":
        yield "The load came from the machine that served it, on CPUs set apart as far as there were any."


def where(found: Found) -> dict[str, str]:
    """Machine, cluster, images, and the names by which it is found again."""
    start = found.summary.start
    known = [one for trial in found.summary.trials if (one := measured(trial)) is not None]
    images = dict.fromkeys(image for one in known for image in one.images)
    nodes = dict.fromkeys(node_text(node).partition(", others")[0] for one in known for node in one.nodes)
    told: Mapping[str, str | None] = {
        "backend": start.backend,
        **start.machine,
        "cluster": start.context,
        "namespace": start.namespace,
        "images": "; ".join(images),
        "nodes": "; ".join(nodes),
        "replayed": start.table,
        "began": start.started_at,
        "study": f"{start.name} ({start.study_id}), inputs {start.input_digest}, tuner {start.tuner_version}",
    }
    return {key: value for key, value in told.items() if value}


def offered(space: SearchSpace | None) -> list[list[str]]:
    """A knob a row: what was offered, and where it is set."""
    return [] if space is None else [[one.name, _domain(one), ", ".join(one.targets)] for one in space.parameters]


def commands(found: Found) -> str:
    """To measure it again, and to take the manifest, line by line."""
    start = found.summary.start
    words = ["tune", "run", start.space_file, "--backend", start.backend]
    options = (
        ("--table", start.table),
        ("--namespace", start.namespace),
        ("--context", start.context),
        ("--trials", start.budget.trials),
        ("--time", None if start.budget.time_s is None else f"{start.budget.time_s:g}s"),
        ("--cost", None if start.budget.cost is None else format_money(start.budget.cost, found.currency)),
        ("--confirm", start.budget.confirm),
        ("--sampler", start.sampler),
        ("--seed", start.seed),
        ("--pick", start.pick),
    )
    for option, value in options:
        if value is not None:
            words += [option, str(value)]
    lines = [shlex.join(map(masked, words))]
    if found.chosen is not None:
        lines.append(shlex.join(["tune", "export", found.folder.called, "-o", "best.yaml"]))
    return "\n".join(lines)


def _load(workload: WorkloadSpec) -> dict[str, str | None]:
    window = format_seconds(workload.duration_s)
    return {
        "protocol": workload.protocol,
        "requests sent": ", ".join(source.path.name for source in workload.requests if source.path.name != "null")
        or None,
        "arrivals": f"{described(workload)}, {workload.connections} connections, time-out {format_seconds(workload.timeout_s)}",
        "windows": (
            f"{window if workload.most_s is None else f'{window} to {format_seconds(workload.most_s)}'} at the common rate, "
            f"{format_seconds(workload.step_s)} a step of the search for the throughput, after a warm-up of "
            f"{format_seconds(workload.warm_up_s)} and what the steady-state rule cuts; longer where answers are slow"
        ),
    }


def _purposes(found: Found) -> dict[str, int]:
    words = {
        "baseline": "of the baseline",
        "search": "of the search",
        "confirm": "fresh starts of the best",
        "again": "measured again",
        "reference": "references of the machine's speed",
    }
    counts: dict[str, int] = {}
    for trial in found.summary.trials:
        counts[words[trial.purpose]] = counts.get(words[trial.purpose], 0) + 1
    return counts


def _budget(start: StudyStart, currency: str) -> str:
    budget = start.budget
    parts = (
        None if budget.trials is None else f"{budget.trials} trials",
        None if budget.time_s is None else format_seconds(budget.time_s),
        None if budget.cost is None else format_money(budget.cost, currency),
        None if budget.gain is None else f"until ten more bring less than {format_ratio(budget.gain)}",
        f"then {budget.confirm} fresh starts of the best" if budget.confirm else "no fresh starts after it",
    )
    return ", ".join(part for part in parts if part)


def _domain(parameter: Parameter) -> str:
    domain = parameter.domain
    if isinstance(domain, Choices):
        text = ", ".join(map(word, domain.values))
    else:
        text = f"{domain.low:g} to {domain.high:g}"
        text += f", step {domain.step:g}" if domain.step not in (None, 1) else ""
        text += ", logarithmic" if domain.log else ""
    if parameter.when is not None:
        text += f" (where {parameter.when.parameter} is {' or '.join(map(word, parameter.when.values))})"
    return text
