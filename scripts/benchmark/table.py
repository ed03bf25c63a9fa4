"""What a benchmark prints: a table in Markdown, and the machine it was measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first column is text, all others are figures."""
    whole = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in whole) for column in range(len(head))]
    lines = [
        "| " + " | ".join(_padded(cell, width, index) for index, (cell, width) in enumerate(zip(row, widths))) + " |"  # noqa: B905
        for row in whole
    ]
    rule = (
        "| " + " | ".join("-" * (width - (index > 0)) + ":" * (index > 0) for index, width in enumerate(widths)) + " |"
    )
    return "\n".join((lines[0], rule, *lines[1:]))


def machine(**tools: str) -> str:
    """One sentence: when and on what it was measured. `tools`: versions, by name."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    others = "".join(f", {name} {number}" for name, number in tools.items())
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} CPUs ({model}), {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, uvloop {version('uvloop')}{others}"
    )


def _padded(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column else cell.ljust(width)
