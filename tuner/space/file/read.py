"""Reads a search-space file. Everything that is wrong is told at once, with its line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tuner.errors import Mistake, Problem
from tuner.files import read_input
from tuner.space.document import Mapping, Sequence, parse
from tuner.space.file.known import KnownPoints
from tuner.space.file.mistakes import by_key, understood
from tuner.space.file.models import ImageKeys, SpaceKeys, given
from tuner.space.file.parameters import Parameters, Rules
from tuner.space.file.values import Beside, written
from tuner.space.file.workload import lacking, misplaced, workload
from tuner.space.metrics import STREAM_METRICS
from tuner.space.model import Prices, SearchSpace
from tuner.units import money

FILE_NAME = "space.yaml"


def read(path: Path, beside: Beside | None = None) -> tuple[SearchSpace | None, tuple[Problem, ...]]:
    """Read a search-space file, or the `space.yaml` of a folder. `beside`: where its paths lead; None: beside it.

    Returns the space and everything that is wrong, in the order of lines. Only without problems is the space whole;
    with problems it is what could be read, good for checking the manifest in the same breath, or None where not even
    the manifest is named. Never raises for what the file holds.
    """
    file = path
    try:
        file = path / FILE_NAME if path.is_dir() else path
        text = read_input(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        message = f"not UTF-8: byte 0x{error.object[error.start]:02x}"
        return None, (Problem.at(file, message, "save the file as UTF-8", line=line),)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        fix = f"name a search-space file, or a folder that holds {FILE_NAME}"
        return None, (Problem.at(file, f"cannot be read: {reason}", fix),)
    root, found = parse(text, str(file))
    problems, space = list(found), None
    if isinstance(root, Mapping):
        space = _space(root, file, problems, beside or Beside(file.parent))
    elif root is not None:
        fix = f"begin with these keys: {', '.join(by_key(SpaceKeys))}"
        problems.append(Problem(where=root.where, message=f"the file holds {root}, not a mapping", fix=fix))
    return space, tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.where.line))


def _space(root: Mapping, file: Path, problems: list[Problem], beside: Beside) -> SearchSpace | None:
    keys, refused = understood(root, beside)
    found = [problem for _, problem in refused]
    if keys is None:
        problems += found
        return None
    load, section, protocol = _section(root, "workload"), root.get("parameters"), keys.workload.protocol
    problems += [*misplaced(load, protocol), *found]
    if load is root.get("workload"):
        problems += [*lacking(load, protocol), *_streamed(root, protocol)]
    wrong = {str(loc[1]) for loc, _ in refused if loc[0] == "parameters" and len(loc) > 1}
    parameters = Parameters(section, keys.parameters, wrong, keys.container) if isinstance(section, Mapping) else None
    problems += parameters.problems if parameters else ()
    ruled = parameters is not None and parameters.names and keys.rules
    rules = Rules(keys.rules, root["rules"].where, parameters) if parameters and ruled else None
    problems += rules.problems if rules else ()
    points = (
        KnownPoints(keys.known, parameters.names, parameters.sound, rules.sound if rules else ())
        if parameters and keys.known
        else None
    )
    problems += points.problems if points else ()
    spec = workload(keys.workload, load, problems)
    problems += [*_budget(root), *_local(root)]
    if "manifest" not in root or not written(root["manifest"]):
        return None
    fields = {name: value for name, value in given(keys).items() if value is not None}
    fields |= {
        "parameters": tuple(parameters.sound) if parameters else (),
        "rules": tuple(rules.sound) if rules else (),
        "known": tuple(points.sound) if points else (),
        "workload": spec,
        "slo": tuple(keys.slo or ()),
        "objectives": tuple(keys.objectives),
    }
    return SearchSpace(**fields, file=file, home=None if beside.folder == file.parent else beside.folder)


def _section(root: Mapping, name: str) -> Mapping:
    """An empty one where none is written."""
    found = root.get(name)
    return found if isinstance(found, Mapping) else Mapping((), {}, root.where)


def _streamed(root: Mapping, protocol: str) -> Iterator[Problem]:
    """What is measured of streams needs a protocol that has them."""
    for name in ("slo", "objectives"):
        keys_at = _section(root, name).keys_at if protocol != "openai" else {}
        for metric in filter(STREAM_METRICS.__contains__, keys_at):
            message = f"{name}: {metric} is measured of streams, which the {protocol} protocol has none of"
            yield Mistake(message, "use protocol: openai, or remove it").at(keys_at[metric])


def _budget(root: Mapping) -> Iterator[Problem]:
    budget = root.get("budget")
    if not isinstance(budget, Mapping):
        return
    if not {"trials", "time", "cost"} & budget.keys():
        fix = "add at least one, for example trials: 20, time: 10m or cost: 5 USD"
        yield Mistake("budget has neither trials nor time nor cost", fix).at(root.keys_at["budget"])
    said = written(budget["cost"]) if "cost" in budget else None
    prices = _section(root, "prices")
    currency = (written(prices["currency"]) if "currency" in prices else None) or Prices().currency
    try:
        own = None if said is None else money(said)[1]
    except Mistake:
        return  # told where it is read
    if own not in (None, currency):
        fix = f"write it in {currency}, or set prices.currency"
        yield Mistake(f"budget: cost is in {own}, but prices are in {currency}", fix).at(budget.keys_at["cost"])


def _local(root: Mapping) -> Iterator[Problem]:
    """What several images make impossible."""
    local = _section(root, "local")
    images = local.get("images")
    if images is None:
        return
    own = [key for key in by_key(ImageKeys) if key in local]
    if own:
        message = f"local has both images and {own[0]}"
        yield Mistake(message, f"move {own[0]} into images").at(root.keys_at["local"])
    seen: set[str | None] = set()
    for item in images if isinstance(images, Sequence) else ():
        if isinstance(item, Mapping):
            image = written(item["image"]) if "image" in item else None
            if image in seen:
                what = f"for image {image!r}" if image else "without image"
                yield Mistake(f"a second entry {what}", "remove it, or name the image it stands for").at(item.where)
            seen.add(image)
