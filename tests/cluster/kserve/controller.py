"""KServe's controller beside a cluster of our own, which it serves whole: as its project's manifests install it, but for
where it runs, and in its standard mode, which needs neither Knative nor Istio.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import daemons, operators
from tests.cluster.control import kubectl
from tests.cluster.kserve.programs import DEFINITIONS, PROGRAM, SETTINGS, WEBHOOKS, programs
from tests.cluster.programs import programs as kubernetes

_NAMESPACE = "kserve"
_WEBHOOK_PORT = 4444
_CHANGED = {"deploy": {"defaultDeploymentMode": "Standard"}, "ingress": {"disableIstioVirtualHost": True}}
"""In its settings, which are for an installation with both."""


def up() -> None:
    """Until the cluster is taken down; does nothing where it is up. Raises CannotError."""
    if daemons.pid(PROGRAM) is not None:
        return
    made = programs()
    operators.install(made / DEFINITIONS, "inferenceservices", _NAMESPACE)
    operators.apply(_settings(made))
    operators.start(PROGRAM, made / PROGRAM, {"POD_NAMESPACE": _NAMESPACE}, _WEBHOOK_PORT, "--health-probe-addr=0")
    for configuration in _webhooks(made):
        operators.apply(configuration)


def stop() -> None:
    """Ends it as a crash would, and what asks its webhooks with it."""
    for found in _webhooks(programs()):
        kubectl(kubernetes(), "delete", found["kind"].lower(), found["metadata"]["name"], "--ignore-not-found")
    daemons.stop(PROGRAM)


def _settings(made: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((made / SETTINGS).read_text())
    for section, changed in _CHANGED.items():
        found["data"][section] = json.dumps({**json.loads(found["data"][section]), **changed})
    return found


def _webhooks(made: Path) -> Iterator[dict[str, Any]]:
    for found in yaml.safe_load_all((made / WEBHOOKS).read_text()):
        if found is not None:
            yield operators.asked_here(found, _WEBHOOK_PORT)
