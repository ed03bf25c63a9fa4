"""The system that a user names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tuner.errors import InputError, Mistake, Problem
from tuner.files import read_input
from tuner.manifests.settings import with_settings
from tuner.space.file.read import FILE_NAME, read
from tuner.space.model import SearchSpace
from tuner.targets.deployed import Deployed
from tuner.targets.inputs import complete, inputs_of
from tuner.targets.model import SystemUnderTest, TargetOptions
from tuner.targets.workload import plain_http, with_options
from tuner.trials.clock import Clock, RealClock
from tuner.yaml import tree

_STUDY = "study:"
_ADDRESS = re.compile(
    r"//|(?:localhost|[\w-]+(?:\.[\w-]+)*|\[[0-9A-Fa-f:]+\]):\d{1,5}(?:[/?]|$)|(?:\d+\.){3}\d+(?:/|$)"
)
"""``HOST:PORT/PATH`` and the like, as one types it into a browser."""


def system(
    text: str, *, options: TargetOptions, notice: Callable[[str], None] = lambda _: None, clock: Clock | None = None
) -> SystemUnderTest:
    """The system that a user names: ``http(s)://HOST:PORT[/PATH]``, ``grpc(s)://HOST:PORT[/package.Service/Method]``,
    ``study:NAME``, a manifest, a search space's file or folder, which may be followed by what is not as in the
    baseline: ``SPACE@workers=4,cpu=500m``. `notice` hears sentences for the user while it serves.

    Raises InputError with every problem; nothing was started.
    """
    if options.trial is not None and not text.startswith(_STUDY):
        fix = f"write {_STUDY}NAME, or leave --trial out"
        raise InputError.at("--trial", f"{text} is no study", fix)
    if "://" in text:
        from tuner.targets.remote import remote

        return remote(text, options, clock or RealClock())
    if text.startswith(_STUDY):
        return _of_study(text, options, notice)
    if _ADDRESS.match(text) and not Path(text).exists():
        fix = f"write http://{text}, or https://, grpc:// or grpcs:// before it"
        raise InputError.at(text, "no such file, and as the address of a server it lacks its scheme", fix)
    path, settings = _settings(text)
    if path.is_dir() or not _is_manifest(path):
        space, problems = read(path)
    else:
        space, problems = _manifest_space(path, options)
    if space is not None:
        space, wrong = _overridden(space, options)
        if wrong:
            raise InputError((*problems, *wrong))
    inputs = complete(
        space, problems, options.backend, namespace=options.namespace, context=options.context, baseline_only=True
    )
    configuration = with_settings(inputs.space, inputs.baseline, settings, text) if settings else inputs.baseline
    return Deployed(text, inputs, configuration, options, notice)


def _of_study(text: str, options: TargetOptions, notice: Callable[[str], None]) -> Deployed:
    from tuner.study.summary import summarize
    from tuner.trials.folder import find
    from tuner.trials.journal import read as read_journal

    try:
        study = find(text.removeprefix(_STUDY), options.studies)
    except Mistake as error:
        raise InputError.at(text, "no such study", error.fix) from None
    summary = summarize(read_journal(study.journal), trial=options.trial)
    if summary.choice is None:
        fix = "name a trial that was measured with --trial"
        raise InputError.at(text, "the study chose no configuration", fix)
    if summary.start.table is not None:
        message = f"study {summary.start.name} was replayed: nothing ran"
        fix = "name the search space with --backend process or kubernetes, or its best manifest"
        raise InputError.at(text, message, fix)
    inputs = inputs_of(study)
    workload = replace(inputs.space.workload, rate_rps=summary.rate_rps)
    space, wrong = _overridden(replace(inputs.space, workload=workload), options)
    start = summary.start
    inputs = complete(space, wrong, start.backend, namespace=start.namespace, context=start.context, baseline_only=True)
    chosen = next(trial for trial in summary.trials if trial.number == summary.choice.candidate.trial)
    return Deployed(text, inputs, chosen.configuration, options, notice)


def _settings(text: str) -> tuple[Path, str]:
    """The file or folder, and what follows its name after an @."""
    name, at, settings = text.rpartition("@")
    return (Path(name), settings) if at and "=" in settings and not Path(text).exists() else (Path(text), "")


def _is_manifest(path: Path) -> bool:
    """Whether a YAML file holds Kubernetes objects; what cannot be told is left to the reader of search spaces."""
    try:
        documents = tree.parse(read_input(path).decode())
    except (OSError, ValueError):
        return False
    first = tree.data(documents[0].root) if documents else None
    return isinstance(first, Mapping) and "kind" in first and "parameters" not in first


def _manifest_space(manifest: Path, options: TargetOptions) -> tuple[SearchSpace | None, tuple[Problem, ...]]:
    """A space without parameters: the manifest as it stands, loaded and run as the search space beside it says."""
    file = options.space or _beside(manifest)
    if file is None:
        beside = manifest.parent / FILE_NAME  # where messages say that one can be written
        return SearchSpace(
            name=manifest.stem,
            file=beside,
            manifest=manifest,
            parameters=(),
            workload=plain_http(options),
            objectives=(),
        ), ()
    space, problems = read(file)
    if space is None or problems:
        return None, problems
    return replace(space, manifest=manifest, parameters=(), rules=(), known=()), ()


def _beside(manifest: Path) -> Path | None:
    """The search space in the manifest's folder that names it."""
    file = manifest.parent / FILE_NAME
    if not file.is_file():
        return None
    space, _ = read(file)
    return file if space is not None and space.manifest.resolve() == manifest.resolve() else None


def _overridden(space: SearchSpace, options: TargetOptions) -> tuple[SearchSpace, tuple[Problem, ...]]:
    workload, problems = with_options(space.workload, options)
    return replace(space, workload=workload, slo=options.slo or space.slo), problems
