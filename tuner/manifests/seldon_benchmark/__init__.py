"""Seldon Core's benchmarking chart (seldon-benchmark-workflow): its values as a manifest and search spaces.

The chart runs one Argo Workflow: of each value that may be a list it takes every combination (a *cell*), deploys a
SeldonDeployment, asks it with vegeta or ghz, and deletes it. `chart` knows its values, `values` reads them, `axes` says
what becomes of those that vary, `deployment` and `traffic` write what is deployed and how it is asked, `proposal` writes
it all down, and `cell` finds a cell's values in a manifest again. What is said here of the chart was read in its
template, the same from Seldon Core 1.11 to 1.19.
"""

from __future__ import annotations

from tuner.manifests.seldon_benchmark.proposal import Proposal, propose

__all__ = ["Proposal", "propose"]
