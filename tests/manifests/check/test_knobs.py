from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.manifests.spaces import DEPLOYMENT, INFERENCE, SELDON, choice, integer, manifest, parameter, space
from tuner.errors import Where
from tuner.manifests.check.knobs import check
from tuner.space.model import Condition, FloatRange, Parameter

TWO = DEPLOYMENT.replace("      # the end\n", "      - {name: proxy, image: proxy:1}\n")
SHELL = DEPLOYMENT.replace("args: [--log-level, info]", "command: [/bin/sh, -c, exec gunicorn app]")
SCALER = """\
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: iris}
spec:
  maxReplicas: 3
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: iris}
"""


def problems(text: str, *parameters: Parameter, **others: Any) -> list[str]:
    return [str(problem) for problem in check(space(*parameters, **others), manifest(text))]


@pytest.mark.parametrize(
    "parameters",
    [
        (
            integer("x", "env/GUNICORN_WORKERS"),
            integer("y", "env/NEW"),
            integer("z", "args/--new", "annotations/a.b/c"),
        ),
        (choice("x", ("500m", "1"), "limits/cpu", "requests/cpu"), integer("y", "limits/nvidia.com/gpu")),
        (choice("x", ("1", "2"), "limits/cpu"), choice("y", ("256Mi", "512Mi"), "requests/memory")),
        (parameter("x", FloatRange(low=1, high=2), "limits/cpu", "requests/cpu"), integer("y", "replicas")),
        (integer("x", "path:/spec/replicas"), integer("y", "path:Service/iris:/spec/ports/0/port")),
    ],
)
def test_right_spaces(parameters: tuple[Parameter, ...]) -> None:
    assert problems(DEPLOYMENT, *parameters) == []


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (integer("x", "en/A"), "'en/A' is no address of a knob; write env/NAME, args/--flag, replicas"),
        (integer("x", "args/workers"), "'workers' is not a flag such as --workers or -w; correct the address of x"),
        (
            integer("x", "env/A", container="clasifier"),
            "x: Deployment iris has no container 'clasifier'; did you mean 'classifier'? (there: classifier)",
        ),
        (integer("x", "env/TOKEN"), "x: env/TOKEN: TOKEN takes its value from secretKeyRef; give TOKEN a plain value"),
        (
            integer("x", "path:/spec/x"),
            "x: path:/spec/x: there is nothing at /spec/x of the manifest; point at a value",
        ),
        (integer("x", "path:/spec/template"), "x: path:/spec/template: there is a list or mapping at /spec/template"),
        (integer("x", "path:Service/x:/spec"), "x: path:Service/x:/spec: the manifest has no object Service/x"),
        (
            choice("x", ("two",), "path:/spec/replicas"),
            "x: path:/spec/replicas set to 'two': spec.replicas: \"two\" is not a whole number; write values that",
        ),
        (integer("x", "replicas", low=0), "x: 0 is no number of replicas; write whole numbers from 1 on"),
        (choice("x", ("2",), "replicas"), "x: '2' is no number of replicas"),
        (choice("x", (True,), "replicas"), "x: True is no number of replicas"),
        (
            choice("x", ("500x",), "limits/memory"),
            "x: limits/memory: '500x' is not a quantity; write a quantity such as",
        ),
        (choice("x", ("-1",), "limits/memory"), "x: limits/memory: -1 is negative"),
        (choice("x", (0.5,), "limits/nvidia.com/gpu"), "x: limits/nvidia.com/gpu: 0.5 is not whole"),
        (
            choice("x", ("500m", "1"), "limits/cpu"),
            "x: requests/cpu of 1 would be above limits/cpu of 500m; "
            "add requests/cpu to the addresses of this parameter, or change deployment.yaml:32",
        ),
        (
            choice("x", ("1", "2"), "requests/cpu"),
            "x: requests/cpu of 2 would be above limits/cpu of 1; "
            "add limits/cpu to the addresses of this parameter, or change deployment.yaml:29",
        ),
        (integer("x", "env/A", "env/A"), "x: env/A is set by x already"),
    ],
)
def test_bad_knobs_are_reported_at_their_line(bad: Parameter, expected: str) -> None:
    (found,) = problems(DEPLOYMENT, bad)
    assert found.startswith("space.yaml:7: " + expected)


def test_all_values_of_a_bad_knob_are_named() -> None:
    found = problems(DEPLOYMENT, parameter("x", FloatRange(low=0.5, high=1.5), "replicas"))
    assert [text.partition(";")[0] for text in found] == [
        "space.yaml:7: x: 0.5 is no number of replicas",
        "space.yaml:7: x: 1.5 is no number of replicas",
    ]


def test_a_wrong_container_of_the_space_is_reported_at_its_line(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text("name: x\n\ncontainer: model\n")
    (problem,) = check(replace(space(integer("x", "env/A"), container="model"), file=file), manifest())
    assert problem.where == Where(file=str(file), line=3)
    assert problem.message == "Deployment iris has no container 'model'"


def test_several_containers_and_none_named() -> None:
    (found,) = problems(TWO, integer("x", "env/A"), integer("y", "env/B"))
    assert found == (
        "space.yaml:7: x: Deployment iris has 2 containers (classifier, proxy), and the search space names none; "
        "write container: NAME into the search space, or into the parameter"
    )
    assert problems(TWO, integer("x", "env/A"), container="proxy") == []
    assert problems(TWO, integer("x", "env/A", container="proxy"), integer("y", "replicas")) == []


def test_no_workload() -> None:
    (found,) = problems("apiVersion: v1\nkind: Service\n", integer("x", "replicas"))
    assert found == (
        "deployment.yaml: no workload that can be tuned, only Service; "
        "add one of Deployment, StatefulSet, ReplicaSet, Pod, SeldonDeployment, InferenceService, Service (Knative's), "
        "LeaderWorkerSet, RayService, Rollout, DeploymentConfig, or say with the annotation tuner.dev/service how another custom resource serves"
    )


def test_a_kind_of_another_group_is_named_with_it() -> None:
    (found,) = problems(INFERENCE.replace("serving.kserve.io", "serving.example.com"), integer("x", "replicas"))
    assert "no workload that can be tuned, only InferenceService of serving.example.com/v1beta1; " in found
    (found,) = problems(INFERENCE.replace("serving.kserve.io", "serving.kubeflow.org"), integer("x", "replicas"))
    assert found == (
        "deployment.yaml:1: InferenceService iris is not tuned: KServe serves serving.kubeflow.org no longer; "
        "write apiVersion: serving.kserve.io/v1beta1"
    )


def test_several_workloads() -> None:
    other = TWO.replace("name: iris ", "name: other ").replace("- name: classifier", "- name: ranker")
    (found,) = problems(DEPLOYMENT + "---\n" + other, integer("x", "env/A"))
    assert found.startswith(
        "deployment.yaml: 2 workloads, and nothing tells which is meant: Deployment/iris (classifier), "
    )
    assert "write object: KIND/NAME into the search space, for example object: Deployment/iris" in found
    assert problems(DEPLOYMENT + "---\n" + other, integer("x", "env/A"), container="ranker") == []
    assert (
        problems(DEPLOYMENT + "---\n" + other, integer("x", "env/A"), container="ranker", tuned="deployment/other")
        == []
    )
    (found,) = problems(DEPLOYMENT + "---\n" + other, integer("x", "env/A"), tuned="Deployment/othr")
    assert "no workload 'Deployment/othr'; did you mean 'Deployment/other'?" in found
    (found,) = problems(DEPLOYMENT + "---\n" + DEPLOYMENT, integer("x", "env/A"), tuned="Deployment/iris")
    assert "2 workloads are called Deployment/iris" in found


def test_zero_replicas_are_measured_only_where_they_are_tuned() -> None:
    none = DEPLOYMENT.replace("replicas: 1", "replicas: 0")
    (found,) = problems(none, integer("x", "env/A"))
    assert found.startswith("deployment.yaml:7: replicas: 0 scales Deployment iris to zero pods")
    assert "or tune it: replicas: {int: [1, 4], set: replicas}" in found
    assert problems(none, integer("x", "replicas")) == []
    idle = INFERENCE.replace("minReplicas: 1", "minReplicas: 0")
    assert "minReplicas: 0 scales InferenceService iris to zero pods" in problems(idle, integer("x", "env/A"))[0]
    assert problems(idle, integer("x", "replicas")) == []


def test_an_autoscaler_on_tuned_replicas() -> None:
    assert problems(DEPLOYMENT + SCALER, integer("x", "env/A")) == []
    (found,) = problems(DEPLOYMENT + SCALER, integer("x", "replicas"))
    assert found.startswith("deployment.yaml:50: this HorizontalPodAutoscaler scales Deployment iris while x is tuned;")
    assert problems(DEPLOYMENT + SCALER.replace("name: iris}\n", "name: z}\n"), integer("x", "replicas")) == []


def test_an_autoscaler_inside_a_custom_resource() -> None:
    (found,) = problems(
        INFERENCE.replace("minReplicas: 1", "minReplicas: 1\n    maxReplicas: 3"), integer("x", "replicas")
    )
    assert found.startswith("deployment.yaml:8: maxReplicas lets InferenceService iris be scaled while x is tuned")


@pytest.mark.parametrize("knobs", [(), (choice("x", ("250m", "500m"), "limits/cpu"),)])
def test_the_base_itself(knobs: tuple[Parameter, ...]) -> None:
    text = DEPLOYMENT.replace('            cpu: "1"\n            memory', '            cpu: "0.5"\n            memory')
    assert problems(text, *knobs) == [
        "deployment.yaml:32: requests.cpu of 1 is above limits.cpu of 0.5; raise the limit or lower the request"
    ]
    text = DEPLOYMENT.replace("{matchLabels: {app: iris}}", "{matchLabels: {app: other}}")
    (found,) = problems(text)
    assert found.startswith("deployment.yaml:8: the selector wants app=other, the pod template has iris")


def test_limits_and_requests_of_two_parameters_need_a_rule() -> None:
    both = (choice("top", ("500m", "1"), "limits/cpu"), choice("low", ("250m", "1"), "requests/cpu"))
    (found,) = problems(DEPLOYMENT, *both)
    assert found.endswith("add the rule `low <= top`, or set both by one parameter")


def test_a_rule_keeps_two_parameters_apart() -> None:
    both = (choice("top", ("500m", "1"), "limits/cpu"), choice("low", ("250m", "1"), "requests/cpu"))
    assert problems(DEPLOYMENT, *both, rules=("low <= top",)) == []


def test_one_address_of_two_parameters() -> None:
    (found,) = problems(DEPLOYMENT, integer("x", "env/A"), integer("y", "env/A", line=9))
    assert found == "space.yaml:9: y: env/A is set by x already; let one parameter set it"
    apart = integer("y", "env/A", when=Condition(parameter="x", values=(1,)))
    assert problems(DEPLOYMENT, integer("x", "env/A"), apart) == []
    assert problems(TWO, integer("x", "env/A", container="proxy"), integer("y", "env/A", container="classifier")) == []


def test_a_flag_in_a_shells_script() -> None:
    assert problems(SHELL, integer("x", "args/--workers")) == []


def test_a_value_shared_through_an_alias() -> None:
    text = DEPLOYMENT.replace('cpu: "1"', "cpu: &c '1'", 1).replace('cpu: "1"', "cpu: *c")
    assert problems(text, choice("x", ("1", "2"), "limits/cpu", "requests/cpu", "env/C")) == []


def test_no_port() -> None:
    text = DEPLOYMENT[: DEPLOYMENT.index("        ports:")] + DEPLOYMENT[DEPLOYMENT.index("        resources:") :]
    text = (
        text.replace("GUNICORN_WORKERS", "COPIES")
        .replace("targetPort: http", "targetPort: web")
        .replace("        readinessProbe:\n          httpGet: {path: /health, port: http}\n", "")
    )
    (found,) = problems(text, integer("x", "replicas"))
    assert found.startswith("deployment.yaml:15: nothing tells on which port container classifier answers; name it")


def test_several_predictors() -> None:
    text = SELDON.replace("  predictors:\n", "  predictors:\n    - {name: canary, graph: {name: c}}\n")
    found = problems(text, integer("x", "replicas"))
    assert found[0].startswith(
        "deployment.yaml:7: 2 predictors, each with pods and a Service of its own; choose one in the search space: "
        "object: SeldonDeployment/iris/canary or object: SeldonDeployment/iris/default"
    )
    assert problems(text, integer("x", "replicas"), tuned="SeldonDeployment/iris/default") == []


def test_the_orchestrator_takes_no_arguments() -> None:
    (found,) = problems(SELDON, integer("x", "args/--a", container="seldon-container-engine"))
    assert "seldon-container-engine is added by the operator, and takes no arguments" in found


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: apps/v1\nkind: Deployment\n",
        "apiVersion: apps/v1\nkind: Deployment\nspec: []\n",
        "apiVersion: apps/v1\nkind: Deployment\nspec: {template: {spec: {containers: [1, {name: [], resources: 3}]}}}\n",
        "apiVersion: apps/v1\nkind: Deployment\nspec: {template: {spec: {containers: [{name: a, env: 1, args: x}]}}}\n",
        "apiVersion: apps/v1\nkind: Deployment\nspec: {template: {spec: {containers: [{name: a, args: {}, command: x}]}}}\n",
        "apiVersion: machinelearning.seldon.io/v1\nkind: SeldonDeployment\nspec: {predictors: {}}\n",
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nspec: {predictor: [1]}\n",
        "- a\n",
        "a: [\n",
    ],
)
def test_a_broken_manifest_breaks_no_check(text: str) -> None:
    knobs = ("env/A", "args/--a", "replicas", "limits/cpu", "annotations/a", "pod-annotations/a", "path:/spec/x")
    problems(text, *(integer(f"x{index}", target) for index, target in enumerate(knobs)))
    problems(text, *(integer(f"x{index}", target) for index, target in enumerate(knobs)), container="a")
