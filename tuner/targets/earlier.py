"""An earlier study that a new one is to learn from, read from its folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tuner.errors import InputError
from tuner.space.model import SearchSpace
from tuner.study.observed import observations
from tuner.study.summary import rate
from tuner.study.warm import Terms, earlier_study
from tuner.targets.inputs import Inputs
from tuner.targets.kept import read_space
from tuner.trials.folder import StudyFolder
from tuner.trials.journal import read as read_journal
from tuner.trials.model import EarlierStudy, StudyStart
from tuner.workload.shapes import Trace


def earlier(folder: StudyFolder, inputs: Inputs, backend: str) -> EarlierStudy:
    """What the study found, in terms of today's `inputs`, which run on `backend`.

    Raises InputError where its files are not there or nothing in it can be used, StoreFailure for a damaged journal.
    """
    from tuner.manifests.baseline import baseline
    from tuner.manifests.reader import read as read_manifest

    contents = read_journal(folder.journal)
    start = contents.start
    space = _space(folder, start)
    manifest, problems = read_manifest(folder.manifest(0))
    if manifest is None:
        raise InputError(problems)
    found = earlier_study(
        start,
        observations(contents.trials, start),
        then=Terms(
            space=space,
            rate_rps=rate(contents),
            backend=start.backend,
            machine=start.machine,
            manifest=manifest.text,
        ),
        now=Terms(
            space=inputs.space,
            rate_rps=inputs.space.workload.rate_rps,
            backend=backend,
            machine={**inputs.backend.describe()},
            manifest=inputs.manifest.text,
        ),
        new=baseline(inputs.space, manifest),
        gone=baseline(space, inputs.manifest),
    )
    if not found.trials:
        because = "; ".join(found.told) or "no trial of it was measured"
        message = f"nothing of study {start.name} says anything of this search space ({because})"
        raise InputError.at("--warm-start", message, "leave it out")
    return found


def _space(folder: StudyFolder, start: StudyStart) -> SearchSpace:
    """The search space as it was when the study began; of a study that kept no more, what it names is where it was.

    Such a copy has no manifest beside it, which is not asked for here.
    """
    from tuner.space.file.read import read

    space, problems = read_space(folder, start) if folder.inputs_index.exists() else read(folder.space)
    if space is None:
        raise InputError(problems)
    beside = Path(start.space_file).parent

    def there(path: Path) -> Path:
        return (
            beside / path.relative_to(folder.root) if path.is_relative_to(folder.root) and not path.is_file() else path
        )

    load = space.workload
    requests = tuple(replace(one, path=there(one.path)) for one in load.requests)
    shape = replace(load.shape, path=there(load.shape.path)) if isinstance(load.shape, Trace) else load.shape
    return replace(space, workload=replace(load, requests=requests, shape=shape))
