"""Argo's own controller and executor run a Workflow on the test cluster, to what it says at its end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.argo import controller
from tests.cluster.fixture import Cluster

RIGHTS = """\
apiVersion: v1
kind: ServiceAccount
metadata: {name: executor}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: executor}
rules:
  - {apiGroups: [argoproj.io], resources: [workflowtaskresults], verbs: [create, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: executor}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: executor}
subjects: [{kind: ServiceAccount, name: executor}]
"""
WORKFLOW = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: two-steps}
spec:
  entrypoint: main
  serviceAccountName: executor
  templates:
    - name: main
      steps:
        - - {name: first, template: first}
        - - name: second
            template: second
            arguments: {parameters: [{name: said, value: "{{steps.first.outputs.parameters.said}}"}]}
    - name: first
      container: &python
        image: IMAGE
        imagePullPolicy: Never
        command: [python, -c, "open('/tmp/said', 'w').write('six times seven')"]
      outputs: {parameters: [{name: said, valueFrom: {path: /tmp/said}}]}
    - name: second
      inputs: {parameters: [{name: said}]}
      container:
        <<: *python
        command: [python, -c, "import sys; sys.exit(sys.argv[1] != 'six times seven')", "{{inputs.parameters.said}}"]
"""
ENDED = ("Succeeded", "Failed", "Error")
WITHIN_S = 150.0


def ended(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    """The Workflow, when it has come to its end."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        found: dict[str, Any] = json.loads(cluster.kubectl("get", "workflow", name, "-n", namespace, "-o", "json"))
        if found.get("status", {}).get("phase") in ENDED:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"the Workflow has not ended: {json.dumps(found.get('status'))[:3000]}")
        time.sleep(0.5)


@pytest.mark.usefixtures("argo")
def test_a_workflow_runs_to_its_outputs_also_when_the_controller_is_killed_meanwhile(
    cluster: Cluster, images: Callable[[str], str]
) -> None:
    image = images("toy")
    with cluster.namespace("argo") as namespace:
        cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=RIGHTS)
        cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=WORKFLOW.replace("IMAGE", image))
        controller.stop()
        controller.again()
        status = ended(cluster, namespace, "two-steps")["status"]
        assert status["phase"] == "Succeeded", status
        (first,) = (node for node in status["nodes"].values() if node["displayName"] == "first")
        assert first["outputs"]["parameters"] == [
            {"name": "said", "value": "six times seven", "valueFrom": {"path": "/tmp/said"}}
        ]
