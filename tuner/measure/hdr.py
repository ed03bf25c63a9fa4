"""Latencies as a log of HdrHistogram, for the tools that read it (histogram log analyzers, plotters, other testers).

Written from the published format: version 1.3 of the log, of lines whose histograms are in the V2 encoding, compressed
and in base64 (hdrhistogram.org; Tene, *HdrHistogram: A High Dynamic Range Histogram*).
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tuner.files import write
from tuner.measure.samples import Samples
from tuner.statistics.model import FloatArray, IntArray

SIGNIFICANT_DIGITS = 3
HIGHEST_NS = 3_600_000_000_000
"""An hour; what took longer counts as an hour."""
INTERVAL_S = 1.0

_HALF = 10
"""Binary digits of half a bucket: the smallest power of two that tells 3 decimal digits apart is 2 ** (10 + 1)."""
_V2 = 0x1C849303 | 0x10
_V2_COMPRESSED = 0x1C849304 | 0x10
_NS = 1e9
_MS = 1e-6
"""Nanoseconds in the histogram, milliseconds as the line's greatest value, as is usual."""


def write_log(samples: Samples, path: Path, tag: str = "", *, started_s: float | None = None) -> None:
    """Write the latencies of one window, a line a second by when requests were scheduled, to `path`.

    Latencies count from the scheduled instant, in nanoseconds, so there is nothing for a reader to correct for
    coordinated omission. Good answers are counted, and requests never answered in time with what they had waited:
    without them a server that drops slow requests would look fast. Failures that ended at once carry no latency.

    `started_s`: when the window started, in seconds since 1970; without it the log's times are since that start.
    Raises ValueError for a tag with a comma or white space, StoreFailure when the file cannot be written.
    """
    write(path, "".join(f"{line}\n" for line in log_lines(samples, tag, started_s)).encode())


def log_lines(samples: Samples, tag: str = "", started_s: float | None = None) -> Iterator[str]:
    """The lines of `write_log`."""
    if any(character.isspace() or character == "," for character in tag):
        raise ValueError(f"{tag!r} cannot be a tag of a histogram log; leave out commas and white space")
    # NaN for those that carry no latency
    waits_s, unanswered = (
        np.where(samples.good | samples.censored, samples.waits_s, np.nan),
        int(samples.censored.sum()),
    )
    yield "#[Histogram log format version 1.3]"
    yield "#[Latencies count from the scheduled instant, in nanoseconds]"
    if unanswered:
        yield f"#[{unanswered} requests never answered in time are counted with what they had waited]"
    if started_s is not None:
        at = datetime.fromtimestamp(started_s, UTC).isoformat(timespec="milliseconds")
        yield f"#[StartTime: {started_s:.3f} (seconds since epoch), {at}]"
        yield f"#[BaseTime: {started_s:.3f} (seconds since epoch)]"
    yield '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
    label = f"Tag={tag}," if tag else ""
    for second in range(max(1, math.ceil(samples.window_s / INTERVAL_S - 1e-9))):
        begin = second * INTERVAL_S
        last = begin + INTERVAL_S >= samples.window_s - 1e-9
        end = samples.window_s if last else begin + INTERVAL_S
        within = (samples.scheduled_s >= begin) & ((samples.scheduled_s < end) | last)
        values = _nanoseconds(waits_s[within & np.isfinite(waits_s)])
        greatest = _highest_equivalent(int(values.max())) * _MS if len(values) else 0.0
        yield f"{label}{begin:.3f},{end - begin:.3f},{greatest:.3f},{encode(values)}"


def encode(values_ns: IntArray) -> str:
    """A histogram of whole nanoseconds, each from 0 to an hour, in the V2 encoding, compressed and in base64."""
    counts = np.bincount(_indices(values_ns)) if len(values_ns) else np.zeros(0, np.int64)
    body = b"".join(_leb128(_zigzag(number)) for number in _runs(counts))
    payload = struct.pack(">iiiiqqd", _V2, len(body), 0, SIGNIFICANT_DIGITS, 1, HIGHEST_NS, 1.0) + body
    squeezed = zlib.compress(payload)
    return base64.b64encode(struct.pack(">ii", _V2_COMPRESSED, len(squeezed)) + squeezed).decode()


def _nanoseconds(seconds: FloatArray) -> IntArray:
    whole: IntArray = np.clip(np.rint(seconds * _NS), 1, HIGHEST_NS).astype(np.int64)
    return whole


def _indices(values_ns: IntArray) -> IntArray:
    """Which counter each value adds to: linear up to 2 ** (_HALF + 1), then half as fine with every power of two."""
    bucket = np.maximum(np.frexp(values_ns.astype(np.float64))[1].astype(np.int64) - (_HALF + 1), 0)
    found: IntArray = (bucket << _HALF) + (values_ns >> bucket)
    return found


def _highest_equivalent(value_ns: int) -> int:
    """The greatest value that is counted where this one is."""
    bucket = max(value_ns.bit_length() - (_HALF + 1), 0)
    return (((value_ns >> bucket) + 1) << bucket) - 1


def _runs(counts: IntArray) -> Iterator[int]:
    """The counters in order, with a run of several zeros as one negative number."""
    before = -1
    for index in np.flatnonzero(counts).tolist():
        zeros = index - before - 1
        if zeros:
            yield -zeros if zeros > 1 else 0
        yield int(counts[index])
        before = index


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else ((-number) << 1) - 1


def _leb128(number: int) -> bytes:
    """Seven bits a byte, least significant first; the format's ninth byte, of eight bits, is for counts beyond 2**55."""
    parts = bytearray()
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)
