"""The Kubernetes backend against the suite every backend passes, on a real cluster."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.backends.kubernetes import toys
from tests.conformance.backend import BackendConformance
from tuner.backends.kubernetes import KubernetesBackend
from tuner.backends.kubernetes.client.resources import DEPLOYMENTS, JOBS, PODS, REPLICA_SETS
from tuner.backends.model import Backend, Deployment


@pytest.mark.cluster
class TestKubernetes(BackendConformance):
    never_ready_s = 6.0

    def deployment(
        self, env: Mapping[str, str] | None = None, replicas: int = 1, cpu: str = "400m", memory: str = "64Mi"
    ) -> Deployment:
        return toys.deployment([toys.manifest(env=env, replicas=replicas, cpu=cpu, memory=memory)])

    def left_behind(self, backend: Backend) -> list[str]:
        """Pods and whoever makes them must be gone at once; what else the anchor owned follows in the background."""
        assert isinstance(backend, KubernetesBackend)
        kinds = (JOBS, DEPLOYMENTS, REPLICA_SETS, PODS)
        return [
            f"{kind.kind} {found['metadata']['name']}"
            for kind in kinds
            for found in backend._api.items(kind, labels="tuner.dev/study")
        ]
