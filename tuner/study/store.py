"""Optuna's store: a copy of what the journal says, for Optuna's own tools. Where the two differ, the journal wins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.errors import Problem, StoreFailure
from tuner.space.model import SearchSpace
from tuner.study.model import Summary
from tuner.study.optuna_trial import quiet, settled
from tuner.trials.model import StudyStart
from tuner.uri import masked

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial


_PACKAGES = {
    "psycopg": "psycopg[binary] (the extra `postgres` of tuner)",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient, or write mysql+pymysql:// and install pymysql",
}
"""Where the package is not called like the module."""


_STUDY_ID = "tuner.study_id"
"""Of a study in the store, whose it is."""
IN_MEMORY = "memory:"
"""No store on disk: a study that is replayed can be replayed again, and its journal has everything."""


def driver_problem(url: str, option: str) -> Problem | None:
    """That what speaks to this database is not installed; None: it is, or the address is no database's."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        make_url(url).get_dialect().import_dbapi()
    except ImportError as error:
        module = (error.name or "").partition(".")[0]
        fix = f"install the package {_PACKAGES.get(module, module or 'that its message names')}"
        return Problem.at(option, f"the driver of {masked(url)} is not installed ({error})", fix)
    except SQLAlchemyError:
        return None
    return None


class Store:
    """The finished trials of one study in Optuna's store, numbered as in the journal."""

    def __init__(self, start: StudyStart) -> None:
        """Raises what Optuna and the database do; see `open`."""
        self._start = start
        self._url = masked(start.storage_url)
        self._kept: list[FrozenTrial] = []
        self._storage = self._whole(lambda: _connected(start))

    @classmethod
    def open(cls, start: StudyStart) -> Store:
        """Open the store, made where it does not exist. The study is not in it before something is kept: what was killed
        before its journal began would leave one that is nobody's. Raises StoreFailure."""
        with _failures(masked(start.storage_url)):
            return cls(start)

    @cached_property
    def _found(self) -> list[FrozenTrial]:
        """The trials in the store; with them comes the study."""

        def found() -> list[FrozenTrial]:
            self._study = self._create()
            return self._study.get_trials(deepcopy=False)

        return self._whole(found)

    def _create(self) -> Study:
        import optuna

        study = optuna.create_study(
            storage=self._storage,
            study_name=_name(self._storage, self._start),
            directions=[objective.direction for objective in self._start.objectives],
            load_if_exists=True,
        )
        study.set_user_attr(_STUDY_ID, self._start.study_id)
        study.set_metric_names([objective.metric for objective in self._start.objectives])
        return study

    def _whole[Made](self, make: Callable[[], Made]) -> Made:
        """What is made of the store; of a file that is damaged, once more of a new one."""
        try:
            return make()
        except Exception as error:
            if not _set_aside(self._start.storage_url, error):
                raise
            self._storage = _connected(self._start)
            return make()

    def put(self, number: int, trial: FrozenTrial) -> None:
        """Keep a finished trial; one that is there already is left as it is. Raises StoreFailure."""
        with _failures(self._url):
            if number < len(self._found) and not _equal(self._found[number], trial):
                self._start_anew()
            if number >= len(self._found):
                self._study.add_trial(trial)
                self._found.append(trial)
            self._kept.append(trial)

    def cut(self, number: int) -> None:
        """Leave the first `number` trials only. Raises StoreFailure."""
        with _failures(self._url):
            if len(self._found) > number:
                self._start_anew()

    def conclude(self, space: SearchSpace, summary: Summary) -> None:
        """Write it once more where restarts were judged together, so that Optuna's front is the study's own. Raises
        StoreFailure."""
        with _failures(self._url):
            told = self._judged(space, summary)
            if not all(map(_equal, self._found, told)):
                self._kept = told
                self._start_anew()

    def _judged(self, space: SearchSpace, summary: Summary) -> list[FrozenTrial]:
        """The trials as the study's candidates have them."""
        by_digest: dict[str, list[int]] = {}
        for trial in summary.trials:
            if self._found[trial.number].values is not None:
                by_digest.setdefault(trial.manifest_digest, []).append(trial.number)
        digests = {trial.number: trial.manifest_digest for trial in summary.trials}
        told = list(self._found)
        for candidate in summary.candidates:
            numbers = by_digest.get(digests[candidate.trial], [])
            for number in numbers if len(numbers) > 1 or not candidate.feasible else []:
                told[number] = settled(told[number], number, space, candidate, numbers)
        return told

    def close(self) -> None:
        """Let go of the database. It may be used again; it is opened anew then."""
        self._storage.remove_session()

    def _start_anew(self) -> None:
        """Optuna cannot take a trial back, so that the whole study is written again as far as the journal was read."""
        import optuna

        optuna.delete_study(study_name=self._study.study_name, storage=self._storage)
        self._study = self._create()
        self._study.add_trials(self._kept)
        self._found = list(self._kept)


def _connected(start: StudyStart) -> BaseStorage:
    import optuna

    return optuna.storages.get_storage(None if start.storage_url == IN_MEMORY else start.storage_url)


def _name(storage: BaseStorage, start: StudyStart) -> str:
    """The study's own name; where another study of this store has it, with its id."""
    import optuna

    unique = f"{start.name}-{start.study_id}"
    there = {one.study_name: one for one in optuna.get_all_study_summaries(storage, include_best_trial=False)}
    own = there.get(start.name)
    if unique in there:
        return unique
    if own is None or own.user_attrs.get(_STUDY_ID) == start.study_id:
        return start.name
    # one that was killed before it had its mark; what has trials is somebody's
    return start.name if _STUDY_ID not in own.user_attrs and not own.n_trials else unique


def _equal(found: FrozenTrial, told: FrozenTrial) -> bool:
    def parts(trial: FrozenTrial) -> tuple[object, ...]:
        return trial.state, trial.values, trial.params, trial.constraints, trial.user_attrs

    return parts(found) == parts(told)


@contextmanager
def _failures(url: str) -> Iterator[None]:
    """Whatever goes wrong in Optuna's store or the database under it becomes a StoreFailure."""
    import optuna
    import sqlalchemy.exc

    try:
        with quiet():
            yield
    except (optuna.exceptions.OptunaError, sqlalchemy.exc.SQLAlchemyError, ImportError, ValueError, OSError) as error:
        root: BaseException = error
        while root.__cause__ is not None:  # Optuna wraps what the database said
            root = root.__cause__
        first = str(root).splitlines()[0] if str(root) else type(root).__name__
        raise StoreFailure(
            f"Optuna's store {url}: {masked(first)}; the journal has all trials, `tune resume` goes on"
        ) from error


def _set_aside(url: str, error: Exception) -> bool:
    """Rename a SQLite file that a crash left half-made or damaged; it can be made anew from the journal."""
    import sqlalchemy.exc

    told = [one for one in (error, error.__cause__) if isinstance(one, sqlalchemy.exc.SQLAlchemyError)]
    if not url.startswith("sqlite:///") or not any(map(_is_damage, told)):
        return False
    path = Path(url.removeprefix("sqlite:///"))
    path.replace(path.with_name(path.name + ".damaged"))
    return True


def _is_damage(error: Exception) -> bool:
    """Of the file, rather than of its place: Optuna writes the rows that say what it is one by one, too."""
    import sqlalchemy.exc

    if isinstance(error, sqlalchemy.exc.MultipleResultsFound):
        return True
    reason = str(error.orig) if isinstance(error, sqlalchemy.exc.DBAPIError) else ""
    return any(sign in reason for sign in ("malformed", "not a database", "no such table", "already exists"))
