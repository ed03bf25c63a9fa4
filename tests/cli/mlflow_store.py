"""An empty MLflow store, made once: MLflow takes five seconds of CPU time to make one, most of what a short study takes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

_MAKES = "import sys; from tuner.record.mlflow.store import opened; opened(sys.argv[1])"


def give_store(file: Path) -> None:
    """Put it there, unless there is one."""
    if not file.exists():
        shutil.copy(_made(), file)


def _made() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tuner" / "tests"
    file = cache / f"mlflow-{version('mlflow')}.db"
    if not file.exists():  # there as a whole or not at all, whoever else makes it now
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-c", _MAKES, f"sqlite:///{file}"], check=True, cwd=cache)
    return file
