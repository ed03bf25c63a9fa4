from __future__ import annotations

from functools import partial

import numpy as np

from tests.breakdown import expositions as tell
from tests.breakdown.test_known_metrics import counted
from tests.measure.timed import samples
from tuner.breakdown.waterfall import Waterfall, waterfall
from tuner.measure.samples import Status
from tuner.record.waterfall import waterfall_lines


def _served(**times_s: float) -> Waterfall:
    return waterfall(samples(), counted(partial(tell.executor, **times_s), tell.microservice, n=1000))


def test_the_table_lies_side_by_side_with_bars_where_there_is_room() -> None:
    lines = waterfall_lines(_served(), width=160)
    heading, latency, *rows = lines
    assert heading.split() == ["latency", "by", "component", "mean", "share", "p50", "p99", "told", "by"]
    assert latency.startswith("latency of 1000 requests")
    assert latency.endswith("█" * 10)
    (executor,) = (line for line in rows if line.startswith("    seldon executor  "))
    assert "8 ms" in executor
    assert "79.6 %" in executor
    assert "server" in executor
    (rest,) = (line for line in rows if "no side accounts for" in line)
    assert "the rest" in rest
    (timer,) = (line for line in rows if "lookup ~" in line)
    assert "%" not in timer
    assert lines[-2:] == (
        "~ lies within or across other parts: it is not added up",
        "seldon executor counted 1000 requests, 1000 were sent",
    )


def test_a_narrow_terminal_gets_the_bucket_and_no_bars() -> None:
    lines = waterfall_lines(_served(), width=60)
    assert not any("█" in line for line in lines)
    (executor,) = (line for line in lines if line.startswith("    seldon executor  "))
    assert "5-10 ms" in executor
    assert all(line == line.rstrip() for line in lines)


def test_a_quantile_beyond_the_last_bucket_is_over_it() -> None:
    found = waterfall(samples(remote_s=20.0), counted(partial(tell.executor, total_s=15.0), n=1000))
    (executor,) = (line for line in waterfall_lines(found) if line.startswith("    seldon executor  "))
    assert executor.count("over 10 s") == 2


def test_contradictions_have_no_figure_and_a_note() -> None:
    lines = waterfall_lines(_served(total_s=0.5))
    (rest,) = (line for line in lines if "no side accounts for" in line)
    assert "inconsistent" in rest
    assert lines[-1].startswith("note: inconsistent: seldon executor took 500 ms of a mean request")


def test_lengths_of_queues_are_no_times() -> None:
    lines = waterfall_lines(waterfall(samples(), counted(tell.mlserver, n=1000)))
    assert any(line.startswith("MLServer: queue to the workers held 1 requests on average") for line in lines)


def test_nothing_answered() -> None:
    status = np.full(1000, Status.CONNECT_FAILED)
    lines = waterfall_lines(waterfall(samples(status=status, finished_s=np.full(1000, np.nan))))
    assert lines == ("latency by component: nothing was answered",)


def test_a_server_cannot_write_into_the_terminal() -> None:
    hostile = partial(tell.vllm, model="a\x1b[2Jb")
    lines = waterfall_lines(waterfall(samples(remote_s=2.5), counted(hostile, n=1000)))
    assert any("vLLM (a?[2Jb)" in line for line in lines)
    assert all(line.isprintable() for line in lines)
