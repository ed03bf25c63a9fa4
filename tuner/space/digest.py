"""The digest of everything that decides what a study does."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tuner.errors import InputError
from tuner.files import read_input
from tuner.space.model import SearchSpace
from tuner.workload.shapes import Trace


def input_files(space: SearchSpace) -> tuple[Path, ...]:
    """Those that the digest is of, the search-space file first."""
    files = [space.file, space.manifest, *(request.path for request in space.workload.requests)]
    if isinstance(space.workload.shape, Trace):
        files.append(space.workload.shape.path)
    if space.workload.check.schema is not None:
        files.append(space.workload.check.schema)
    if space.workload.proto is not None and "://" not in space.workload.proto:
        files.append(Path(space.workload.proto))
    return tuple(files)


def input_digest(space: SearchSpace) -> str:
    """Sixteen hex digits of a SHA-256 over the search-space file, the manifest, the request files, the trace, the
    schema of answers and the .proto file (what it imports aside).

    Contents count, not paths: a folder that was moved keeps its digest. Raises InputError naming a file that cannot
    be read.
    """
    digest = hashlib.sha256()
    for path in input_files(space):
        try:
            content = read_input(path)
        except OSError as error:
            raise InputError.at(path, f"cannot be read: {error.strerror}", "restore the file") from error
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()[:16]
