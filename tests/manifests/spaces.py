"""Manifests and search spaces for the tests of this room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.builders import parameter, space_of
from tuner.manifests.model import Manifest, Rendered
from tuner.manifests.render import render
from tuner.space.model import Choices, Configuration, IntRange, Parameter, SearchSpace
from tuner.space.values import Value
from tuner.workload.model import WorkloadSpec

DEPLOYMENT = """\
# the iris model, as it runs today
apiVersion: apps/v1
kind: Deployment
metadata:
  name: iris   # its name
spec:
  replicas: 1
  selector: {matchLabels: {app: iris}}
  template:
    metadata:
      labels: {app: iris}
    spec:
      containers:
      # the server
      - name: classifier
        image: iris:1
        args: [--log-level, info]
        env:
        - name: GUNICORN_WORKERS   # processes
          value: '2'
        - name: TOKEN
          valueFrom: {secretKeyRef: {name: s, key: t}}
        ports:
        - {name: metrics, containerPort: 6000}
        - name: http
          containerPort: 9000
        resources:
          limits:
            cpu: "1"
            memory: 512Mi
          requests:
            cpu: "1"
        readinessProbe:
          httpGet: {path: /health, port: http}
      # the end
---
apiVersion: v1
kind: Service
metadata: {name: iris}
spec:
  selector: {app: iris}
  ports:
    - {name: http, port: 80, targetPort: http}
"""

SELDON = """\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata:
  name: iris
spec:
  predictors:
    - name: default
      replicas: 1
      graph: {name: classifier, type: MODEL, children: []}
      componentSpecs:
        - spec:
            containers:
              - name: classifier
                image: iris:1
                env:
                  - {name: GUNICORN_WORKERS, value: "1"}
                resources:
                  limits: {cpu: "1"}
"""

INFERENCE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: iris
spec:
  predictor:
    minReplicas: 1
    model:
      modelFormat: {name: sklearn}
      protocolVersion: v2
      runtime: kserve-mlserver
      storageUri: pvc://models/iris
      resources:
        limits: {cpu: "1", memory: 1Gi}
"""


def manifest(text: str = DEPLOYMENT) -> Manifest:
    return Manifest(file=Path("deployment.yaml"), text=text)


def integer(name: str, *targets: str, low: int = 1, high: int = 4, **others: Any) -> Parameter:
    return parameter(name, IntRange(low=low, high=high), *targets, **others)


def choice(name: str, values: tuple[Any, ...], *targets: str, **others: Any) -> Parameter:
    return parameter(name, Choices(values=values), *targets, **others)


def space(*parameters: Parameter, **others: Any) -> SearchSpace:
    workload = WorkloadSpec(protocol="seldon", requests=())
    return space_of(parameters, **{"name": "iris", "workload": workload, "objectives": (), **others})


def rendered(text: str, *parameters: Parameter, **values: Value) -> Rendered:
    """The manifest with these values of these parameters; without any, as it stands."""
    return render(space(*parameters), manifest(text), Configuration(values=values))
