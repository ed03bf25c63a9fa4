"""Ranges that follow from the hardware a container asks for; where it asks for none, what a small machine allows."""

from __future__ import annotations

import math

from tuner.manifests.servers.model import Hardware
from tuner.space.model import Choices, Domain, FloatRange, IntRange

_MOST = 64
"""Of processes or threads, whatever is asked for."""
_GIB = 1 << 30


def processes(hardware: Hardware) -> Domain:
    """One for each core at most, but two are worth a try on one core."""
    return IntRange(low=1, high=_cores(hardware, least=2, unknown=4))


def processes_or_none(hardware: Hardware) -> Domain:
    return IntRange(low=0, high=_cores(hardware, least=2, unknown=4))


def waiting_threads(hardware: Hardware) -> Domain:
    """Of threads that mostly wait: up to four for each core."""
    return IntRange(low=1, high=min(_MOST, 4 * _cores(hardware, least=2, unknown=4)), log=True)


def computing_threads(hardware: Hardware) -> Domain:
    """Of threads that compute: as many as cores."""
    return IntRange(low=1, high=_cores(hardware, least=2, unknown=8), log=True)


def devices(hardware: Hardware) -> Domain:
    """Powers of two up to the number of GPUs: models are split evenly."""
    return Choices(values=tuple(2**power for power in range(max(hardware.gpus or 1, 1).bit_length())))


def copies(hardware: Hardware) -> Domain:
    """Of a model: up to four on each GPU, or one for each core."""
    return IntRange(low=1, high=4 * hardware.gpus) if hardware.gpus else processes(hardware)


def sequences(hardware: Hardware) -> Domain:
    """Of requests that a language model works on at once, on a GPU unless it is known that there is none."""
    return IntRange(low=2, high=64, log=True) if hardware.gpus == 0 else IntRange(low=16, high=512, log=True)


def step_tokens(hardware: Hardware) -> Domain:
    """Of tokens that a language model takes in at once; as `sequences`."""
    return Choices(values=(512, 1024, 2048, 4096) if hardware.gpus == 0 else (2048, 4096, 8192, 16384))


def cache_gib(hardware: Hardware) -> Domain:
    """Whole GiB of main memory for a key-value cache: an eighth to a half of what there is."""
    memory = hardware.memory_bytes / _GIB if hardware.memory_bytes else 16.0
    return Choices(values=tuple(dict.fromkeys(max(1, round(memory * part)) for part in (1 / 8, 1 / 4, 1 / 2))))


def _cores(hardware: Hardware, *, least: int, unknown: int) -> int:
    if hardware.cores is None:
        return unknown
    return max(least, min(_MOST, math.ceil(hardware.cores)))


def share(low: float, high: float) -> Domain:
    return FloatRange(low=low, high=high, step=0.05)
