"""An InferenceService beside the ServingRuntime that it names: that one tells server, port, protocol and model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.commands.init import init
from tuner.manifests.pods import pods
from tuner.manifests.reader import read
from tuner.manifests.render import render
from tuner.space.file.read import read as read_space
from tuner.space.model import Configuration, SearchSpace

RUNTIME = """\
apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata: {name: own}
spec:
  supportedModelFormats: [{name: tales, autoSelect: true}, {name: poems}]
  containers:
  - {name: log, image: "example/log:1"}
  - name: kserve-container
    image: IMAGE
    args: ARGS
    env: [{name: MLSERVER_HTTP_PORT, value: "8085"}]
---
"""
SERVICE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris}
spec:
  predictor:
    model: {modelFormat: {name: FORMAT}, RUNTIMEstorageUri: "gs://bucket/iris"}
"""
CUSTOM = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris}
spec:
  predictor:
    containers:
    - {name: kserve-container, image: "example/own:1", args: ARGS}
"""


def proposed(text: str, folder: Path) -> tuple[SearchSpace, int, str]:
    """The space, the port, and the text of the space."""
    file = folder / "service.yaml"
    file.write_text(text)
    done = init(file, folder / "space.yaml")
    assert done.wrong == ()
    space, _ = read_space(done.space)
    base, _ = read(file)
    assert space is not None
    assert base is not None
    return space, pods(space, render(space, base, Configuration(values={}))).port, done.space.read_text()


def manifest(image: str, args: str, named: str, model_format: str) -> str:
    runtime = RUNTIME.replace("IMAGE", image).replace("ARGS", args)
    return runtime + SERVICE.replace("FORMAT", model_format).replace("RUNTIME", named)


@pytest.mark.parametrize(
    ("image", "args", "named", "model_format", "server", "port", "protocol"),
    [
        ("example/mlserver:1", "[]", "runtime: own, ", "sklearn", "MLServer", 8085, "v2"),
        ("example/mlserver:1", "[]", "", "tales", "MLServer", 8085, "v2"),
        ("example/mlserver:1", "[]", "", "sklearn", "KServe sklearnserver", 8080, "tensorflow"),
        (
            "tensorflow/serving:2.19.0",
            "['--model_name={{.Name}}', --rest_api_port=8091]",
            *("runtime: own, ", "poems", "TensorFlow Serving", 8091, "tensorflow"),
        ),
        ("example/own:1", "[]", "runtime: other, ", "sklearn", "KServe sklearnserver", 8080, "tensorflow"),
    ],
)
def test_what_the_runtime_says(
    image: str, args: str, named: str, model_format: str, server: str, port: int, protocol: str, tmp_path: Path
) -> None:
    space, found, text = proposed(manifest(image, args, named, model_format), tmp_path)
    assert f"Recognized: {server}" in text
    assert (found, space.workload.protocol, space.workload.model) == (port, protocol, "iris")


def test_a_knob_is_written_into_the_model_and_the_runtime_stays(tmp_path: Path) -> None:
    text = manifest("example/mlserver:1", "[]", "runtime: own, ", "sklearn")
    space, _, _ = proposed(text, tmp_path)
    base, _ = read(space.manifest)
    assert base is not None
    out = render(space, base, Configuration(values={"parallel_workers": 3})).text
    head, _, tail = text.partition("---\n")
    assert out.startswith(head)
    assert 'env: [{name: "MLSERVER_PARALLEL_WORKERS", value: "3"}]' in out.removeprefix(head)
    assert tail.splitlines()[:5] == out.removeprefix(head).splitlines()[1:6]


@pytest.mark.parametrize(
    ("args", "model"),
    [
        ("[--model_name=rose]", "rose"),
        ("[--model-name, rose, --workers=2]", "rose"),
        ("[--model_name=$(M)]", "iris"),
        ("[]", "iris"),
    ],
)
def test_a_container_of_ones_own_is_asked_for_the_model_it_is_told_to_call_so(
    args: str, model: str, tmp_path: Path
) -> None:
    space, _, _ = proposed(CUSTOM.replace("ARGS", args), tmp_path)
    assert (space.workload.protocol, space.workload.model) == ("tensorflow", model)
