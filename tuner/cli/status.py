"""Exit statuses of the commands, as the README lists them."""

from __future__ import annotations

FINE, NOTHING_FEASIBLE, BAD_INPUT, ENVIRONMENT_FAILED, BUG, INTERRUPTED = 0, 1, 2, 3, 70, 130
ROLLED_BACK = SLO_MISSED = WORSE = 1
CANNOT_TELL = 3
