"""tuner: finds the configuration of a model server by measuring, from search space to manifest.

The rooms are the pipeline, in this order: workload, space, manifests, backends, load, measure, breakdown, trials,
front, study, record, report; `targets` and `commands` wire them, and `cli` is the only place that prints or exits.
Below them all: statistics, yaml, files, units, errors. Nothing earlier imports anything later (`docs/architecture.md`).
"""

__version__ = "0.1.0"
