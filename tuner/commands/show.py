"""What `tune show --format` does: a study's trials in the columns of another tool."""

from __future__ import annotations

from tuner.manifests.render import render
from tuner.manifests.seldon_benchmark.cell import cell
from tuner.record.seldon_benchmark import Table, table
from tuner.space.model import Configuration
from tuner.study.model import Summary
from tuner.targets.inputs import space_of
from tuner.targets.kept import base_manifest
from tuner.trials.folder import StudyFolder
from tuner.workload.model import GRPC_PROTOCOLS


def seldon_benchmark(folder: StudyFolder, summary: Summary) -> Table:
    """The table of Seldon's benchmarking chart. Raises InputError where the study's inputs cannot be read."""
    space, base = space_of(folder, summary.start), base_manifest(folder, summary.start)
    grpc = space.workload.protocol in GRPC_PROTOCOLS

    def of(configuration: Configuration) -> dict[str, str]:
        return cell(space, render(space, base, configuration).objects, grpc=grpc)

    return table(summary, space, of)
