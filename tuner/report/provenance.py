"""The exported manifest: what was deployed and measured, byte for byte, and annotations on where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.errors import StoreFailure
from tuner.manifests.documents import load_all
from tuner.manifests.export.annotations import annotate
from tuner.manifests.exposed import moved
from tuner.manifests.model import Rendered
from tuner.measure.model import NodeUsed
from tuner.report.figures import figure_text
from tuner.study.candidates import pooled, reported
from tuner.study.model import BaselineComparison, Summary
from tuner.trials.copied import masked_digests
from tuner.trials.folder import StudyFolder
from tuner.trials.model import Trial
from tuner.units import format_rate

PREFIX = "tuner.dev/"


def export(folder: StudyFolder, summary: Summary, number: int) -> str:
    """The text of the manifest of trial `number`, annotated. Raises StoreFailure as `measured` does."""
    rendered = measured(folder, summary, number)
    return annotate(rendered, noted(folder, summary, number, rendered))


def measured(folder: StudyFolder, summary: Summary, number: int) -> Rendered:
    """The manifest of trial `number`.

    Raises StoreFailure when the study's copy is missing or is not what was measured.
    """
    trial = next(trial for trial in summary.trials if trial.number == number)
    path = folder.manifest(number)
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise StoreFailure(f"{path}: the manifest of trial {number} cannot be read ({error.strerror})") from error
    rendered = Rendered(text=text, objects=load_all(text))
    if rendered.digest not in (trial.manifest_digest, masked_digests(folder).get(str(number))):
        raise StoreFailure(
            f"{path}: was changed after it was measured (digest {rendered.digest}, measured {trial.manifest_digest}); "
            "bring it back, or run the trial again in a new study"
        )
    return rendered


def noted(folder: StudyFolder, summary: Summary, number: int, rendered: Rendered) -> dict[str, str]:
    """The annotations of trial `number`: its provenance, and where its clients have to look for it elsewhere."""
    notes = provenance(summary, next(trial for trial in summary.trials if trial.number == number))
    if masked_digests(folder):
        notes[f"{PREFIX}masked"] = "literal secrets are *** in this copy of the study"
    if changed := "; ".join(ports_changed(folder, rendered.objects)):
        notes[f"{PREFIX}service-ports"] = changed
    return notes


def ports_changed(folder: StudyFolder, objects: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Where clients have to look for the server elsewhere than with the manifest as it stood, in words."""
    try:
        before = load_all(folder.manifest(0).read_bytes().decode())
    except OSError:
        return ()
    return moved(before, objects)


def provenance(summary: Summary, trial: Trial) -> dict[str, str]:
    """Provenance of a trial: study, digests, what was measured with intervals, the load, and what to mistrust."""
    start = summary.start
    notes = {
        "study": start.name,
        "study-id": start.study_id,
        "trial": str(trial.number),
        "configuration": " ".join(f"{name}={value}" for name, value in trial.configuration.values.items()),
        "configuration-digest": trial.configuration.digest,
        "manifest-digest": trial.manifest_digest,
        "measured-at": trial.started_at.isoformat(timespec="seconds"),
        "measured-by": f"tuner {start.tuner_version}, {start.backend} backend",
        "outcome": type(trial.outcome).__name__.lower(),
    }
    measurement = trial.measurement
    if measurement is not None:
        starts = reported([one for one in summary.trials if one.manifest_digest == trial.manifest_digest])
        notes["measured-at"] = starts[0].started_at.isoformat(timespec="seconds")
        notes["measured-in"] = f"trial{'s' if len(starts) > 1 else ''} {', '.join(str(one.number) for one in starts)}"
        notes |= {
            f"measured-{_key(name)}": figure_text(name, value, measurement.currency)
            for name, value in pooled(starts).items()
        }
        at_rate = measurement.at_rate
        sent = f"{at_rate.requests} requests after warm-up, " if at_rate.requests else ""  # of a record nobody knows
        notes["load"] = f"{format_rate(at_rate.offered_rps)} offered, {sent}from {measurement.load_from}"
        perhaps = {
            "throughput-note": measurement.throughput_note,
            "images": "; ".join(measurement.images),
            "nodes": "; ".join(map(node_text, measurement.nodes)),
            "admitted": "; ".join(measurement.admitted),
            "not-enforced": "; ".join(measurement.not_enforced),
            "warnings": "; ".join(measurement.warnings),
        }
        notes |= {name: text for name, text in perhaps.items() if text}
    if summary.choice is not None and summary.choice.candidate.trial == trial.number:
        notes["chosen-by"] = f"{summary.choice.pick}: {summary.choice.reason}"
        notes["against-baseline"] = (
            "; ".join(_compared(comparison) for comparison in summary.comparisons) or "not measured"
        )
    return {PREFIX + key: value for key, value in notes.items()}


def node_text(used: NodeUsed) -> str:
    """``node1 (pool a, GenuineIntel family 6 model 85), others used 0.31 cores there``."""
    about = ", ".join(text for text in (used.pool and f"pool {used.pool}", used.processor) if text)
    others = "" if used.others_cores is None else f", others used {used.others_cores:.3g} cores there"
    return f"{used.node}{f' ({about})' if about else ''}{others}"


def _key(metric: str) -> str:
    return metric.replace("_", "-")


def _compared(comparison: BaselineComparison) -> str:
    return f"{comparison.metric} {comparison.ratio_text}, {comparison.verdict}"
