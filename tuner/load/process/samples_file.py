"""`Samples` as bytes: numpy's .npz, one array a field. What a window does not have is left out."""

from __future__ import annotations

import io
import zipfile
from dataclasses import fields
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.errors import GeneratorFailure
from tuner.measure.samples import Samples, Tokens

_COLUMNS = {"FloatArray": np.float64, "IntArray": np.int64, "BoolArray": np.bool_}
_SCALARS = {"float": float, "int": int, "str": str}
"""By the type that a field of `Samples` says it has."""
_ROW, _AT, _TIMING = "tokens/row", "tokens/at_s", "server_timing_s/"


def dump(samples: Samples) -> bytes:
    content = io.BytesIO()
    arrays: dict[str, Any] = {field.name: getattr(samples, field.name) for field in fields(samples)}
    tokens, timings = arrays.pop("tokens"), arrays.pop("server_timing_s")
    if tokens is not None:
        arrays |= {_ROW: tokens.row, _AT: tokens.at_s}
    arrays |= {_TIMING + name: column for name, column in timings.items()}
    np.savez(content, **{name: value for name, value in arrays.items() if value is not None})
    return content.getvalue()


def load(content: bytes, where: str) -> Samples:
    """What `dump` made of samples; raises GeneratorFailure, which says `where` it was found, for anything else."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            columns: dict[str, Any] = {}
            scalars: dict[str, Any] = {}
            for field in fields(Samples):
                kind, _, optional = str(field.type).partition(" | ")
                if optional and field.name not in file:
                    continue
                if kind in _COLUMNS:
                    columns[field.name] = _column(file[field.name], _COLUMNS[kind])
                elif kind in _SCALARS:
                    scalars[field.name] = _SCALARS[kind](file[field.name][()])
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
