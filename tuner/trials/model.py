"""The nouns of a trial: what it was and how it ended; and what else stands in a study's journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tuner.manifests.model import Rendered
from tuner.measure.model import Measurement
from tuner.measure.slo import State
from tuner.space.model import Budget, Configuration, Constraint, Disturbed, Objective

Purpose = Literal["baseline", "search", "confirm", "again", "reference"]
"""``again``: a trial that was disturbed, measured once more. ``reference``: the baseline at the common rate alone, which
tells how fast the machine is."""
SEARCHING: frozenset[Purpose] = frozenset({"baseline", "search"})
"""What counts against the trials of a budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A trial to come, as the journal has it. `number` is the trial's number, in Optuna and everywhere else."""

    number: int
    purpose: Purpose
    configuration: Configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal(Attempt):
    """A configuration to try, with the manifest that it was rendered into, once."""

    rendered: Rendered = field(compare=False, repr=False)

    @property
    def attempt(self) -> Attempt:
        """Less the manifest, which is in a file of its own."""
        return Attempt(number=self.number, purpose=self.purpose, configuration=self.configuration)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Measured to the end. `broken` names the SLO metrics it breaks at the common rate, each with its excess.

    `undecided` names those of which it could not be told whether their bound is met.
    """

    measurement: Measurement
    broken: tuple[tuple[str, float], ...] = ()
    undecided: tuple[str, ...] = field(default=(), metadata={"sparse": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Cut short because it had already lost: the SLO was broken beyond doubt at the common rate."""

    measurement: Measurement
    broken: tuple[tuple[str, float], ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Referenced:
    """The baseline, measured again at the common rate alone, to know the machine's speed: it is no candidate."""

    measurement: Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasible:
    """Could never run here (more than the machine or cluster has); nothing was deployed."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Deployed, but did not serve as asked, or could not be measured."""

    stage: str
    kind: str
    reason: str
    logs: str = ""
    blame: Literal["configuration", "environment"] = "configuration"
    """`environment`: says nothing about the configuration (a late generator, a lost backend)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """Ended by the user or a crash before it was measured; runs again on resume."""

    reason: str


Outcome = Measured | Stopped | Referenced | Infeasible | Failed | Interrupted


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One finished trial."""

    number: int
    """Counts from 0, the baseline."""
    purpose: Purpose
    configuration: Configuration
    manifest_digest: str
    """Digest of the rendered manifest: equal digests are replicates of the same deployment."""
    outcome: Outcome
    started_at: datetime
    """UTC."""
    duration_s: float
    overhead_s: float
    """Part of the duration spent neither deploying, loading nor taking down."""

    @property
    def measurement(self) -> Measurement | None:
        """What it tells of its configuration; None: nothing (what a reference measured: `measured`)."""
        return self.outcome.measurement if isinstance(self.outcome, Measured | Stopped) else None

    @property
    def searched(self) -> bool:
        """It counts against the trials of the budget; the others come on top."""
        return self.purpose in SEARCHING

    @property
    def feasible(self) -> bool:
        """Measured to the end, and every SLO met."""
        return self.state == "met"

    @property
    def state(self) -> State | None:
        """How it stands with the SLO; None: it was not measured."""
        match self.outcome:
            case Measured(broken=broken, undecided=undecided):
                return "broken" if broken else "undecided" if undecided else "met"
            case Stopped():
                return "broken"
        return None


def measured(trial: Trial) -> Measurement | None:
    """All that a trial measured, a reference as well."""
    return trial.outcome.measurement if isinstance(trial.outcome, Referenced) else trial.measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierTrial:
    """What one trial of an earlier study says of today's search space."""

    configuration: Configuration
    """In today's parameters; its values may be some that are not offered today."""
    metrics: Mapping[str, float]
    """Those that mean today what they meant then."""
    beyond: tuple[str, ...] = ()
    lived: bool = True
    failure: str = ""
    at_s: float = 0.0
    speed: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierStudy:
    """An earlier study that the search learns from, copied: its folder may be gone when this study is taken up."""

    name: str
    study_id: str
    told: tuple[str, ...]
    """In sentences: what was not the same then, and what is not used for that."""
    trials: tuple[EarlierTrial, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyStart:
    """What is fixed for the whole study; the journal's first line."""

    name: str
    study_id: str
    """Random; tells studies of one name apart, in MLflow and among leftovers."""
    space_file: str
    input_digest: str
    """Digest of the search space, its manifest and its request files."""
    objectives: tuple[Objective, ...]
    slo: tuple[Constraint, ...]
    budget: Budget
    backend: str
    sampler: str
    seed: int
    pick: str
    """The rule that chooses from the front (`tuner.front.choose`)."""
    storage_url: str
    tracking_uri: str | None
    tuner_version: str
    started_at: str
    """ISO 8601, UTC."""
    machine: Mapping[str, str]
    namespace: str | None = None
    """Where on the cluster trials run; None: on no cluster."""
    context: str | None = None
    """The kubeconfig's context."""
    load: Literal["here", "cluster"] = "here"
    """Where the load comes from: beside the tuner, or from inside the cluster."""
    load_image: str | None = None
    """Image of the load generator in the cluster."""
    load_cpus: int = 1
    """Engine processes of the load generator in the cluster, each with a CPU."""
    disturbed: Disturbed = field(default="accept", metadata={"sparse": True})
    """What becomes of windows that were measured while the machine was not quiet; journals of before do not say."""
    table: str | None = field(default=None, metadata={"sparse": True})
    """What is replayed; None: it is measured."""
    mask: tuple[str, ...] = ()
    """Names whose values in the manifest are secret, besides those that look so."""
    warm_start: tuple[EarlierStudy, ...] = field(default=(), metadata={"sparse": True})
    """Earlier studies that the search learns from."""
    parallel: int = field(default=1, metadata={"sparse": True})
    """So many trials run beside each other."""
    run_by: Literal["tuner", "workers"] = field(default="tuner", metadata={"sparse": True})
    """``workers``: those that join the study, wherever they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the journal besides finished trials: `kind` names it, `data` is plain JSON."""

    kind: str
    data: Mapping[str, Any]
