"""What the cluster's script tells, and how it gives up."""

from __future__ import annotations

import sys


class CannotError(Exception):
    """The cluster cannot be had here; the text says why and what to do."""


def say(text: str) -> None:
    print(f"cluster: {text}", file=sys.stderr, flush=True)
