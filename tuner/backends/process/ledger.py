"""What is running for whom, on disk: after a kill -9 the next start finds and removes what was left behind."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from tuner.backends.process.container.processes import ProcessId, boot_id, identify, kill_all, session_members, tree
from tuner.backends.process.sandbox import cgroup


def default_folder() -> Path:
    """``$XDG_STATE_HOME/tuner/running``, by default below ``~/.local/state``."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "tuner" / "running"


class Entry:
    """The record of one deployment: written before anything starts, removed when all is gone."""

    def __init__(self, folder: Path, label: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._file = folder / f"{self.name}.json"
        self._label = label
        self._processes: list[ProcessId] = []
        self.groups: list[Path] = []
        self._folders: list[Path] = []
        self._write()

    def add(
        self, *, process: ProcessId | None = None, groups: tuple[Path, ...] = (), folder: Path | None = None
    ) -> None:
        if process is not None:
            self._processes.append(process)
        self.groups += groups
        self._folders += [folder] if folder is not None else []
        self._write()

    def close(self) -> None:
        self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        record = {
            "label": self._label,
            "boot": boot_id(),
            "tuner": _as_list(identify(os.getpid())),
            "processes": [_as_list(process) for process in self._processes],
            "groups": [str(group) for group in self.groups],
            "folders": [str(folder) for folder in self._folders],
        }
        written = self._file.with_suffix(".new")
        written.write_text(json.dumps(record))
        written.replace(self._file)


def clean(folder: Path) -> tuple[str, ...]:
    """Remove what dead tuners left; a sentence for each deployment. Records of living tuners are not touched."""
    if not folder.is_dir():
        return ()
    sentences = []
    for file in sorted(folder.glob("*.json")):
        try:
            record = json.loads(file.read_text())
            if _living(record):
                continue
            sentences.append(_remove(record))
        except (OSError, ValueError, KeyError, TypeError) as error:
            sentences.append(f"{file} could not be cleaned up and stays: {error}")
            continue
        file.unlink(missing_ok=True)
    for file in folder.glob("*.new"):
        pid = file.name.partition("-")[0]
        if not pid.isdigit() or identify(int(pid)) is None:
            file.unlink(missing_ok=True)
    return tuple(sentences)


def _living(record: dict[str, Any]) -> bool:
    return record["boot"] == boot_id() and ProcessId(pid=record["tuner"][0], start_ticks=record["tuner"][1]).alive()


def _remove(record: dict[str, Any]) -> str:
    killed: set[int] = set()
    if record["boot"] == boot_id():
        killed = _left_behind(record)
        kill_all(killed)
    groups = [Path(group) for group in record["groups"] if Path(group).is_dir()]
    for group in groups:
        cgroup.remove(group)
    folders = [Path(path) for path in record["folders"] if Path(path).is_dir()]
    for path in folders:
        shutil.rmtree(path)
    parts = [
        f"{len(killed)} process{'es' if len(killed) != 1 else ''} ({', '.join(map(str, sorted(killed)))})"
        if killed
        else "",
        f"{len(groups)} control group{'s' if len(groups) != 1 else ''}" if groups else "",
        f"{len(folders)} folder{'s' if len(folders) != 1 else ''}" if folders else "",
    ]
    what = ", ".join(part for part in parts if part) or "nothing but its record"
    return f"removed what {record['label']} left behind when tuner process {record['tuner'][0]} died: {what}"


def _left_behind(record: dict[str, Any]) -> set[int]:
    """Exactly the processes of this record: in its groups, or of a recorded process's tree or session."""
    found: set[int] = set()
    for group in record["groups"]:
        found.update(cgroup.members(Path(group)))
    for pid, start_ticks in record["processes"]:
        now = identify(pid)
        if now is not None and now.start_ticks != start_ticks:
            continue  # the id belongs to someone else now, so nothing of our session is left
        found.update(tree(pid))
        found.update(session_members(pid))
    return {pid for pid in found if (identity := identify(pid)) is not None and identity.alive()}


def _as_list(identity: ProcessId | None) -> list[int]:
    return [identity.pid, identity.start_ticks] if identity is not None else []


def remove_folder(folder: Path) -> None:
    """A process being killed may still write into it, so once more where the first try failed."""
    with suppress(OSError):
        shutil.rmtree(folder)
    shutil.rmtree(folder, ignore_errors=True)
