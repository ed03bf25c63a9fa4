"""tuner: finds the configuration of a model server by measuring, from search space to manifest.

The rooms are the pipeline, in this order: workload, space, manifests, backends, load, measure, breakdown, trials,
front, study, record, report; `targets` and `commands` wire them, and `cli` is the only place that prints or exits.
Below them all: statistics, yaml, files, units, errors. Nothing earlier imports anything later (`docs/architecture.md`).

Programs and notebooks use what `tuner.api` makes public (`docs/python.md`). It is fetched when it is first used, so that
importing the package, which every module does, costs nothing; `__init__.pyi` tells type checkers what is there.
"""

_PUBLIC = (
    *("Candidate", "Compared", "EnvironmentFailure", "InputError", "Problem", "Record", "Space", "StoreFailure"),
    *("Study", "TunerError", "check", "open_study", "resume", "run", "studies"),
)

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name in _PUBLIC:
        from importlib import import_module

        return getattr(import_module("tuner.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*_PUBLIC, "__version__"]
