"""The file behind `--table`: a recorded table, or a JSON file that says what is told otherwise.

{"table": "iris.csv", "noise": 0.07, "wander": {"wave": 0.3, "jump": 2}}
{"simulated": {"cpu_s": 0.004, "knobs": {"workers": "gunicorn_workers"}}, "noise": 0.05}
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tuner.backends.replay.disturbed import Disturbance, Disturbed
from tuner.backends.replay.model import Source
from tuner.backends.replay.simulated import KNOBS, Constants, Simulated
from tuner.backends.replay.table import Table
from tuner.backends.replay.wander import Wander
from tuner.errors import InputError, Problem
from tuner.files import read_input
from tuner.nearest import nearest
from tuner.space.model import SearchSpace
from tuner.space.values import operand

_DISTURBED = ("noise", "observed", "trial_s")


def open_source(file: Path, space: SearchSpace, seed: int) -> Source:
    """Raises InputError with every problem of the file."""
    if file.suffix != ".json":
        return Table.open(file, space, seed)
    said = _object(file)
    checked = _Checked(file)
    checked.names("the file", said, ("table", "simulated", "wander", *_DISTURBED))
    wander = checked.numbers("wander", said.get("wander", {}), {field.name for field in fields(Wander)}, above=True)
    disturbed = checked.numbers(
        "", {name: said[name] for name in ("noise", "trial_s") if name in said}, set(_DISTURBED)
    )
    observed = said.get("observed", True)
    if not isinstance(observed, bool):
        checked.wrong(f"observed: {observed!r} is neither true nor false", "write one of them")
    if ("table" in said) == ("simulated" in said):
        checked.wrong("it names no table and no simulated server, or both", 'write "table": FILE, or "simulated": {}')
    constants = _constants(said.get("simulated", {}), space, checked)
    checked.done()
    disturbance = Disturbance(wander=Wander(**wander), observed=bool(observed), **disturbed)
    if "simulated" in said:
        return Simulated(constants, space, disturbance, seed)
    table = Table.open(file.parent / str(said["table"]), space, seed)
    return Disturbed(table, disturbance, seed) if disturbance.any else table


def _constants(said: Any, space: SearchSpace, checked: _Checked) -> Constants:
    """Knobs that the model has and the space has not stay at their defaults."""
    if not isinstance(said, Mapping):
        checked.wrong(f"simulated: {said!r} is no object", "write {} for the usual constants")
        return Constants()
    knobs = said.get("knobs", {})
    if not isinstance(knobs, Mapping):
        checked.wrong(f"simulated.knobs: {knobs!r} is no object", 'write for example {"workers": "gunicorn_workers"}')
        knobs = {}
    checked.names("simulated.knobs", knobs, KNOBS)
    parameters = {parameter.name: parameter for parameter in space.parameters}
    for name in knobs.values():
        if name not in parameters:
            checked.wrong(f"simulated.knobs: the space has no parameter {name!r}", nearest(str(name), parameters))
    numbers = {field.name for field in fields(Constants)} - {"knobs", "defaults"}
    given = {name: value for name, value in said.items() if name not in ("knobs", "defaults")}
    found = checked.numbers("simulated", given, numbers)
    defaults = checked.numbers("simulated.defaults", said.get("defaults", {}), set(KNOBS), above=True)
    usual = Constants()
    return Constants(
        knobs=MappingProxyType({str(name): str(parameter) for name, parameter in knobs.items()}),
        defaults=MappingProxyType({**usual.defaults, **defaults}),
        **found,
    )


def _object(file: Path) -> Mapping[str, Any]:
    try:
        said = json.loads(read_input(file))
    except OSError as error:
        raise InputError.at(file, f"cannot be read ({error.strerror})", "give a table's file with --table") from None
    except ValueError as error:
        raise InputError.at(file, f"it is no JSON ({error})", "mend it; docs/replay.md has an example") from None
    if not isinstance(said, dict):
        raise InputError.at(file, "it holds no object", 'write {"table": FILE} or {"simulated": {}}')
    return said


class _Checked:
    """Gathers what is wrong with one file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._problems: list[Problem] = []

    def wrong(self, message: str, fix: str) -> None:
        self._problems.append(Problem.at(self._file, message, fix))

    def names(self, subject: str, said: Mapping[str, Any], known: tuple[str, ...] | set[str]) -> None:
        for name in said:
            if name not in known:
                self.wrong(f"{subject}: {name!r} is not known", nearest(name, sorted(known)))

    def numbers(self, subject: str, said: Any, known: set[str], *, above: bool = False) -> dict[str, float]:
        """Those that can be used, quantities such as ``45Mi`` among them; `above`: 0 is too little, but of a wave."""
        if not isinstance(said, Mapping):
            self.wrong(f"{subject}: {said!r} is no object", "write {} for the usual ones")
            return {}
        self.names(subject or "the file", said, known)
        found = {}
        for name, value in said.items():
            if name not in known:
                continue
            number = operand(value) if isinstance(value, int | float | str) else None
            amount = math.nan if number is None or isinstance(number, bool | str) else float(number)
            least = 0.0 if not above or name == "wave" else math.ulp(0.0)
            if not amount >= least:
                place = f"{subject}.{name}" if subject else name
                self.wrong(f"{place}: {value!r} is no number {'above' if least else 'from'} 0 on", "write one")
            found[name] = amount
        return found

    def done(self) -> None:
        if self._problems:
            raise InputError(self._problems)
