"""`Samples` as bytes: numpy's .npz, one array a column."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.errors import GeneratorFailure
from tuner.measure.model import Samples, Tokens

_COLUMNS = {
    "scheduled_s": np.float64,
    "sent_s": np.float64,
    "first_byte_s": np.float64,
    "finished_s": np.float64,
    "status": np.int64,
    "replica": np.int64,
    "waited": np.bool_,
}
_SCALARS = {
    "offered_rps": float,
    "window_s": float,
    "connections": int,
    "generator_cpu_s": float,
    "generator_elapsed_s": float,
    "connects": int,
}
_OPTIONAL = ("connect_s", "noticed_s")
_OPTIONAL_SCALARS = ("generator_starved_s", "busiest_cpu_ratio")
_ROW, _AT, _TIMING = "tokens/row", "tokens/at_s", "server_timing_s/"
"""What only some windows have."""


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
    arrays |= {
        name: value for name in (*_OPTIONAL, *_OPTIONAL_SCALARS) if (value := getattr(samples, name)) is not None
    }
    if samples.tokens is not None:
        arrays |= {_ROW: samples.tokens.row, _AT: samples.tokens.at_s}
    arrays |= {_TIMING + name: column for name, column in samples.server_timing_s.items()}
    np.savez(content, **arrays)
    return content.getvalue()


def load(content: bytes, where: str) -> Samples:
    """What `dump` made of samples; `where` it was found is for the message of the GeneratorFailure that it may raise."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            columns: dict[str, Any] = {name: _column(file[name], kind) for name, kind in _COLUMNS.items()}
            scalars: dict[str, Any] = {name: kind(file[name][()]) for name, kind in _SCALARS.items()}
            columns |= {name: _column(file[name], np.float64) for name in _OPTIONAL if name in file}
            scalars |= {name: float(file[name][()]) for name in _OPTIONAL_SCALARS if name in file}
            timing = {
                name.removeprefix(_TIMING): _column(file[name], np.float64)
                for name in file.files
                if name.startswith(_TIMING)
            }
            tokens = None
            if _ROW in file:
                tokens = Tokens(row=_column(file[_ROW], np.int64), at_s=_column(file[_AT], np.float64))
    except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise GeneratorFailure(f"{where} does not hold the samples of a load window: {error}") from None
    lengths = {name: len(column) for name, column in (*columns.items(), *timing.items())}
    if len(set(lengths.values())) != 1:
        raise GeneratorFailure(f"{where} holds columns of different lengths: {lengths}")
    return Samples(**columns, **scalars, tokens=tokens, server_timing_s=MappingProxyType(timing))


def _column(column: npt.NDArray[Any], kind: type) -> npt.NDArray[Any]:
    if column.ndim != 1 or column.dtype != kind:
        raise ValueError(f"a column is {column.dtype} with shape {column.shape}")
    return column
