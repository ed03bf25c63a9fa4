"""A search space, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuner.space.values import Value
from tuner.targets.inputs import Inputs, estimate, read_inputs

Backend = Literal["process", "kubernetes", "replay"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """A search space in which nothing is wrong, with where it is to run."""

    file: Path
    name: str
    parameters: tuple[str, ...]
    baseline: Mapping[str, Value]
    """What the manifest says today."""
    configurations: int | None
    """None: without end, since a parameter is continuous."""
    exact: bool
    """False: there are at most so many."""
    trials: int | None
    """Of the search, at most; None: as many as the time allows."""
    seconds: float
    """What a study will take, unless answers are slow."""
    warnings: tuple[str, ...]
    """What is allowed, and probably not meant; and what will not be told."""
    backend: Backend
    table: Path | None = None
    namespace: str | None = None
    context: str | None = None

    def _inputs(self, seed: int = 0) -> Inputs:
        """All that it names, read anew. Raises InputError where it changed for the worse."""
        return read_inputs(
            self.file, self.backend, namespace=self.namespace, context=self.context, table=self.table, seed=seed
        )


def check(
    path: str | Path,
    *,
    backend: Backend = "process",
    table: str | Path | None = None,
    namespace: str | None = None,
    context: str | None = None,
) -> Space:
    """Read a search space (its file, or the folder that holds ``space.yaml``) and all that it names; start nothing.

    `backend` says where it is to run; `table` what a replay tells; `namespace` and `context` are of the cluster (None:
    the current ones). Raises InputError with every problem of every file at once.
    """
    from tuner.manifests.check.warnings import warnings

    replayed = None if table is None else Path(table)
    inputs = read_inputs(Path(path), backend, namespace=namespace, context=context, table=replayed)
    found = estimate(inputs)
    cannot = (
        () if found.baseline_infeasible is None else (f"the baseline cannot run here: {found.baseline_infeasible}",)
    )
    return Space(
        file=inputs.space.file,
        name=inputs.space.name,
        parameters=tuple(parameter.name for parameter in inputs.space.parameters),
        baseline=dict(inputs.baseline.values),
        configurations=found.configurations,
        exact=found.exact,
        trials=found.trials,
        seconds=found.seconds,
        warnings=(*map(str, warnings(inputs.space, inputs.manifest)), *found.foreseen, *inputs.foreseen, *cannot),
        backend=backend,
        table=replayed,
        namespace=namespace,
        context=context,
    )
