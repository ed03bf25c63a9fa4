"""A RayService as people publish it: where it is asked, and what is served, stand in its configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tuner.commands.init import init
from tuner.manifests.documents import load_all
from tuner.manifests.kinds import kind_of
from tuner.manifests.pods import pods
from tuner.manifests.reader import read
from tuner.manifests.render import render
from tuner.space.file.read import read as read_space
from tuner.space.model import Configuration

FRUIT = "applications:\n- {name: a, import_path: fruit.app, route_prefix: /fruit}\n- {name: b, import_path: b.app}\n"
LANGUAGE = (
    "applications:\n- name: llms\n  import_path: ray.serve.llm:build_openai_app\n  route_prefix: PREFIX\n"
    "  args: {llm_configs: [{model_loading_config: {model_id: tale, model_source: example/small}}]}\n"
)
PORTS = (("gcs-server", 6379), ("dashboard", 8265), ("client", 10001))


def manifest(serve: str, *ports: tuple[str, int], image: str = "rayproject/ray:2.52.0") -> dict[str, Any]:
    head = {
        "name": "ray-head",
        "image": image,
        "ports": [{"name": name, "containerPort": number} for name, number in ports],
        "resources": {"limits": {"cpu": "2", "memory": "4Gi"}},
    }
    beside = {"name": "log", "image": "example/log:1"}
    cluster = {"headGroupSpec": {"rayStartParams": {}, "template": {"spec": {"containers": [head, beside]}}}}
    spec = {"serveConfigV2": serve, "rayClusterConfig": cluster}
    return {"apiVersion": "ray.io/v1", "kind": "RayService", "metadata": {"name": "fruit"}, "spec": spec}


@pytest.mark.parametrize(
    ("serve", "ports", "image", "port", "protocol", "path", "server"),
    [
        (FRUIT, (*PORTS, ("serve", 8000)), "rayproject/ray:2.52.0", 8000, "http", "/fruit", "Ray Serve"),
        (FRUIT, (*PORTS, ("serve", 9000)), "rayproject/ray:2.52.0", 9000, "http", "/fruit", "Ray Serve"),
        (FRUIT, PORTS, "rayproject/ray:2.52.0", 8000, "http", "/fruit", "Ray Serve"),
        ("applications: []", (), "example/own:1", 8000, "http", "/", "Ray Serve"),
        ("{{ no", (), "example/own:1", 8000, "http", "/", "Ray Serve"),
        (LANGUAGE.replace("PREFIX", "/"), PORTS, "rayproject/ray-llm:2.52.0", 8000, "openai", None, "Ray Serve LLM"),
        (
            LANGUAGE.replace("PREFIX", "/a"),
            PORTS,
            "example/own:1",
            8000,
            "openai",
            "/a/v1/completions",
            "Ray Serve LLM",
        ),
        (FRUIT, PORTS, "rayproject/ray-llm:2.52.0", 8000, "http", "/fruit", "Ray Serve"),
    ],
)
def test_it_is_asked_where_its_first_application_answers(
    serve: str,
    ports: tuple[tuple[str, int], ...],
    image: str,
    port: int,
    protocol: str,
    path: str | None,
    server: str,
    tmp_path: Path,
) -> None:
    file = tmp_path / "service.yaml"
    file.write_text(yaml.safe_dump(manifest(serve, *ports, image=image)))
    done = init(file, tmp_path / "space.yaml")
    assert done.wrong == ()
    assert f"Recognized: {server} in container ray-head" in done.space.read_text()
    space, _ = read_space(done.space)
    base, _ = read(file)
    assert space is not None
    assert base is not None
    found = pods(space, render(space, base, Configuration(values={})))
    assert (found.serving, found.port, space.workload.protocol) == ("ray-head", port, protocol)
    assert space.workload.path == path
    if protocol == "openai":
        assert json.loads((tmp_path / "request.json").read_text())["model"] == "tale"


@pytest.mark.parametrize(("ports", "port"), [((), 8000), ((("serve", 9000),), 9000)])
def test_its_service_has_the_port_that_the_head_serves_on(ports: tuple[tuple[str, int], ...], port: int) -> None:
    obj = load_all(yaml.safe_dump(manifest(FRUIT, *ports)))[0]
    kind = kind_of(obj)
    assert kind is not None
    service = kind.service(obj, [])
    assert service is not None
    assert service.port == port
