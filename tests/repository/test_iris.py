"""The model of the first search space: what is committed is what its training script makes, and it is any good."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.repository.checkout import ROOT
from tests.repository.ready_spaces import iris_module

MODEL = ROOT / "search_spaces" / "iris" / "model"


@pytest.fixture(scope="module")
def classifier() -> ModuleType:
    return iris_module("IrisClassifier")


def test_the_shipped_request_is_answered(classifier: ModuleType) -> None:
    request = json.loads((ROOT / "search_spaces" / "iris" / "request.json").read_text(encoding="utf-8"))["data"]
    model = classifier.IrisClassifier()
    answer = model.predict(np.array(request["ndarray"]), request["names"])
    assert model.class_names()[int(answer[0].argmax())] == "versicolor"
    assert answer.sum() == pytest.approx(1.0, abs=1e-8)
    assert answer.tolist() == np.round(answer, 9).tolist()


def test_a_row_of_another_length_is_refused_with_its_shape(classifier: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"a row has 4 numbers \(cm\), but the request's shape is \(1, 3\)"):
        classifier.IrisClassifier().predict([[1.0, 2.0, 3.0]])


def test_measurements_far_outside_do_not_overflow(classifier: ModuleType) -> None:
    answer = classifier.IrisClassifier().predict([[1e6, -1e6, 1e6, -1e6]])
    assert np.isfinite(answer).all()


def test_training_makes_the_committed_weights(tmp_path: Path, classifier: ModuleType) -> None:
    pytest.importorskip("sklearn.datasets", reason="scikit-learn, which holds the flowers, is not installed")
    train = iris_module("train")
    train.WEIGHTS = tmp_path / "weights.json"
    train.main()
    made = json.loads(train.WEIGHTS.read_text(encoding="utf-8"))
    committed = json.loads((MODEL / "weights.json").read_text(encoding="utf-8"))
    assert made["accuracy"] == committed["accuracy"]
    assert committed["accuracy"]["all"] >= 0.97
    np.testing.assert_allclose(made["weights"], committed["weights"], atol=1e-4)
    np.testing.assert_allclose(made["bias"], committed["bias"], atol=1e-4)
