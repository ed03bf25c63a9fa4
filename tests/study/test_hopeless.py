from __future__ import annotations

import pytest

from tests.study.world import trial_of
from tuner.study.hopeless import failed_alike
from tuner.trials.model import Failed


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        (
            "replica 0 exited with status 1 within 192 ms of its start",
            "replica 1 exited with status 1 within 1 s of its start",
            True,
        ),
        ("replica 0 exited with status 1", "replica 0 exited with status 2", False),
        ("pod toy-0-abc12 crashed", "pod toy-1-xyz98 crashed", True),
    ],
)
def test_which_replica_failed_and_when_is_no_difference(first: str, second: str, alike: bool) -> None:
    trials = [
        trial_of(0, Failed(stage="ready", kind="Crashed", reason=first), purpose="baseline"),
        trial_of(1, Failed(stage="ready", kind="Crashed", reason=second)),
    ]
    assert (failed_alike(trials) is not None) is alike
