"""The inputs that a study keeps in its folder: the folder can be moved, renamed or mailed, and goes on from them.

inputs/ has the search space as space.yaml, and what it names where it names it, as long as that is below its folder;
what lies elsewhere is in inputs/elsewhere. Not kept are a token's file, for it is secret, and the programs that the
process backend starts: they are looked for where they were, or where they are beside the study now.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.errors import InputError, Problem, StoreFailure
from tuner.files import read_input, write
from tuner.manifests.model import Manifest
from tuner.record.uri import sqlite_file, sqlite_uri
from tuner.space.digest import input_files
from tuner.space.model import SearchSpace
from tuner.trials.folder import StudyFolder
from tuner.trials.model import StudyStart

_ELSEWHERE = "elsewhere"
_IMPORT = re.compile(rb'^\s*import\s+(?:public\s+|weak\s+)?"([^"]+)"', re.MULTILINE)


@dataclass(slots=True)
class _Copies:
    """What is copied, by where it is to be in the study's inputs."""

    home: Path
    files: dict[str, Path] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    """Where each is, by how the search space spells it."""

    def add(self, source: Path) -> str:
        spelled = str(source.relative_to(self.home)) if source.is_relative_to(self.home) else str(source)
        if spelled in self.written:
            return self.written[spelled]
        taken = not _is_below(spelled) or spelled.partition("/")[0] in ("space.yaml", _ELSEWHERE)
        place = f"{_ELSEWHERE}/{len(self.files)}/{source.name}" if taken else spelled
        self.files[place] = source
        self.written |= {spelled: place} | ({str(source): place} if source.is_absolute() else {})
        return place


def keep(folder: StudyFolder, space: SearchSpace, table: Path | None, tracking: Path | None = None) -> None:
    """Copy a study's inputs into its folder; `tracking`: the file of MLflow's store, where it is one.

    Raises InputError for one that cannot be read, StoreFailure for one that cannot be written.
    """
    copies = _Copies(home=space.folder)
    named = [*input_files(space)[1:], *((space.workload.tls.ca,) if space.workload.tls else ())]
    for source in [source for source in named if source is not None and source != Path(os.devnull)]:
        place = copies.add(source)
        for below in imported(source, source.parent, set()):
            copies.files[str(Path(place).parent / below.relative_to(source.parent))] = below
    index: dict[str, Any] = {"home": _beside(folder, space.folder), "name": space.file.name, "files": copies.written}
    if table is not None and (tables := _tables(table)) is not None:
        index["table"] = copies.add(table)
        for more in tables:
            copies.files[str(Path(index["table"]).parent / more.relative_to(table.parent))] = more
    if tracking is not None:
        index["tracking"] = _beside(folder, tracking)
    try:
        shutil.rmtree(folder.inputs, ignore_errors=True)  # of a start that was killed before its journal began
        for place, source in {"space.yaml": space.file, **copies.files}.items():
            write(folder.inputs / place, read_input(source), private=True)
    except OSError as error:
        raise InputError.at(source, f"cannot be read: {error.strerror}", "restore the file") from error
    write(folder.inputs_index, json.dumps(index, indent=1).encode(), private=True)


def read_space(folder: StudyFolder, start: StudyStart) -> tuple[SearchSpace | None, tuple[Problem, ...]]:
    """A study's search space, as `tuner.space.file.read` reads one: of what it keeps or, where it keeps nothing, its own
    file, else the copy without what it names.

    That programs are there is asked by the backend that starts them. Raises StoreFailure where what it keeps is damaged.
    """
    from tuner.space.file.read import read
    from tuner.space.file.values import Beside

    index = _index(folder)
    if index is None:
        original = Path(start.space_file)
        return read(original if original.is_file() else folder.space)
    elsewhere = {name: folder.inputs / place for name, place in index["files"].items()}
    for copy in (folder.space, *elsewhere.values()):
        if not copy.is_file():
            raise StoreFailure(f"{copy}: it is gone, and study {start.name} was begun with it; restore it from a copy")
    return read(folder.space, Beside(_home(folder, start, index), must_exist=False, elsewhere=elsewhere))


def table_of(folder: StudyFolder, start: StudyStart) -> Path | None:
    """What a study replays; None: it measures."""
    index = _index(folder)
    if index is not None and "table" in index:
        return folder.inputs / str(index["table"])
    return None if start.table is None else Path(start.table)


def tracking_file(folder: StudyFolder) -> Path | None:
    """MLflow's store beside the study, where both were moved; None: it is not there."""
    index = _index(folder)
    found = None if index is None or "tracking" not in index else folder.root / str(index["tracking"])
    return found if found is not None and found.is_file() else None


def tracking_uri(folder: StudyFolder, start: StudyStart) -> str | None:
    """The address of MLflow's store, as it was recorded; of one that was moved together with the study, where it is now.

    None: the study is recorded nowhere.
    """
    recorded = None if start.tracking_uri is None else sqlite_file(start.tracking_uri)
    moved = tracking_file(folder) if recorded is not None and not recorded.is_file() else None
    return start.tracking_uri if moved is None else sqlite_uri(moved.resolve())


def base_manifest(folder: StudyFolder, start: StudyStart) -> Manifest:
    """The manifest as it stood when the study began. Raises InputError."""
    from tuner.manifests.reader import read

    space = read_space(folder, start)[0] if _index(folder) is not None else None
    if space is not None:
        manifest, problems = read(space.manifest)
    else:
        manifest, problems = read(folder.manifest(0))
    if manifest is None:
        raise InputError(problems)
    return manifest


def changed(folder: StudyFolder, start: StudyStart) -> tuple[Path, ...]:
    """Originals that are still there and no longer say what the study began with: it goes on with what it keeps."""
    index = _index(folder)
    original = Path(start.space_file)
    if index is None or not original.is_file():
        return ()
    pairs = {original: folder.space}
    pairs |= {original.parent / name: folder.inputs / place for name, place in index["files"].items()}
    if start.table is not None and "table" in index:
        pairs[Path(start.table)] = folder.inputs / str(index["table"])
    unlike = [source for source, copy in pairs.items() if source.is_file() and not _same(source, copy)]
    return tuple({source.resolve(): source for source in unlike}.values())


def _same(one: Path, other: Path) -> bool:
    try:
        return read_input(one) == read_input(other)
    except OSError:
        return False


def _home(folder: StudyFolder, start: StudyStart, index: dict[str, Any]) -> Path:
    """Where the search space was or, where it is no longer there, is now as seen from the study; else its inputs."""
    for home in (Path(start.space_file).parent, folder.root / str(index["home"])):
        if (home / str(index["name"])).is_file():
            return home
    return folder.inputs


def _index(folder: StudyFolder) -> dict[str, Any] | None:
    """None: a study of before, which keeps no inputs."""
    try:
        found = json.loads(folder.inputs_index.read_bytes())
        whole = isinstance(found, dict) and isinstance(found["files"], dict) and {"home", "name"} <= found.keys()
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as error:
        raise StoreFailure(f"{folder.inputs_index}: cannot be read ({error}); restore it from a copy") from None
    if not whole or not all(_is_below(str(place)) for place in [*found["files"].values(), found.get("table", "t")]):
        raise StoreFailure(f"{folder.inputs_index}: it names no files of the study; restore it from a copy")
    return dict(found)


def _is_below(name: str) -> bool:
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def _beside(folder: StudyFolder, other: Path) -> str:
    return os.path.relpath(other.resolve(), folder.root.resolve())


def imported(proto: Path, root: Path, seen: set[Path]) -> Iterator[Path]:
    """The files beside a .proto file that it imports, and that those do."""
    if proto.suffix != ".proto":
        return
    for name in _IMPORT.findall(read_input(proto)):
        below = root / name.decode()
        if _is_below(name.decode()) and below not in seen and below.is_file():
            seen.add(below)
            yield below
            yield from imported(below, root, seen)


def _tables(table: Path) -> tuple[Path, ...] | None:
    """The table that a JSON file behind --table names beside it; None: it lies elsewhere, so neither is kept."""
    if table.suffix != ".json":
        return ()
    name = json.loads(read_input(table)).get("table")
    if name is None:
        return ()
    return (table.parent / str(name),) if _is_below(str(name)) else None
