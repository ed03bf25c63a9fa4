"""A study as one file to send: all that its commands read, less what is secret.

Literal secrets of its manifests and inputs are masked, wherever else they were printed too. Left out are Optuna's store,
which is made anew from the journal, what was live on a cluster (`tune apply`), and everything that is no part of a study.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tuner.manifests.secret_values import masked, secret_values, without
from tuner.printable import last_bytes
from tuner.trials.folder import StudyFolder
from tuner.trials.journal import rewritten, with_texts

_LONGEST_LOG_BYTES = 64 * 1024
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""That a zip file can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A study as others may have it."""

    files: Mapping[str, bytes]
    """By their names within the study's folder."""
    masked: tuple[str, ...]
    """Names of the secrets that are not in it."""


def copied(folder: StudyFolder, mask: Collection[str]) -> Copy:
    """Of a study that may be running: what is whole on the disk. `mask`: names that are secret besides those that look
    so. Raises OSError."""
    secret = _Mask(folder, mask)
    files = {_name(folder, folder.journal): rewritten(folder.journal.read_bytes(), secret.plain)}
    digests = {}
    for path in _files(folder):
        content = path.read_bytes()
        clean = secret.file(path, content)
        files[_name(folder, path)] = clean
        if path.name == "manifest.yaml" and clean != content:
            digests[str(int(path.parent.name))] = hashlib.sha256(clean).hexdigest()[:12]
    if secret.names:
        said = {"names": secret.names, "manifests": digests}
        files[_name(folder, folder.masked)] = json.dumps(said, indent=1).encode()
    return Copy(files=files, masked=secret.names)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip file, which is the same for the same files."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, date_time=_EARLIEST)
            entry.external_attr = 0o600 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return whole.getvalue()


class _Mask:
    """What is secret in a study's own YAML and in its inputs, and texts without it."""

    def __init__(self, folder: StudyFolder, asked: Collection[str]) -> None:
        self._folder, self._asked = folder, asked
        texts = (path.read_bytes().decode(errors="replace") for path in _files(folder) if self._is_yaml(path))
        found = [one for text in texts for one in secret_values(text, asked)]
        self._values = frozenset(one.value for one in found)
        self.names = tuple(dict.fromkeys(one.name for one in found))

    def plain(self, text: str) -> str:
        return without(text, self._values)

    def file(self, path: Path, content: bytes) -> bytes:
        if path.name == "server.log":
            return self.plain(last_bytes(content.decode(errors="replace"), _LONGEST_LOG_BYTES)).encode()
        try:
            text = content.decode()
            if self._is_yaml(path):
                return masked(text, self._asked, self._values).encode()
            if path.suffix == ".json":
                return (json.dumps(with_texts(json.loads(text), self.plain), indent=1) + "\n").encode()
        except ValueError:  # no text, or no JSON: a body in a format of its own
            return content
        return self.plain(text).encode()

    def _is_yaml(self, path: Path) -> bool:
        """JSON among the inputs is YAML, too."""
        return path.suffix in (".yaml", ".yml") or (path.suffix == ".json" and self._folder.inputs in path.parents)


def _files(folder: StudyFolder) -> Iterator[Path]:
    """But the journal."""
    if folder.space.parent == folder.root:  # a study of before
        yield folder.space
    yield from (
        one for one in (folder.inputs_index, folder.answers, folder.best_manifest, folder.report) if one.is_file()
    )
    yield from sorted(path for path in folder.inputs.rglob("*") if path.is_file())
    for trial in sorted((folder.root / "trials").glob("[0-9]*")):
        yield from (path for path in (trial / "manifest.yaml", trial / "server.log") if path.is_file())


def _name(folder: StudyFolder, path: Path) -> str:
    return path.relative_to(folder.root).as_posix()
