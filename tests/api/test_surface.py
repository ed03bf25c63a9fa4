"""What `import tuner` offers: pinned, cheap, and the same for people, programs and type checkers."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from typing import Any

import pytest

import tuner
from tests.repository.checkout import ROOT

PUBLIC = {
    "Candidate": "(*, study, trial, configuration, metrics, feasible, measured_by, reason, _chosen_in)",
    "Compared": "(*, baseline, value, ratio, verdict)",
    "EnvironmentFailure": None,
    "InputError": "(problems)",
    "Problem": "(*, where, message, fix)",
    "Record": None,
    "Space": "(*, file, name, parameters, baseline, configurations, exact, trials, seconds, warnings, backend, table, "
    "namespace, context)",
    "StoreFailure": None,
    "Study": "(folder)",
    "TunerError": None,
    "check": "(path, *, backend, table, namespace, context)",
    "open_study": "(name, studies)",
    "resume": "(study, *, trials, time_s, gain, confirm, on_trial, on_stage)",
    "run": "(space, *, name, studies, trials, time_s, gain, confirm, sampler, seed, pick, warm_start, tracking_uri, "
    "on_trial, on_stage)",
    "studies": "(folder)",
}
"""By name how it is called."""
MEMBERS = {
    "Study": [
        "best",
        "choose",
        "ended_because",
        "folder",
        "front",
        "name",
        "rate_rps",
        "records",
        "report",
        "state",
        "watch",
    ],
    "Candidate": [
        "against_baseline",
        "configuration",
        "diff",
        "export",
        "feasible",
        "manifest",
        "measured_by",
        "metrics",
        "reason",
        "study",
        "trial",
    ],
}
KEYS = (
    *("trial", "purpose", "outcome", "reason", "slo", "pareto", "chosen", "configuration", "metrics", "low", "high"),
    *("at_least", "manifest", "started_at", "duration_s"),
)


def called(thing: Any) -> str:
    shown, named_only = [], False
    for name, parameter in inspect.signature(thing).parameters.items():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not named_only:
            shown, named_only = [*shown, "*"], True
        shown.append(name)
    return f"({', '.join(shown)})"


def test_the_public_names() -> None:
    assert dir(tuner) == sorted([*PUBLIC, "__version__"])
    assert sorted(__import__("tuner.api").api.__all__) == sorted(PUBLIC)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_how_they_are_called_and_that_they_say_what_they_are(name: str) -> None:
    thing = getattr(tuner, name)
    assert inspect.getdoc(thing)
    if PUBLIC[name] is not None:
        assert called(thing) == PUBLIC[name]


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_the_public_members(name: str) -> None:
    assert [member for member in dir(getattr(tuner, name)) if not member.startswith("_")] == MEMBERS[name]


def test_a_record_has_its_keys() -> None:
    assert tuple(tuner.Record.__annotations__) == KEYS


def test_type_checkers_see_the_same() -> None:
    stub = ast.parse((ROOT / "tuner" / "__init__.pyi").read_text())
    imported = {alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported == PUBLIC.keys()


def test_the_documentation_has_each_of_them() -> None:
    page = (ROOT / "docs" / "python.md").read_text()
    assert [name for name in PUBLIC if f"`{name}" not in page] == []
    for name in ("run", "resume", "check"):
        assert f"`{name}{PUBLIC[name]}`" in page or name == "run"
    for members in MEMBERS.values():
        assert [name for name in members if f"`{name}" not in page and name != "study"] == []


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'tune'"):
        _ = tuner.tune  # type: ignore[attr-defined]


def test_importing_it_is_cheap() -> None:
    program = (
        "import sys; before = set(sys.modules); import tuner; print(len(set(sys.modules) - before)); "
        "tuner.studies; print(*sorted({'mlflow', 'optuna', 'kubernetes', 'scipy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n\n"
