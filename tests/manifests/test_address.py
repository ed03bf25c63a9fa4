from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.manifests.address import Annotation, ContainerResource, Env, Flag, Pointer, Replicas, parse


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("env/GUNICORN_WORKERS", Env("GUNICORN_WORKERS")),
        ("args/--max-num-seqs", Flag("--max-num-seqs")),
        ("args/-w", Flag("-w")),
        ("replicas", Replicas()),
        ("limits/cpu", ContainerResource("limits", "cpu")),
        ("requests/nvidia.com/gpu", ContainerResource("requests", "nvidia.com/gpu")),
        ("limits/hugepages-2Mi", ContainerResource("limits", "hugepages-2Mi")),
        ("annotations/seldon.io/no-engine", Annotation("seldon.io/no-engine")),
        ("pod-annotations/a", Annotation("a", of_pod=True)),
        (
            "path:/spec/template/spec/containers/0/image",
            Pointer(("spec", "template", "spec", "containers", "0", "image")),
        ),
        ("path:/metadata/annotations/a~1b~0c", Pointer(("metadata", "annotations", "a/b~c"))),
        ("path:ConfigMap/settings:/data/threads", Pointer(("data", "threads"), ("ConfigMap", "settings"))),
        ("path:Role/a:b:/rules/0", Pointer(("rules", "0"), ("Role", "a:b"))),
    ],
)
def test_forms(text: str, address: object) -> None:
    assert parse(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "replica", "env", "env/", "env/A=B", "env/1A", "args/workers", "args/--a=1", "args/"),
        *("limit/cpu", "limits/", "path:", "limits/a/b/c", "annotations/", "path:spec/replicas"),
        *("path:/a~2b", "path:X/:/a", "path:/a~", "labels/a"),
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(text)


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_any_key_can_be_pointed_at(tokens: list[str]) -> None:
    pointer = "/".join(token.replace("~", "~0").replace("/", "~1") for token in tokens)
    assert parse(f"path:/{pointer}") == Pointer(tuple(tokens))
