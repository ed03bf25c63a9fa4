"""The names of what proposes configurations. Imports nothing, so that completing a word is quick."""

from __future__ import annotations

AUTO = "auto"
"""The model of all valid configurations (`tuner.study.modelled`)."""
SAMPLERS = (AUTO, "tpe", "random", "nsga2", "qmc", "gp", "grid")
"""All; the others are Optuna's (`tuner.study.samplers`)."""
