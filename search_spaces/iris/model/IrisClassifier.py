"""Fisher's iris classifier behind seldon-core's Python interface: softmax regression, weights in `weights.json`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

WEIGHTS = Path(__file__).with_name("weights.json")


class IrisClassifier:
    """Probabilities of the three species from sepal length, sepal width, petal length and petal width, in cm."""

    def __init__(self) -> None:
        model = json.loads(WEIGHTS.read_text(encoding="utf-8"))
        self._species: list[str] = model["species"]
        self._weights = np.asarray(model["weights"], dtype=np.float64)  # (4 features, 3 species)
        self._bias = np.asarray(model["bias"], dtype=np.float64)  # (3 species,)

    def class_names(self) -> list[str]:
        """Names of the answer's columns."""
        return self._species

    def predict(self, X: Any, names: Sequence[str] | None = None, meta: dict[str, Any] | None = None) -> np.ndarray:
        """(n, 4) measurements to (n, 3) probabilities, rounded to 9 digits so that every machine answers the same.

        Raises ValueError, which seldon-core answers with status 500, when a row does not hold four numbers.
        """
        measurements = np.atleast_2d(np.asarray(X, dtype=np.float64))
        if measurements.ndim != 2 or measurements.shape[1] != len(self._weights):
            raise ValueError(
                f"a row has {len(self._weights)} numbers (cm), but the request's shape is {measurements.shape}"
            )
        scores = measurements @ self._weights + self._bias
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.round(odds / odds.sum(axis=1, keepdims=True), 9)
