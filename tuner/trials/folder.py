"""Where a study keeps its files.

studies/NAME/
├── journal.jsonl         the truth: one line an event, fsynced
├── inputs/               the search space and all that it names, as they were when the study began
├── inputs.json           which of them is which, and where they came from
├── optuna.db             Optuna's store (unless another URL was given); can be made anew from the journal
├── answers.json          what the baseline answered; every configuration must answer the same
├── trials/0003/          manifest.yaml as deployed, server.log
├── best.yaml             the exported manifest of the chosen configuration
├── masked.json           in a copy for others: what was masked in it
├── applied/TIME/         what was applied to a cluster, and what was live there before
├── report.json           everything a report needs, in one file
└── report.html           the report: a page that loads nothing
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import InputError, Mistake
from tuner.printable import shortened

_NAME = re.compile(r"\w[\w. -]{0,78}\w|\w")


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """Paths inside one study's folder. Nothing is created until a path is written to."""

    root: Path

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def called(self) -> str:
        """What the commands know it by in this working folder: its name, or its path where it is kept elsewhere."""
        return self.name if self.root.parent == Path("studies") else str(self.root)

    @property
    def journal(self) -> Path:
        return self.root / "journal.jsonl"

    @property
    def inputs(self) -> Path:
        return self.root / "inputs"

    @property
    def inputs_index(self) -> Path:
        return self.root / "inputs.json"

    @property
    def space(self) -> Path:
        """The search space as it was when the study began; studies of before kept nothing else of their inputs."""
        kept = self.inputs / "space.yaml"
        return kept if kept.exists() or not (self.root / "space.yaml").exists() else self.root / "space.yaml"

    @property
    def storage_url(self) -> str:
        return f"sqlite:///{self.root / 'optuna.db'}"

    @property
    def answers(self) -> Path:
        return self.root / "answers.json"

    @property
    def best_manifest(self) -> Path:
        return self.root / "best.yaml"

    @property
    def report(self) -> Path:
        return self.root / "report.json"

    @property
    def masked(self) -> Path:
        return self.root / "masked.json"

    @property
    def page(self) -> Path:
        return self.root / "report.html"

    @property
    def applied(self) -> Path:
        return self.root / "applied"

    def trial(self, number: int) -> Path:
        return self.root / "trials" / f"{number:04d}"

    def manifest(self, number: int) -> Path:
        return self.trial(number) / "manifest.yaml"

    def log(self, number: int) -> Path:
        return self.trial(number) / "server.log"


def checked_name(name: str) -> str:
    """A study's name, which names a folder of its own among the studies. Raises InputError."""
    if not _NAME.fullmatch(name):
        fix = "use at most 80 letters, digits, '-', '_', '.' and spaces; --studies says in which folder"
        raise InputError.at("--name", f"{shortened(name, 80)!r} is no name of a study", fix)
    return name


def known(studies: Path, start: str = "") -> list[str]:
    """The names of the studies in a folder, of those that begin with `start`."""
    return sorted(folder.name for folder in studies.glob(f"{start}*/") if StudyFolder(folder).journal.exists())


def find(name: str, studies: Path) -> StudyFolder:
    """A study by its name among `studies`, or by the path of its folder. Raises Mistake that lists those there are."""
    for folder in (StudyFolder(studies / name), StudyFolder(Path(name))):
        if name and folder.journal.is_file():
            return folder
    there = ", ".join(known(studies))
    fix = f"there are: {there}" if there else f"{studies}/ holds none; `tune run` makes one"
    raise Mistake(f"no study {name!r} is here", fix)
