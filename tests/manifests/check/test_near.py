"""Knobs a slip away from what the manifest has, or its server reads."""

from __future__ import annotations

import pytest

from tests.manifests.spaces import choice, manifest, space
from tuner.manifests.check.knobs import check
from tuner.manifests.check.warnings import warnings


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("env/GUNICORN_WORKER", "the manifest has env/GUNICORN_WORKERS; write env/GUNICORN_WORKERS, if that is meant"),
        ("env/OMP_NUM_THREAD", "its server reads env/OMP_NUM_THREADS; write env/OMP_NUM_THREADS, if that is meant"),
        ("args/--log-levle", "the manifest has args/--log-level; write args/--log-level, if that is meant"),
        ("env/GUNICORN_THREADS", None),
        ("env/GUNICORN_WORKERS", None),
        ("env/OMP_NUM_THREADS", None),
        ("args/--log_level", None),
        ("args/--workers", None),
    ],
)
def test_a_slip_is_told_with_what_was_meant(target: str, said: str | None) -> None:
    knobs = space(choice("knob", ("1", "2"), target))
    assert check(knobs, manifest()) == ()
    found = [str(one) for one in warnings(knobs, manifest())]
    assert found == ([f"space.yaml:7: knob sets {target}, which is not in the manifest; {said}"] if said else [])
