"""A small real study of the toy server, and whether its three books (journal, Optuna, MLflow) say the same."""

from __future__ import annotations

import re
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path

from tests.cli.tune import TOY
from tuner.trials.folder import StudyFolder
from tuner.trials.journal import JournalContents, read


def quick_space(folder: Path) -> Path:
    """The toy search space with windows of a fraction of a second and a short race, beside a copy of what it needs."""
    shutil.copytree(TOY, folder / "toy")
    shutil.copy(TOY.parent / "toy.py", folder / "toy.py")
    space = folder / "toy" / "space.yaml"
    text = space.read_text()
    text = text.replace("rate: 100/s", "rate: 100/s\n  warm_up: 100ms\n  duration: 1s\n  step: 300ms")
    text = text.replace("budget: {trials: 4}", "budget: {trials: 4, confirm: 1}")
    # a hundred requests carry no p99
    space.write_text(text.replace("latency_p99: 100ms", "latency_p90: 200ms"))
    return space.parent


@dataclass(frozen=True)
class Books:
    """What each of the three holds, by trial number: the digest of the manifest, and how the trial ended."""

    journal: dict[int, str]
    optuna: dict[int, str]
    mlflow: dict[int, str]


def journal(folder: Path, name: str = "toy") -> JournalContents:
    return read(StudyFolder(folder / "studies" / name).journal)


def agreed_books(folder: Path, name: str = "toy") -> Books:
    """All three, which must say the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of MLflow's own parts when they are first loaded
        kept = _books(folder, name)
    assert kept.journal == kept.optuna == kept.mlflow, kept
    return kept


def _books(folder: Path, name: str) -> Books:
    import optuna
    from mlflow import MlflowClient

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    held = journal(folder, name)
    url = f"sqlite:///{folder / 'studies' / name / 'optuna.db'}"
    (study,) = optuna.get_all_study_summaries(url)
    trials = optuna.load_study(study_name=study.study_name, storage=url).trials
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    children = [run for run in runs if "tuner.trial" in run.data.tags]
    assert len({run.data.tags["tuner.trial"] for run in children}) == len(children), "a trial is in MLflow twice"
    return Books(
        journal={trial.number: trial.manifest_digest for trial in held.trials},
        optuna={trial.number: trial.user_attrs["digest"] for trial in trials},
        mlflow={int(run.data.tags["tuner.trial"]): run.data.tags["digest"] for run in children},
    )


def processes_below(folder: Path) -> list[int]:
    """Processes with a path below `folder` in their environment, command line or working folder."""
    mine = str(folder).encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            texts = [
                (entry / "cmdline").read_bytes(),
                (entry / "environ").read_bytes(),
                bytes((entry / "cwd").readlink()),
            ]
        except OSError:
            continue
        if any(re.search(re.escape(mine) + rb"(/|\0|$)", text) for text in texts):
            found.append(int(entry.name))
    return found


def cgroups_of(study_id: str) -> list[Path]:
    return [path for path in Path("/sys/fs/cgroup").glob(f"**/*tuner-{study_id}*") if path.is_dir()]
