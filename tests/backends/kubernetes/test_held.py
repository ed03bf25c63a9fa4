"""However a trial ends, its objects are taken down, and the way it ended is what is told."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tuner.backends.kubernetes import backend
from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.trial import teardown
from tuner.backends.kubernetes.trial.anchor import Anchor
from tuner.errors import BackendFailure


class FakeAnchor:
    """Made at once; remembers that it was let go."""

    holding = None
    job: dict[str, Any] = {"metadata": {}}  # noqa: RUF012 - never changed

    def __init__(self) -> None:
        self.beats = True

    def make(self) -> None:
        pass

    def close(self) -> None:
        self.beats = False

    def is_anothers(self) -> bool:
        return False


def held(monkeypatch: pytest.MonkeyPatch, removal: Exception | None) -> tuple[FakeAnchor, Any]:
    def remove(*_: object) -> None:
        if removal is not None:
            raise removal

    monkeypatch.setattr(teardown, "remove", remove)
    anchor = FakeAnchor()
    return anchor, backend._held(cast("Api", None), cast("Anchor", anchor))


def test_an_interrupt_stays_one_though_the_cluster_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    anchor, context = held(monkeypatch, BackendFailure("away"))
    with pytest.raises(KeyboardInterrupt) as raised, context:
        raise KeyboardInterrupt
    assert not anchor.beats
    assert "could not be removed: away" in raised.value.__notes__[0]


def test_a_removal_that_fails_after_a_good_trial_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _, context = held(monkeypatch, BackendFailure("away"))
    with pytest.raises(BackendFailure, match="away"), context:
        pass
