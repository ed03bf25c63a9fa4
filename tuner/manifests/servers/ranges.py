"""Ranges that follow from the hardware a container asks for; where it asks for none, what a small machine allows."""

from __future__ import annotations

import math

from tuner.manifests.servers.model import Hardware
from tuner.space.model import Choices, Domain, FloatRange, IntRange

_MOST = 64
"""Of processes or threads, whatever is asked for."""


def processes(hardware: Hardware) -> Domain:
    """One for each core at most, but two are worth a try on one core."""
    return IntRange(low=1, high=_cores(hardware, least=2, unknown=4))


def processes_from_none(hardware: Hardware) -> Domain:
    return IntRange(low=0, high=_cores(hardware, least=2, unknown=4))


def waiting_threads(hardware: Hardware) -> Domain:
    """Of threads that mostly wait: up to four for each core."""
    return IntRange(low=1, high=min(_MOST, 4 * _cores(hardware, least=2, unknown=4)), log=True)


def computing_threads(hardware: Hardware) -> Domain:
    """Of threads that compute: as many as cores."""
    return IntRange(low=1, high=_cores(hardware, least=2, unknown=8), log=True)


def devices(hardware: Hardware) -> Domain:
    """Powers of two up to the number of GPUs: models are split evenly."""
    return Choices(values=tuple(2**power for power in range(max(hardware.gpus, 1).bit_length())))


def copies(hardware: Hardware) -> Domain:
    """Of a model: a few on each GPU, or as many as cores."""
    return IntRange(low=1, high=4 * hardware.gpus) if hardware.gpus else processes(hardware)


def share(low: float, high: float) -> Domain:
    return FloatRange(low=low, high=high, step=0.05)


def logarithmic(low: int, high: int) -> Domain:
    return IntRange(low=low, high=high, log=True)


def _cores(hardware: Hardware, *, least: int, unknown: int) -> int:
    if hardware.cores is None:
        return unknown
    return max(least, min(_MOST, math.ceil(hardware.cores)))
