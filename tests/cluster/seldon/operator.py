"""The operator beside a cluster of our own, which it serves whole: as its project's manifests install it, but for where it
runs. So its webhook is asked at this machine's end of the cluster's network.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import daemons, operators
from tests.cluster.control import kubectl, obliged
from tests.cluster.programs import programs as kubernetes
from tests.cluster.seldon.programs import DEFINITION, PROGRAM, SETTINGS, WEBHOOK, programs

_NAMESPACE = "seldon-system"
_WEBHOOK_PORT = 4443
_ASKED = "seldon-validating-webhook-configuration"
_VARIABLES = {
    "POD_NAMESPACE": _NAMESPACE,
    "USE_EXECUTOR": "true",
    "EXECUTOR_CONTAINER_IMAGE_PULL_POLICY": "IfNotPresent",
    "EXECUTOR_CONTAINER_USER": "8888",
    "EXECUTOR_CONTAINER_SERVICE_ACCOUNT_NAME": "default",
    "EXECUTOR_PROMETHEUS_PATH": "/prometheus",
    "EXECUTOR_SERVER_PORT": "8000",
    "EXECUTOR_SERVER_METRICS_PORT_NAME": "metrics",
    "EXECUTOR_REQUEST_LOGGER_DEFAULT_ENDPOINT": "http://default-broker",
    "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": "9000",
    "PREDICTIVE_UNIT_GRPC_SERVICE_PORT": "9500",
    "PREDICTIVE_UNIT_METRICS_PORT_NAME": "metrics",
    "AMBASSADOR_ENABLED": "false",
    "ISTIO_ENABLED": "false",
    "KEDA_ENABLED": "false",
}
"""As its Deployment has them."""


def up(orchestrator: str) -> None:
    """Until the cluster is taken down; does nothing where it is up. `orchestrator`: the image that it puts in front of
    models. Raises CannotError."""
    if daemons.pid(PROGRAM) is not None:
        return
    made = programs()
    operators.install(made / DEFINITION, "seldondeployments", _NAMESPACE)
    operators.apply(_settings(made))
    variables = {**_VARIABLES, "EXECUTOR_CONTAINER_IMAGE_AND_VERSION": orchestrator}
    operators.start(PROGRAM, made / PROGRAM, variables, _WEBHOOK_PORT)
    operators.apply(_webhook(made))


def stop() -> None:
    """Ends it as a crash would, and what asks its webhook with it."""
    kubectl(kubernetes(), "delete", "validatingwebhookconfiguration", _ASKED)
    daemons.stop(PROGRAM)


@contextmanager
def unasked() -> Iterator[None]:
    """Meanwhile its webhook is not there, as where an installation leaves it out."""
    obliged(kubernetes(), "delete", "validatingwebhookconfiguration", _ASKED)
    try:
        yield
    finally:
        operators.apply(_webhook(programs()))


def _settings(made: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((made / SETTINGS).read_text())
    return {**found, "metadata": {**found["metadata"], "name": "seldon-config", "namespace": _NAMESPACE}}


def _webhook(made: Path) -> dict[str, Any]:
    found = operators.asked_here(yaml.safe_load((made / WEBHOOK).read_text()), _WEBHOOK_PORT)
    found["metadata"]["name"] = _ASKED
    return found
