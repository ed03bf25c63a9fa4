"""An empty MLflow store, made once: MLflow takes five seconds of CPU time to make one, most of what a short study takes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from tests.cluster.places import cache

OPENS = "import sys; from tuner.record.mlflow.store import opened; opened(sys.argv[1])"
"""A program that opens the store at the address it is given, made where there is none."""


def give_store(file: Path) -> None:
    """Put it there, unless there is one."""
    if not file.exists():
        shutil.copy(_made(), file)


def _made() -> Path:
    kept = cache().with_name("tests")
    file = kept / f"mlflow-{version('mlflow')}.db"
    if not file.exists():  # there as a whole or not at all, whoever else makes it now
        kept.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-c", OPENS, f"sqlite:///{file}"], check=True, cwd=kept)
    return file
