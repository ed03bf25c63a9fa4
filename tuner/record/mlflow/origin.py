"""Where a study comes from, as far as this machine tells: who runs it, of which commit, with what requests."""

from __future__ import annotations

import getpass
import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tuner.space.model import SearchSpace

Requests = tuple[str, str, Mapping[str, int]]
"""A name, a digest, and by file name the bytes of each."""
_LONGEST_NAME = 250
_GIT_S = 5.0


def user() -> str:
    """Empty: it is not known."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in many containers
        return ""


def commit_of(folder: Path) -> str:
    """The git commit that a folder is at; empty: it is in no repository, or there is no git."""
    command = ["git", "-C", str(folder), "rev-parse", "--verify", "HEAD"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stdout.strip() if told.returncode == 0 else ""


def requests_of(space: SearchSpace) -> Requests:
    """The request files of a search space; those that cannot be read are left out."""
    digest, sizes = hashlib.sha256(), {}
    for request in space.workload.requests:
        try:
            content = request.path.read_bytes()
        except OSError:
            continue
        digest.update(len(content).to_bytes(8, "big") + content)
        sizes[request.path.name] = len(content)
    return ", ".join(sizes)[:_LONGEST_NAME], digest.hexdigest()[:16], sizes
