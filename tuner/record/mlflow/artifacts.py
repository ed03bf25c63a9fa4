"""The files that belong to a run, as text: MLflow shows each of them inline, by the end of its name."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from difflib import unified_diff
from pathlib import Path

from tuner.manifests.secret_values import MASK, SHORTEST, masked, secret_values
from tuner.record.mlflow.pictures import front_picture, importance_picture
from tuner.record.mlflow.tables import comparison_table, curve_table, front_table
from tuner.record.mlflow.trial_page import trial_page
from tuner.space.model import SearchSpace
from tuner.study.model import StudyStart, Summary
from tuner.trials.folder import StudyFolder
from tuner.trials.model import Failed, Trial

_LOG_LINES = 200
TRIAL_TABLES = ("latency.json",)
STUDY_TABLES = ("front.json", "comparison.json")
_REPORT = "report.html"


class Artifacts:
    """Of one study. What leaves it is without the literal secrets of the manifest, which others than its readers may
    see in MLflow."""

    def __init__(self, folder: StudyFolder, space: SearchSpace, names: Collection[str]) -> None:
        """`names` are secret, whatever they look like."""
        self._folder = folder
        self._space = space
        values = [one.value for one in secret_values(read(space.manifest), names)]
        self._mask: Callable[[str], str] = lambda text: masked(text, names, values)
        self._values = sorted((one for one in values if len(one) >= SHORTEST), key=len, reverse=True)

    def of_trial(self, trial: Trial, name: str, start: StudyStart, baseline: Trial | None) -> dict[str, str]:
        """By file name. `name`: of its run."""
        manifest = self._mask(read(self._folder.manifest(trial.number)))
        diff = self._diff(manifest, trial) if trial.number else ""
        files = {
            "trial.html": self.hidden(trial_page(trial, name, start, baseline, diff)),
            "manifest.yaml": manifest,
            "manifest.diff.txt": diff,
            "server.log": self._mask(self._log_tail(trial)),
        }
        if trial.measurement is not None:
            files["latency.json"] = json.dumps(curve_table(trial.measurement))
        return _there(files)

    def of_study(self, summary: Summary) -> dict[str, str]:
        """By file name. The report of the study is among them where it was written."""
        files = {
            "front.json": json.dumps(front_table(summary)),
            "comparison.json": json.dumps(comparison_table(summary)),
            "front.svg": front_picture(summary),
            "importance.svg": importance_picture(summary.knowledge),
            "search_space.yaml": self._mask(read(self._space.file)),
            _REPORT: self.hidden(read(self._folder.root / _REPORT)),
        }
        if summary.choice is not None:
            files["chosen.yaml"] = self.manifest(summary)
        return _there(files)

    def manifest(self, summary: Summary) -> str:
        """The chosen one; empty: nothing was chosen."""
        if summary.choice is None:
            return ""
        number = summary.choice.candidate.trial
        return self._mask(read(self._folder.best_manifest) or read(self._folder.manifest(number)))

    def hidden(self, text: str) -> str:
        """A page or a note, in which there is no YAML to be understood, without the values that are secret."""
        for value in self._values:
            text = text.replace(value, MASK)
        return text

    def _diff(self, manifest: str, trial: Trial) -> str:
        before = self._mask(read(self._folder.manifest(0)))
        names = ("baseline/manifest.yaml", f"trial {trial.number}/manifest.yaml")
        if not before or not manifest:
            return ""
        lines = unified_diff(before.splitlines(), manifest.splitlines(), *names, lineterm="")
        return "\n".join(lines)

    def _log_tail(self, trial: Trial) -> str:
        text = read(self._folder.log(trial.number))
        if not text and isinstance(trial.outcome, Failed):
            text = trial.outcome.logs
        return "".join(text.splitlines(keepends=True)[-_LOG_LINES:])


def read(path: Path) -> str:
    """The file's text; empty where there is none, for not every trial leaves every file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def as_tables(names: Collection[str]) -> str:
    """The tag that has MLflow show these files as tables."""
    return json.dumps([{"path": name, "type": "table"} for name in names])


def _there(files: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in files.items() if text}
