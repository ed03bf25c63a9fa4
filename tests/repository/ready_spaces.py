"""Ready search spaces as tests use them: a configuration that runs here, and a copy whose study takes seconds."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.repository.checkout import ROOT
from tuner.backends.model import Deployment
from tuner.load.control.exchange import exchange
from tuner.load.control.smoke import smoke
from tuner.load.protocols import protocol
from tuner.manifests.pods import pods
from tuner.manifests.render import render
from tuner.space.model import Configuration
from tuner.targets.inputs import Inputs, read_inputs

SPACES = ROOT / "search_spaces"
_READY_WITHIN_S = 60.0


def iris_module(name: str) -> ModuleType:
    """Of the image of the iris search space, which is no package: `IrisClassifier`, `Measurements` or `train`."""
    spec = importlib.util.spec_from_file_location(f"iris_{name}", SPACES / "iris" / "model" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def running(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    """The URL of a configuration of the search space, deployed as processes: `values` instead of the baseline's."""
    inputs = read_inputs(SPACES / name, "process")
    with inputs.backend.deploy(_deployment(inputs, values)) as deployed:
        deployed.wait_ready(_READY_WITHIN_S)
        (url,) = deployed.endpoint.urls
        yield url


def _deployment(inputs: Inputs, values: Mapping[str, Any]) -> Deployment:
    configuration = Configuration(values={**inputs.baseline.values, **values})
    rendered = render(inputs.space, inputs.manifest, configuration)
    return Deployment(study="ready", trial=0, rendered=rendered, pods=pods(inputs.space, rendered))


def answer(url: str, name: str, body: bytes) -> Any:
    """What the server says to that body; raises TrialFailure where the protocol refuses it."""
    workload = read_inputs(SPACES / name, "process").space.workload
    speaker = protocol(workload.protocol, {"path": workload.path} if workload.path else {})
    return smoke(url, speaker.encode(body), speaker, 30.0, exchange)


def short(name: str, folder: Path) -> Path:
    """The search space's folder in a copy of all, with windows of two seconds and an SLO for busy machines."""
    shutil.copytree(SPACES, folder / "search_spaces", ignore=shutil.ignore_patterns("__pycache__"))
    space = folder / "search_spaces" / name / "space.yaml"
    text = space.read_text()
    for before, after in (
        ("  rate: 100/s", "  rate: 60/s\n  warm_up: 300ms"),
        ("  duration: 4s", "  duration: 2s"),
        ("  step: 1s", "  step: 300ms"),
        ("  latency_p99: ", "  latency_p50: 2s #"),
    ):
        assert before in text
        text = text.replace(before, after)
    space.write_text(f"{text}\ndisturbed: accept\n")
    return space.parent
