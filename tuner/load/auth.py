"""The bearer token of a workload, read where it is kept. It goes to the generator and nowhere else."""

from __future__ import annotations

import os
import re

from tuner.errors import InputError, Mistake, Problem
from tuner.files import read_input
from tuner.workload.model import Bearer

_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
"""RFC 6750, section 2.1."""


def token(bearer: Bearer | None) -> str:
    """The token as it is now (files of tokens are renewed); empty where none is asked for. Raises InputError."""
    if bearer is None:
        return ""
    try:
        return _checked(_read(bearer))
    except Mistake as mistake:
        raise InputError([mistake.at(bearer.where)]) from None


def problems(bearer: Bearer | None) -> tuple[Problem, ...]:
    """What keeps the token from being had."""
    try:
        token(bearer)
    except InputError as error:
        return error.problems
    return ()


def _read(bearer: Bearer) -> str:
    if bearer.env is not None:
        value = os.environ.get(bearer.env)
        if value is None:
            message = f"the environment variable {bearer.env}, which is to hold the bearer token, is not set"
            raise Mistake(message, f"export {bearer.env} before")
        return value
    assert bearer.file is not None  # noqa: S101
    try:
        return read_input(bearer.file).decode("ascii")
    except OSError as error:
        message = f"the bearer token's file {bearer.file} cannot be read: {error.strerror}"
        raise Mistake(message, "name a file that can be read") from None
    except UnicodeDecodeError:
        message = f"the file {bearer.file} holds more than the characters of a bearer token"
        raise Mistake(message, "write nothing but the token into it") from None


def _checked(text: str) -> str:
    """Never shows what it refuses."""
    value = text.strip()
    if not value:
        raise Mistake("the bearer token is empty", "put the token there")
    if not _TOKEN.fullmatch(value):
        raise Mistake(
            "the bearer token holds characters that no such token has (it is not shown)",
            "leave out 'Bearer ', quotes and line breaks",
        )
    return value
