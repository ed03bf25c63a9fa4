"""Imported by a fork server: runs a study, so that its children find everything loaded and go at once."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.study.killed import go

with tempfile.TemporaryDirectory() as folder:
    go(Path(folder))
