"""What a study chose, put where it serves: applied, measured once more, and taken back where it falls short.

Wiring, like `tuner.commands.run`: what is exported comes from the report's room, what is applied and taken back from
the Kubernetes backend, what is measured from trials.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tuner
from tuner.errors import BackendFailure, EnvironmentFailure, InputError, Problem, TrialFailure
from tuner.files import create, sync_folder
from tuner.measure.noise import pool
from tuner.measure.promise import Finding, Promise
from tuner.space.model import SearchSpace
from tuner.study.model import Summary
from tuner.trials.folder import StudyFolder
from tuner.trials.load_source import IMAGE, Place, hosted

if TYPE_CHECKING:
    from tuner.backends.kubernetes.rollout.changes import Conflict
    from tuner.backends.kubernetes.rollout.plan import Change
    from tuner.backends.kubernetes.rollout.rollout import Rollout
    from tuner.backends.kubernetes.trial.load_job import LoadJob
    from tuner.manifests.model import PodSet
    from tuner.trials.serving import OnStage, StartGenerator

APPLIED, VERIFIED = "tuner.dev/applied", "tuner.dev/verified"
_OLD_PODS_S = 60.0
"""Time for the last replaced pod to end: twice the usual grace period."""
_FOLLOWED_BACK_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How it ended. `undone` says what became of each object where it was rolled back."""

    kept: bool
    reason: str
    findings: tuple[Finding, ...] = ()
    undone: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    saved: Path | None = None
    """Where what was there before is kept; None: nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """An exported manifest, compared with what is live. Nothing was changed yet."""

    folder: StudyFolder
    summary: Summary
    text: str
    space: SearchSpace
    pods: PodSet
    rollout: Rollout
    changes: tuple[Change, ...]
    promise: Promise | None
    """None: it is not measured once more."""
    load: Place
    force: bool

    @property
    def place(self) -> str:
        return self.rollout.place

    @property
    def left_out(self) -> tuple[str, ...]:
        return self.rollout.left_out()

    @property
    def diff(self) -> str:
        """Of all objects; empty: live already is what was exported."""
        return "\n".join(change.diff for change in self.changes if change.diff)

    def carry_out(self, on_stage: OnStage) -> Result:
        """Save what is there, apply, follow the rollout, measure; on whatever goes wrong put back what was there.

        Raises InputError where what is live changed since it was shown; EnvironmentFailure after the
        roll back, or with the state in words where that failed, too; KeyboardInterrupt likewise.
        """
        planned = self.rollout.plan()
        if [change.diff for change in planned] != [change.diff for change in self.changes]:
            message = "what is live has changed since it was shown"
            raise InputError.at(self.place, message, "look at it again: tune apply")
        saved = self._save(planned) if self.diff else None
        try:
            with self._load_source() as load:  # before anything is changed: it may not be had
                result = self._attempt(planned, load, on_stage)
            result = self._noted(planned, result) if result.kept else self._rolled_back(result, on_stage)
        except BaseException as stop:
            on_stage("roll back")
            raise self._stopped(stop, saved) from None
        return replace(result, saved=saved)

    # steps

    @contextmanager
    def _load_source(self) -> Iterator[LoadJob | None]:
        """Where the load comes from; None: from here."""
        if self.promise is None or self.load == "here":
            yield None
            return
        start = self.summary.start
        image = start.load_image or IMAGE
        with self.rollout.host_load(
            study=start.study_id, image=image, cpus=start.load_cpus, cluster=self.space.cluster
        ) as job:
            yield job

    def _attempt(self, planned: Sequence[Change], load: LoadJob | None, on_stage: OnStage) -> Result:
        try:
            return self._tried(planned, load, on_stage)
        except TrialFailure as failure:
            reason = f"{failure.kind}: {failure.reason}"
            return Result(kept=False, reason=f"{reason}\n{failure.logs}".rstrip() if failure.logs else reason)

    def _tried(self, planned: Sequence[Change], load: LoadJob | None, on_stage: OnStage) -> Result:
        on_stage("apply")
        self.rollout.apply(planned, force=self.force)
        on_stage("wait for the rollout")
        deadline_s = self.pods.replicas * self.space.workload.ready_timeout_s + _OLD_PODS_S
        took_s = self.rollout.follow(deadline_s, alone=self.promise is not None)
        if self.promise is None:
            return Result(kept=True, reason=f"rolled out in {took_s:.1f} s; not measured, as asked")
        return self._measured(self.promise, load, on_stage)

    def _measured(self, promise: Promise, load: LoadJob | None, on_stage: OnStage) -> Result:
        from tuner.load.process.local import local_generator
        from tuner.measure.promise import findings, short
        from tuner.trials.load_windows import LoadWindows
        from tuner.trials.lookout import Untrusted
        from tuner.trials.serving import serving
        from tuner.trials.traffic import Traffic

        workload, start = self.space.workload, self.summary.start
        traffic = Traffic.of(workload, self.folder.answers)
        generator: StartGenerator = local_generator
        if load is not None:
            generator = partial(hosted, start=load.start, cpus=start.load_cpus)
        running = self.rollout.running(self.pods, start.study_id, workload.ready_timeout_s, load)
        try:
            with serving(running, traffic, generator, on_stage=on_stage) as served:
                loads = LoadWindows(
                    running=running,
                    generator=served.generator,
                    workload=workload,
                    slo=promise.slo,
                    on_stage=on_stage,
                    answer_s=served.answer_s,
                )
                loads.warm_up(promise.rate_rps)
                window, usage = loads.at_rate(promise.rate_rps)
        except Untrusted as untrusted:
            reason = f"it could not be measured, so nobody knows whether it keeps its promise: {untrusted}"
            return Result(kept=False, reason=reason)
        finally:
            running.close()
        found = findings(promise, window, usage)
        failed = short(found)
        sure = "" if all(finding.state == "kept" for finding in found) else "as far as can be told, "
        kept = f"{sure}it keeps its promise at {promise.rate_rps:.4g}/s"
        reason = "; ".join(finding.text for finding in failed) or kept
        warnings = (*window.warnings, *running.not_enforced)
        return Result(kept=not failed, reason=reason, findings=found, warnings=warnings)

    def _noted(self, planned: Sequence[Change], result: Result) -> Result:
        """What was found is written beside what is live. The outcome stands where this does not get through."""
        if not result.findings:
            return result
        text = "; ".join(finding.text for finding in result.findings)
        try:
            self.rollout.annotate(planned, {VERIFIED: f"{_now()}: {text}"}, force=self.force)
        except EnvironmentFailure as failure:
            return replace(result, warnings=(*result.warnings, f"the annotation {VERIFIED} was not written: {failure}"))
        return result

    # going back

    def _rolled_back(self, result: Result, on_stage: OnStage) -> Result:
        if not self.rollout.begun:
            return result
        on_stage("roll back")
        try:
            self.rollout.take_back()
        except EnvironmentFailure as failure:
            raise BackendFailure(f"{result.reason}; {failure}") from None
        undone = self.rollout.undone
        if any(change.live is not None and change.diff for change in self.changes):
            undone = (*undone, self._ready_again(on_stage))
        return replace(result, undone=undone)

    def _ready_again(self, on_stage: OnStage) -> str:
        on_stage("wait until what was there is ready again")
        try:
            took_s = self.rollout.follow(_FOLLOWED_BACK_S, alone=False)
        except (TrialFailure, EnvironmentFailure) as failure:
            return f"what was there is not ready again yet: {failure}"
        return f"what was there was ready again after {took_s:.1f} s"

    def _stopped(self, stop: BaseException, saved: Path | None) -> BaseException:
        """Roll back what is not yet rolled back, and the exception that says so: of the same kind."""
        try:
            self.rollout.take_back()
        except EnvironmentFailure as failure:
            if isinstance(stop, KeyboardInterrupt):
                return KeyboardInterrupt(_not_back("interrupted", failure, saved))
            return BackendFailure(_not_back(str(stop), failure, saved))
        undone = "; ".join(self.rollout.undone)
        said = f"rolled back: {undone}" if undone else "nothing was changed"
        if isinstance(stop, KeyboardInterrupt):
            return KeyboardInterrupt(said)
        if isinstance(stop, EnvironmentFailure):
            return BackendFailure(f"{stop}; {said}")
        stop.add_note(said)
        return stop

    def _save(self, planned: Sequence[Change]) -> Path:
        """What is live, and what takes its place; on disk before anything is changed."""
        from tuner.backends.kubernetes.rollout.changes import manifest

        folder = self.folder.applied / datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        folder.mkdir(parents=True, mode=0o700)
        new = [str(change) for change in planned if change.live is None]
        head = f"# What was in {self.place} before `tune apply`.\n"
        head += "".join(f"# {name} was not there: delete it to go back.\n" for name in new)
        parts = [manifest(change.live) for change in planned if change.live is not None]
        saved = folder / "before.yaml"
        create(folder / "manifest.yaml", self.text.encode())
        create(saved, (head + "---\n".join(parts)).encode())
        sync_folder(folder)
        return saved


def prepare(
    folder: StudyFolder,
    summary: Summary,
    *,
    namespace: str | None,
    context: str | None,
    measure: bool,
    load: Place | None,
    force_conflicts: bool,
    accept_ports: bool = False,
) -> Promotion:
    """Compare what a study chose with what is live, by a server-side dry run. `load` None: from where it was measured.

    Raises InputError where nothing may be applied (no choice, refused, owned by other managers, clients would not find
    it any more and `accept_ports` does not say that they will, inputs changed so that it could not be measured as
    before), EnvironmentFailure where the cluster or a right is missing.
    """
    from tuner.backends.kubernetes.client.api import Api
    from tuner.backends.kubernetes.client.refusals import Refused
    from tuner.backends.kubernetes.rollout.rollout import Rollout
    from tuner.manifests.documents import load_all
    from tuner.manifests.model import Rendered
    from tuner.manifests.pods import pods as pods_of
    from tuner.manifests.workload import find
    from tuner.report.provenance import export
    from tuner.trials.copied import masked_names

    if summary.choice is None:
        message = "no configuration meets the SLO, so there is nothing to apply"
        raise InputError.at(f"study {summary.start.name}", message, "choose one with --trial, or search on")
    if names := masked_names(folder):
        message = f"this copy was made for others, and {', '.join(names)} masked in it"
        raise InputError.at(f"study {summary.start.name}", message, "apply it where the study ran")
    space = _space(folder, summary, measure=measure)
    text = export(folder, summary, summary.choice.candidate.trial)
    objects = [json.loads(json.dumps(obj)) for obj in load_all(text)]
    place = load or summary.start.load
    promise = promised(summary, place) if measure else None
    found = find(space, objects)
    index = found.index
    notes = objects[index]["metadata"].setdefault("annotations", {})
    notes[APPLIED] = f"{_now()} by tuner {tuner.__version__}"
    api = Api(namespace=_namespace(objects, namespace), context=context)
    rollout = Rollout(api, objects, workload=index, component=found.component, ignoring=(APPLIED, VERIFIED))
    if missing := rollout.missing(place if measure else None):
        fix = "have the Role applied that `tune rbac --apply-rights` writes"
        raise InputError(Problem.at(f"cluster {api.cluster}", message, fix) for message in missing)
    try:
        changes = rollout.plan()
    except Refused as refused:
        fix = "correct it, or have the rule changed; nothing was applied"
        raise InputError.at(rollout.place, f"the cluster refuses {refused}", fix) from None
    if not accept_ports and (elsewhere := _elsewhere(rollout.place, changes)):
        raise InputError(elsewhere)
    taken = [(change, conflict) for change in changes for conflict in change.conflicts]
    if taken and not force_conflicts:
        raise InputError([_taken(rollout.place, *one) for one in taken])
    return Promotion(
        folder=folder,
        summary=summary,
        text=text,
        space=space,
        pods=pods_of(space, Rendered(text=text, objects=tuple(objects))),
        rollout=rollout,
        changes=changes,
        promise=promise,
        load=place,
        force=force_conflicts,
    )


def _elsewhere(place: str, changes: Sequence[Change]) -> list[Problem]:
    """Where clients of what is live would not find it any more."""
    from tuner.manifests.exposed import moved

    before = [change.live for change in changes if change.live is not None]
    fix = "change them too, then agree to it with --accept-ports; nothing was applied"
    return [Problem.at(place, sentence, fix) for sentence in moved(before, [change.wanted for change in changes])]


def promised(summary: Summary, load: Place) -> Promise:
    """What the study measured of its choice: of another place, or under load from elsewhere, only the SLO holds.

    Raises InputError where there is no rate to measure at.
    """
    from tuner.study.candidates import replicates, reported
    from tuner.study.summary import compared

    choice, start = summary.choice, summary.start
    if choice is None or summary.rate_rps is None:
        fix = "apply it without: --no-measure"
        raise InputError.at(f"study {start.name}", "it has no common rate to measure at", fix)
    chosen = next(trial for trial in summary.trials if trial.number == choice.candidate.trial)
    restarts = [
        trial.measurement.estimates()
        for trial in reported(replicates(summary.trials)[chosen.manifest_digest])
        if trial.measurement is not None
    ]
    metrics = {
        name: pool([estimates[name] for estimates in restarts if name in estimates])
        for name in compared(start)
        if name.startswith("latency_") or name == "error_ratio"
        if any(name in estimates for estimates in restarts)
    }
    return Promise(
        rate_rps=summary.rate_rps,
        slo=start.slo,
        metrics=metrics if start.backend == "kubernetes" and load == start.load else {},
        noise_floor=summary.noise_floor,
    )


def _space(folder: StudyFolder, summary: Summary, *, measure: bool) -> SearchSpace:
    """The search space as it was. To measure, its requests are needed too, as they were."""
    from tuner.space.digest import input_digest
    from tuner.targets.inputs import space_of

    start = summary.start
    space = space_of(folder, start)
    try:
        same = input_digest(space) == start.input_digest
    except OSError:
        same = False
    if measure and not same:
        message = f"the search space, its manifest or a request changed since study {start.name} began"
        fix = "bring the files back as they were, or apply it unmeasured: --no-measure"
        raise InputError.at(start.space_file, message, fix)
    return space


def _namespace(objects: Sequence[Mapping[str, Any]], given: str | None) -> str | None:
    """The one asked for, or the manifest's. Raises InputError where these differ, as kubectl does."""
    named = {str(obj["metadata"]["namespace"]) for obj in objects if (obj.get("metadata") or {}).get("namespace")}
    if named and (len(named) > 1 or (given is not None and named != {given})):
        message = f"the manifest is for namespace {' and '.join(sorted(named))}" + (f", not {given}" if given else "")
        fix = "leave --namespace out" if len(named) == 1 else "give its objects one namespace"
        raise InputError.at("--namespace", message, fix)
    return given or next(iter(named), None)


def _not_back(why: str, failure: EnvironmentFailure, saved: Path | None) -> str:
    return (
        f"{why}; and it was not all rolled back: {failure}. What was there before is in {saved}: "
        "kubectl apply --server-side --force-conflicts -f it (its first lines say what to delete)"
    )


def _taken(place: str, change: Change, conflict: Conflict) -> Problem:
    if conflict.manager.startswith("kubectl"):
        fix = "it was applied with kubectl before; --force-conflicts takes the field over"
    else:
        fix = f"leave the field out of the manifest, have {conflict.manager} give it up, or take it: --force-conflicts"
    message = f"{conflict.field} of {change} is set to another value by {conflict.manager}"
    return Problem.at(place, message, fix)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
