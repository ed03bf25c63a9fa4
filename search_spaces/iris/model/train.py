"""Fits the iris classifier and writes `weights.json`.

Usage: python train.py

Softmax regression by gradient descent, in numpy, on the 150 flowers of R. A. Fisher, "The use of multiple measurements
in taxonomic problems", Annals of Eugenics 7 (1936), as they come with scikit-learn. The same numbers come out each
time: nothing in it is random but the split, and that is seeded.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris

WEIGHTS = Path(__file__).with_name("weights.json")
STEPS = 4000
RATE = 0.3
DECAY = 1e-3  # ridge penalty: without it the weights of a separable class grow for ever
HELD_OUT = 30  # flowers, drawn once


def fit(flowers: np.ndarray, species: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 4) measurements and (n,) species to (4, 3) weights and (3,) bias, for measurements as they are, in cm."""
    mean, spread = flowers.mean(axis=0), flowers.std(axis=0)
    scaled = (flowers - mean) / spread
    truth = np.eye(3)[species]
    weights, bias = np.zeros((flowers.shape[1], 3)), np.zeros(3)
    for _ in range(STEPS):
        gap = softmax(scaled @ weights + bias) - truth
        weights -= RATE * (scaled.T @ gap / len(scaled) + DECAY * weights)
        bias -= RATE * gap.mean(axis=0)
    unscaled = weights / spread[:, np.newaxis]
    return unscaled, bias - mean @ unscaled


def softmax(scores: np.ndarray) -> np.ndarray:
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def accuracy(weights: np.ndarray, bias: np.ndarray, flowers: np.ndarray, species: np.ndarray) -> float:
    return float(np.mean((flowers @ weights + bias).argmax(axis=1) == species))


def main() -> None:
    data = load_iris()
    order = np.random.default_rng(0).permutation(len(data.target))
    held_out, rest = order[:HELD_OUT], order[HELD_OUT:]
    trial = fit(data.data[rest], data.target[rest])
    weights, bias = fit(data.data, data.target)
    model = {
        "features": list(data.feature_names),
        "species": [str(name) for name in data.target_names],
        "weights": np.round(weights, 6).tolist(),
        "bias": np.round(bias, 6).tolist(),
        "accuracy": {
            "held_out": round(accuracy(*trial, data.data[held_out], data.target[held_out]), 4),
            "all": round(accuracy(weights, bias, data.data, data.target), 4),
        },
    }
    WEIGHTS.write_text(json.dumps(model, indent=2) + "\n", encoding="utf-8")
    print(f"wrote {WEIGHTS.name}: accuracy {model['accuracy']}")


if __name__ == "__main__":
    main()
