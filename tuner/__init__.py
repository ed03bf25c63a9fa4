"""tuner: finds the configuration of a model server by measuring, from search space to manifest.

The folders are the pipeline, in this order: space, manifests, backends, load, measure, trials, front, study,
record, report; `session` wires them and `cli` is the only place that prints or exits. Nothing earlier in that list
imports anything later.
"""

__version__ = "0.1.0"
