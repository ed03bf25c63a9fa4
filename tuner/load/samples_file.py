"""`Samples` as bytes: numpy's .npz, one array a column."""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.errors import GeneratorFailure
from tuner.measure.model import Samples

_COLUMNS = {
    "scheduled_s": np.float64,
    "sent_s": np.float64,
    "first_byte_s": np.float64,
    "finished_s": np.float64,
    "status": np.int64,
    "replica": np.int64,
    "waited": np.bool_,
}
_SCALARS = {field.name: float for field in fields(Samples) if field.name not in _COLUMNS} | {"connections": int}


def write(samples: Samples, path: Path) -> None:
    """Write the file whole or not at all. Raises OSError."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(dump(samples))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path) -> Samples:
    """Read what `write` wrote. Raises GeneratorFailure when the file is not that."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GeneratorFailure(f"{path} does not hold the samples of a load window: {error}") from None
    return load(content, str(path))


def dump(samples: Samples) -> bytes:
    content = io.BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(getattr(samples, name)) for name in (*_COLUMNS, *_SCALARS)}
    np.savez(content, **arrays)
    return content.getvalue()


def load(content: bytes, where: str) -> Samples:
    """What `dump` made of samples; `where` it was found is for the message of the GeneratorFailure that it may raise."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            columns: dict[str, Any] = {name: _column(file[name], kind) for name, kind in _COLUMNS.items()}
            scalars: dict[str, Any] = {name: kind(file[name][()]) for name, kind in _SCALARS.items()}
    except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise GeneratorFailure(f"{where} does not hold the samples of a load window: {error}") from None
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) != 1:
        raise GeneratorFailure(f"{where} holds columns of different lengths: {lengths}")
    return Samples(**columns, **scalars)


def _column(column: npt.NDArray[Any], kind: type) -> npt.NDArray[Any]:
    if column.ndim != 1 or column.dtype != kind:
        raise ValueError(f"a column is {column.dtype} with shape {column.shape}")
    return column
