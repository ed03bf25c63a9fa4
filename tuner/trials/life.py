"""One trial's life: deploy, wait until ready, verify, warm up, measure, take down.

Whatever happens to the configuration ends as an `Outcome`; only an interrupt, and failures of the study's own files,
leave as exceptions. The deployment is gone when `run` returns or raises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

from tuner.backends.model import (
    Admitted,
    Backend,
    Deployment,
    HoldsMeasurements,
    NamesImages,
    NamesNodes,
    Running,
    TellsAdmitted,
)
from tuner.errors import BackendFailure, GeneratorFailure, TrialFailure
from tuner.files import write
from tuner.manifests.model import PodSet
from tuner.manifests.pods import pods as pods_of
from tuner.measure.common_rate import derive
from tuner.measure.cost import cost_per_hour, cost_per_million
from tuner.measure.model import Measurement, Usage, Window
from tuner.measure.pace import Pace
from tuner.measure.slo import judge, judge_measurement, unjudged
from tuner.printable import last_bytes, printable
from tuner.space.model import SearchSpace
from tuner.statistics.model import Estimate
from tuner.trials.caveats import caveats
from tuner.trials.clock import Clock
from tuner.trials.folder import StudyFolder
from tuner.trials.load_windows import LoadWindows
from tuner.trials.lookout import Allowance, Untrusted, lookout
from tuner.trials.model import Failed, Infeasible, Measured, Outcome, Proposal, Purpose, Referenced, Stopped, Trial
from tuner.trials.quiet import Quiet
from tuner.trials.replayed import replayed
from tuner.trials.resources import requested
from tuner.trials.serving import LOG_LINES, Served, StartGenerator, deployed
from tuner.trials.traffic import Traffic
from tuner.units import format_seconds

_OTHERS_DOING = frozenset({"NodeLost", "Removed", "NotMade"})
"""Kinds of failure that say nothing about the configuration."""
_LOG_BYTES = 1024 * 1024
"""So much of a server's output is kept, whatever its lines are."""


class _Stopwatch:
    """Adds up the time spent in what a trial is for; the rest of its duration is overhead."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None
        self.spent_s = 0.0

    def start(self) -> None:
        self._since = self._clock.now()

    def stop(self) -> None:
        if self._since is not None:
            self.spent_s += self._clock.now() - self._since
            self._since = None

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


@dataclass(slots=True, kw_only=True)
class TrialRunner:
    """Runs the trials of one study, one after the other."""

    space: SearchSpace
    backend: Backend
    generator: StartGenerator
    traffic: Traffic
    folder: StudyFolder
    study_id: str
    clock: Clock
    quiet: Quiet
    on_stage: Callable[[int, str], None]
    on_rate: Callable[[float], None]
    rate_rps: float | None
    """The common rate; None: the first trial derives it, and `on_rate` is told."""
    allowance: Allowance | None = None
    """What windows may take that are measured again because they were disturbed; None: they are accepted."""

    def run(self, proposal: Proposal) -> Trial:
        """Run one trial to its outcome."""
        started_at = self.clock.date()
        begin = self.clock.now()
        watch = _Stopwatch(self.clock)
        number, rendered = proposal.number, proposal.rendered
        write(self.folder.manifest(number), rendered.text.encode(), private=True)
        pods = pods_of(self.space, rendered)
        outcome = self._outcome(
            Deployment(study=self.study_id, trial=number, rendered=rendered, pods=pods, study_name=self.folder.name),
            proposal.purpose,
            watch,
        )
        duration_s = self.clock.now() - begin
        return Trial(
            number=number,
            purpose=proposal.purpose,
            configuration=proposal.configuration,
            manifest_digest=rendered.digest,
            outcome=outcome,
            started_at=started_at,
            duration_s=duration_s,
            overhead_s=max(0.0, duration_s - watch.spent_s),
        )

    def _outcome(self, deployment: Deployment, purpose: Purpose, watch: _Stopwatch) -> Outcome:
        reason = self.backend.infeasible(deployment.pods)
        if reason is not None:
            return Infeasible(reason=reason)
        try:
            if isinstance(self.backend, HoldsMeasurements):
                return self._replayed(self.backend, deployment, purpose)
            return self._served(deployment, purpose, watch)
        except TrialFailure as failure:
            return Failed(
                stage=failure.stage,
                kind=failure.kind,
                reason=failure.reason,
                logs=failure.logs,
                blame="environment" if failure.kind in _OTHERS_DOING else "configuration",
            )
        except Untrusted as untrusted:
            return Failed(stage="measure", kind="Untrusted", reason=str(untrusted), blame="environment")
        except GeneratorFailure as failure:
            return Failed(stage="measure", kind="GeneratorFailed", reason=str(failure), blame="environment")
        except BackendFailure as failure:
            return Failed(stage="deploy", kind="BackendFailed", reason=str(failure), blame="environment")
        finally:
            watch.stop()

    def _replayed(self, backend: HoldsMeasurements, deployment: Deployment, purpose: Purpose) -> Outcome:
        """Judged as if it had been measured now."""
        recorded = backend.recorded(deployment)
        measurement, slo = replayed(recorded, deployment.pods, self.space.prices), self.space.slo
        if purpose == "reference":
            return Referenced(measurement=measurement)
        broken = judge_measurement(measurement, slo)
        if recorded.cut_short and broken:
            return Stopped(measurement=measurement, broken=broken, reason=recorded.cut_short)
        return Measured(measurement=measurement, broken=broken, undecided=unjudged(measurement, slo))

    def _served(self, deployment: Deployment, purpose: Purpose, watch: _Stopwatch) -> Outcome:
        def on_stage(stage: str) -> None:
            self.on_stage(deployment.trial, stage)

        def on_end(running: Running) -> None:
            watch.stop()
            log = last_bytes(printable(running.logs(LOG_LINES)), _LOG_BYTES)
            write(self.folder.log(deployment.trial), log.encode(errors="replace"), private=True)
            watch.start()

        watch.start()
        with deployed(
            self.backend, deployment, self.traffic, self.generator, on_stage=on_stage, on_end=on_end
        ) as served:
            out = lookout(served.running, allowance=self.allowance, clock=self.clock, on_stage=on_stage)
            loads = LoadWindows(
                running=served.running,
                generator=served.generator,
                workload=self.space.workload,
                slo=self.space.slo,
                quiet=self.quiet,
                on_stage=on_stage,
                answer_s=served.answer_s,
                tight=tuple(one.metric for one in self.space.objectives if one.metric.startswith("latency_")),
                lookout=out,
            )
            self._foretell(loads.get_to_know(), on_stage)
            loads.warm_up(self.rate_rps)
            watch.stop()
            outcome = self._measure(deployment.pods, served, loads, watch, purpose)
            if out is None or not out.spent_s:
                return outcome
            told = replace(outcome.measurement, put_back=tuple(out.told), put_back_s=out.spent_s)
            return replace(outcome, measurement=told)

    def _foretell(self, pace: Pace, on_stage: Callable[[str], None]) -> None:
        """How long all takes where answers are slow, as soon as that is known."""
        if not pace.slow:
            return
        trial_s, budget = pace.expected_s(self.rate_rps, searched=True), self.space.budget
        study_s = (budget.trials or 0) * trial_s + budget.usual_restarts * trial_s
        whole = f", and the study up to {format_seconds(study_s)}" if budget.trials and budget.time_s is None else ""
        on_stage(f"a trial takes about {format_seconds(trial_s)}{whole}")

    def _measure(
        self, pods: PodSet, served: Served, loads: LoadWindows, watch: _Stopwatch, purpose: Purpose
    ) -> Measured | Stopped | Referenced:
        slo = self.space.slo
        capacity: Estimate | None = None
        note = ""
        if self.rate_rps is None and self.space.workload.arrival != "closed":  # whose rate follows from the answers
            with watch:
                capacity, note = loads.capacity(None)
            if capacity is None:
                raise TrialFailure(
                    stage="measure",
                    kind="NoCommonRate",
                    reason=f"no rate to compare configurations at could be derived: {note}; set workload.rate",
                )
            self.rate_rps = derive(capacity.value)
            self.on_rate(self.rate_rps)
        with watch:
            at_rate, usage = loads.at_rate(self.rate_rps)
        if purpose == "reference":
            note = "not searched: a reference is measured at the common rate alone"
            return Referenced(measurement=self._measurement(pods, served, loads, at_rate, usage, None, note))
        judgement = judge(at_rate, slo)
        # on a machine that was not quiet nothing is beyond doubt
        lost = judgement.state == "broken" and not (loads.conditions and loads.conditions.disturbance)
        if lost:
            note = f"not searched: {judgement.reason}"
        elif capacity is None:
            with watch:
                capacity, note = loads.capacity(at_rate)
        measurement = self._measurement(pods, served, loads, at_rate, usage, capacity, note)
        broken = judge_measurement(measurement, slo)
        if lost:
            return Stopped(measurement=measurement, broken=broken or judgement.broken, reason=judgement.reason)
        return Measured(measurement=measurement, broken=broken, undecided=unjudged(measurement, slo))

    def _measurement(
        self,
        pods: PodSet,
        served: Served,
        loads: LoadWindows,
        at_rate: Window,
        usage: Usage,
        capacity: Estimate | None,
        note: str,
    ) -> Measurement:
        prices, running = self.space.prices, served.running
        admitted = running.admitted() if isinstance(running, TellsAdmitted) else Admitted(pods=pods)
        asked = requested(admitted.pods)
        cost = cost_per_hour(asked.cores, asked.memory_bytes, asked.gpus, prices)
        told = loads.conditions is not None and bool(loads.conditions.disturbance)  # who others were is said there
        seen = replace(usage, others_cores=None) if told else usage
        warnings = [*caveats(at_rate, seen), *asked.warnings, *served.notes]
        measurement = Measurement(
            at_rate=at_rate,
            curve=loads.curve,
            throughput_rps=capacity,
            throughput_note=note,
            usage=usage,
            startup_s=cast("float", served.startup_s),  # known: it was deployed
            requested_cores=asked.cores,
            requested_memory_bytes=asked.memory_bytes,
            requested_gpus=asked.gpus,
            cost_per_hour=cost,
            currency=prices.currency,
            cost_per_million=cost_per_million(cost, capacity.value) if capacity is not None else None,
            not_enforced=running.not_enforced,
            load_from=running.endpoint.load_from,
            admitted=admitted.said,
            images=running.images() if isinstance(running, NamesImages) else (),
            nodes=running.nodes() if isinstance(running, NamesNodes) else (),
            conditions=loads.conditions,
            search_conditions=loads.search_conditions,
        )
        if measurement.disturbance:
            warnings.append(f"the machine was not quiet, and did not become so in time: {measurement.disturbance}")
        warnings += [
            f"{metric} cannot be told well enough: whether its bound is met is undecided; measure longer"
            for metric in unjudged(measurement, self.space.slo)
        ]
        return replace(measurement, warnings=tuple(dict.fromkeys(warnings)))
