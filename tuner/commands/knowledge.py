"""What a study has taught, and what is believed of configurations nobody tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuner.errors import InputError
from tuner.study.model import Summary
from tuner.trials.folder import StudyFolder

if TYPE_CHECKING:
    from tuner.manifests.model import Manifest
    from tuner.search.costs import Demand
    from tuner.space.model import Configuration, SearchSpace
    from tuner.trials.journal import JournalContents


def taught(
    contents: JournalContents,
    space: SearchSpace,
    summary: Summary,
    demand: Callable[[Configuration], Demand] | None,
    *,
    compared: bool = True,
) -> dict[str, Any]:
    """A `tuner.search.knowledge.Knowledge` as plain JSON; `compared`: with what Optuna's evaluators make of it, which
    take seconds to load. Raises ArithmeticError, LookupError or ValueError where the figures are beyond the model."""
    from tuner.report.data import plain
    from tuner.study.learned import knowledge

    found: dict[str, Any] = plain(knowledge(contents, space, summary.choice, demand, compared=compared))
    return found


def with_knowledge(folder: StudyFolder, summary: Summary) -> Summary:
    """With what the trials teach, worked out where the study has not written it down, or something else is chosen; as
    it is where that cannot be."""
    if summary.knowledge is not None or not summary.trials or not folder.space.is_file():
        return summary
    try:
        contents, space, demand = _read(folder)
        contents = replace(contents, trials=summary.trials)
        return replace(summary, knowledge=taught(contents, space, summary, demand, compared=False))
    except (
        ArithmeticError,
        LookupError,
        ValueError,
        InputError,
    ):  # the last: another version wrote its copy of the search space
        return summary


def predicted(folder: StudyFolder, summary: Summary, text: str) -> dict[str, Any]:
    """A `tuner.search.prediction.Prediction` as plain JSON, of the configuration that `text` names: ``workers=3,cpu=1``.

    What it leaves open is as in the choice, where there is one, else as in the baseline; `rest` says which. Raises
    InputError with every problem.
    """
    from tuner.manifests.settings import with_settings
    from tuner.report.data import plain
    from tuner.study.learned import prediction

    contents, space, demand = _read(folder)
    if not any(trial.measurement is not None for trial in contents.trials):
        message = f"no trial of study {contents.start.name} was measured, so that nothing can be believed of any"
        raise InputError.at("--predict", message, "wait for its first trials")
    number = summary.baseline if summary.choice is None else summary.choice.candidate.trial
    base = next(one for one in contents.trials if one.number == number or (number is None and one.number == 0))
    configuration = with_settings(space, base.configuration, text, "--predict")
    found: dict[str, Any] = plain(prediction(contents, space, configuration, demand))
    cost = None if demand is None else demand(configuration).cost_per_hour
    rest = "the baseline" if summary.choice is None else f"the choice, trial {number}"
    return {**found, "said": text, "rest": rest, "cost_known": cost, "currency": space.prices.currency}


def _read(
    folder: StudyFolder,
) -> tuple[JournalContents, SearchSpace, Callable[[Configuration], Demand] | None]:
    """The journal; the search space as it was when the study began; and what configurations ask for, as far as the
    manifest of the baseline is there."""
    from tuner.manifests.reader import read as read_manifest
    from tuner.space.file.read import read as read_space
    from tuner.study.demand import demand
    from tuner.trials.journal import read

    contents = read(folder.journal)
    space, problems = read_space(folder.space)
    if space is None:
        raise InputError(problems)
    manifest: Manifest | None = None
    if folder.manifest(0).is_file():
        manifest, _ = read_manifest(folder.manifest(0))
    return contents, space, None if manifest is None else demand(space, manifest)
