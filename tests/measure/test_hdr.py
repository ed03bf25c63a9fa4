"""Our histogram logs, read by the `hdrhistogram` package."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.measure.queues import Server, exponential, samples
from tuner.errors import StoreFailure
from tuner.measure.hdr import HIGHEST_NS, encode, log_lines, write_log
from tuner.measure.samples import Status

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    histogram = pytest.importorskip("hdrh.histogram")
    log = pytest.importorskip("hdrh.log")


def reference(values: list[int]):  # type: ignore[no-untyped-def]
    made = histogram.HdrHistogram(1, HIGHEST_NS, 3)
    for value in values:
        made.record_value(value)
    return made


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, HIGHEST_NS) | st.integers(1, 5000), min_size=1, max_size=60))
def test_every_value_is_counted_where_the_reference_counts_it(values: list[int]) -> None:
    ours = histogram.HdrHistogram.decode(encode(np.array(values, np.int64)))
    theirs = reference(values)
    assert ours.get_total_count() == len(values)
    for percentile in (0, 1, 25, 50, 90, 99, 99.9, 100):
        assert ours.get_value_at_percentile(percentile) == theirs.get_value_at_percentile(percentile)
    assert ours.get_max_value() == theirs.get_max_value()
    assert ours.get_min_value() == theirs.get_min_value()
    assert [ours.get_count_at_value(value) for value in values] == [
        theirs.get_count_at_value(value) for value in values
    ]


def test_an_empty_histogram_can_be_read() -> None:
    assert histogram.HdrHistogram.decode(encode(np.zeros(0, np.int64))).get_total_count() == 0


def read(path: Path):  # type: ignore[no-untyped-def]
    reader = log.HistogramLogReader(str(path), histogram.HdrHistogram(1, HIGHEST_NS, 3))
    found = []
    with reader.input_file:
        while (one := reader.get_next_interval_histogram()) is not None:
            found.append(one)
    return found, reader.get_start_time_sec()


def test_a_window_is_a_line_a_second(tmp_path: Path) -> None:
    seen = Server(exponential(0.002)).open_loop(np.random.default_rng(0), 300.0, 3.5)
    path = tmp_path / "latency.hlog"
    write_log(seen, path, "baseline", started_s=1_700_000_000.25)
    intervals, start_s = read(path)
    assert start_s == 1_700_000_000.25
    assert len(intervals) == 4
    assert [one.get_tag() for one in intervals] == ["baseline"] * 4
    assert [one.get_start_time_stamp() for one in intervals] == [1_700_000_000_250 + 1000 * k for k in range(4)]
    assert intervals[-1].get_end_time_stamp() - intervals[-1].get_start_time_stamp() == pytest.approx(500)
    whole = histogram.HdrHistogram(1, HIGHEST_NS, 3)
    for one in intervals:
        whole.add(one)
    assert whole.get_total_count() == len(seen)
    latency_ns = np.sort(seen.finished_s - seen.scheduled_s) * 1e9
    for percentile in (50, 90, 99):
        exact = latency_ns[int(len(seen) * percentile / 100 + 0.5) - 1]
        assert whole.get_value_at_percentile(percentile) == pytest.approx(exact, rel=2e-3)


def test_what_was_never_answered_counts_with_what_it_waited(tmp_path: Path) -> None:
    due = np.arange(100) / 100
    latency = np.full(100, 0.01)
    latency[50] = 30.0
    status = np.full(100, 200)
    status[10:20] = 503
    seen = samples(due, due + latency, window_s=1.0, offered_rps=100.0, status=status, timeout_s=5.0)
    assert seen.status[50] == Status.TIMED_OUT
    write_log(seen, tmp_path / "a.hlog")
    ((one,), _) = read(tmp_path / "a.hlog")
    assert one.get_total_count() == 90
    assert one.get_max_value() == pytest.approx(5e9, rel=2e-3)
    assert (
        "#[1 requests never answered in time are counted with what they had waited]"
        in (tmp_path / "a.hlog").read_text().splitlines()
    )


def test_the_header_and_a_line_look_as_published() -> None:
    seen = samples(np.array([0.5]), np.array([0.501]), window_s=1.0, offered_rps=1.0)
    first, *_, legend, line = log_lines(seen, "A")
    assert first == "#[Histogram log format version 1.3]"
    assert legend == '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
    assert line.startswith("Tag=A,0.000,1.000,1.000,HISTFAAAA")


@pytest.mark.parametrize("tag", ["a b", "a,b", "a\n"])
def test_a_tag_that_would_break_the_line_is_refused(tag: str, tmp_path: Path) -> None:
    seen = samples(np.array([0.5]), np.array([0.501]), window_s=1.0, offered_rps=1.0)
    with pytest.raises(ValueError, match="cannot be a tag"):
        write_log(seen, tmp_path / "a.hlog", tag)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    seen = samples(np.array([0.5]), np.array([0.501]), window_s=1.0, offered_rps=1.0)
    (tmp_path / "file").touch()
    with pytest.raises(StoreFailure, match="could not be written"):
        write_log(seen, tmp_path / "file" / "a.hlog")
