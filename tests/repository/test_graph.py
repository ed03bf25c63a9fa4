"""The graph of two steps: centimetres out of what people write, and the classifier asked by a real microservice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.repository.ready_spaces import SPACES, answer, iris_module, running
from tuner.errors import TrialFailure

REQUEST = (SPACES / "graph" / "request.json").read_bytes()


@pytest.fixture(scope="module")
def transformed() -> Callable[..., np.ndarray]:
    transform: Callable[..., np.ndarray] = iris_module("Measurements").Measurements().transform_input
    return transform


def test_every_unit_becomes_centimetres(transformed: Callable[..., np.ndarray]) -> None:
    rows = transformed([["6.1 cm", "28 mm", "1.85in", " 1.2 "], ["5", "3.4cm", "15 mm", "0.1 in"]])
    np.testing.assert_allclose(rows, [[6.1, 2.8, 4.699, 1.2], [5.0, 3.4, 1.5, 0.254]])


@pytest.mark.parametrize("cell", ["", "cm", "6,1 cm", "6.1 feet", "-1 cm", "nan"])
def test_what_is_no_measurement_is_refused_with_what_would_be_one(
    transformed: Callable[..., np.ndarray], cell: str
) -> None:
    with pytest.raises(ValueError, match=r"is no measurement; write it as 6\.1 cm, 61 mm or 2\.4 in"):
        transformed([[cell]])


def test_nobody_to_ask_is_told() -> None:
    with pytest.raises(ValueError, match="CLASSIFIER_URL is not set"):
        iris_module("Measurements").Measurements().predict_raw({"data": {"ndarray": [["1", "1", "1", "1"]]}})


@pytest.mark.parametrize("threads", [1, 4], ids=["connections that are closed", "connections that are kept"])
def test_both_steps_answer_as_the_classifier_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transformed: Callable[..., np.ndarray], threads: int
) -> None:
    pytest.importorskip("seldon_core", reason="seldon-core, which serves both steps, is not installed")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    classifier = iris_module("IrisClassifier").IrisClassifier()
    probable = classifier.predict(transformed(json.loads(REQUEST)["data"]["ndarray"]))
    values = {"front_workers": 1, "front_threads": threads, "model_workers": 1, "model_threads": threads}
    with running("graph", values) as url:
        for _ in range(3):
            said = answer(url, "graph", REQUEST)["data"]
            assert said["names"] == classifier.class_names()
            np.testing.assert_allclose(said["ndarray"], probable)
        with pytest.raises(TrialFailure, match=r"6 feet.*is no measurement"):
            answer(url, "graph", REQUEST.replace(b"6.1 cm", b"6 feet"))
