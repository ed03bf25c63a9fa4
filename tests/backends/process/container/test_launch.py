"""What is started for a container: program, arguments, environment; and what is found wrong before."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.servers.pods import SERVERS, TOY, pods_of, toy_container, toy_space
from tuner.backends.process import ProcessBackend
from tuner.backends.process.container.launch import Launch, command_of, image_of, map_ports, prepare, runs_here
from tuner.backends.process.sandbox.affinity import Affinity
from tuner.manifests.model import Container, PodSet
from tuner.space.model import LocalImage, LocalSpec


def launch(pods: PodSet, image: LocalImage = TOY, taken: set[int] | None = None) -> Launch:
    """Of the first container."""
    taken = set() if taken is None else taken
    ports, scratch = map_ports(pods, taken), Path("/scratch")
    return prepare(
        pods, pods.containers[0], image, folder=SERVERS, venv=None, scratch=scratch, pod_ports=ports, taken=taken
    )


def test_the_local_command_wins_over_the_manifests() -> None:
    container = toy_container(args=("-x",))
    assert command_of(container, TOY) == ("python", "toy.py", "-x")
    assert command_of(replace(container, command=("/opt/serve", "--fast")), TOY) == ("python", "toy.py", "-x")
    assert command_of(replace(container, command=("/opt/serve",)), LocalImage()) == ("/opt/serve", "-x")
    assert command_of(container, LocalImage()) == ()


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        (("gunicorn", "-w", "3", "--threads=2", "app:app"), (), ("-w", "3", "--threads=2")),
        (("sh", "-c", "exec gunicorn -w 3 --threads 2 app:app"), (), ("-w", "3", "--threads=2")),
        (("/bin/sh", "-c"), ("gunicorn --threads 2 app:app",), ("--threads=2",)),
        (("serve",), ("-w", "3"), ("-w", "3")),
    ],
)
def test_knobs_of_a_replaced_command_are_kept(
    command: tuple[str, ...], args: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    container = replace(toy_container(), command=command, args=args)
    assert command_of(container, TOY, flags=("-w", "--threads", "--absent")) == ("python", "toy.py", *expected)


def test_a_container_beside_the_server_keeps_its_own_command() -> None:
    beside = replace(toy_container(), name="beside", command=("python", "beside.py"))
    local = LocalSpec(images=(TOY,))
    assert image_of(beside, local, serving="server").command is None
    assert image_of(beside, local, serving="beside").command == TOY.command
    assert image_of(replace(beside, command=()), local, serving="server").command == TOY.command


def test_a_known_side_car_is_left_out_here() -> None:
    proxy = replace(toy_container(), name="istio-proxy", image="example.com/istio/proxyv2:1.22.0", command=())
    assert not runs_here(proxy, LocalSpec(), serving="server")
    assert runs_here(proxy, LocalSpec(), serving="istio-proxy")
    assert runs_here(replace(proxy, command=("envoy",)), LocalSpec(), serving="server")
    assert runs_here(proxy, LocalSpec(images=(LocalImage(image=proxy.image, command=("x",)),)), serving="server")


def test_an_entry_for_the_image_wins_over_the_one_for_all() -> None:
    own = LocalImage(image="example/toy:1", command=("own",))
    other = LocalImage(image="example/other:1", command=("other",))
    assert image_of(toy_container(), LocalSpec(images=(TOY, other, own)), serving="server") is own
    assert image_of(toy_container(), LocalSpec(images=(other, TOY)), serving="server") is TOY
    assert image_of(toy_container(), LocalSpec(images=(other,)), serving="server") == LocalImage()


def test_the_environment_is_the_images_and_the_manifests_and_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_USER", "x")
    image = replace(TOY, env={"A": "image", "B": "image", "WHERE": "at {port}"})
    found = launch(pods_of(toy_container(env={"B": "manifest"})), image)
    port = found.ports[9000]
    assert (found.env["A"], found.env["B"], found.env["WHERE"]) == ("image", "manifest", f"at {port}")
    assert "SECRET_OF_THE_USER" not in found.env
    assert found.env["HOME"] == "/scratch/home"
    assert found.env["PORT"] == str(port)
    assert str(Path(sys.executable).parent) in found.env["PATH"].split(os.pathsep)
    assert found.asked_env == {"B": "manifest"}


def test_ports_of_seldon_core_all_differ_between_replicas() -> None:
    names = [f"PREDICTIVE_UNIT_{kind}_SERVICE_PORT" for kind in ("HTTP", "GRPC", "METRICS")]
    taken: set[int] = set()
    given = []
    for _ in range(2):
        plan = launch(pods_of(toy_container()), taken=taken)
        assert plan.env[names[0]] == str(plan.ports[9000])
        given += [plan.env[name] for name in names]
    assert len(set(given)) == 6


def test_a_port_the_manifest_sets_is_replaced_and_no_difference() -> None:
    found = launch(pods_of(toy_container(env={"PREDICTIVE_UNIT_GRPC_SERVICE_PORT": "5001", "PORT": "9000"})))
    assert found.asked_env["PREDICTIVE_UNIT_GRPC_SERVICE_PORT"] == str(found.ports[5001])
    assert found.asked_env["PORT"] == str(found.ports[9000])


def test_seldons_operator_tells_the_serving_port() -> None:
    plan = launch(replace(pods_of(toy_container()), port=8000, kind="SeldonDeployment"))
    assert plan.env["PREDICTIVE_UNIT_HTTP_SERVICE_PORT"] == str(plan.ports[8000])


def test_seldons_operator_tells_the_port_of_calls_where_they_go_to_the_model() -> None:
    direct = replace(pods_of(toy_container()), kind="SeldonDeployment", load=9500)
    plan = launch(direct)
    assert plan.env["PREDICTIVE_UNIT_GRPC_SERVICE_PORT"] == str(plan.ports[9500])
    behind = launch(replace(direct, load=5000, added=(replace(toy_container(), name="seldon-container-engine"),)))
    assert behind.env["PREDICTIVE_UNIT_GRPC_SERVICE_PORT"] == str(behind.ports[5000])


def test_variables_are_expanded_as_kubernetes_does() -> None:
    env = {"A": "1", "B": "$(A)2", "C": "$$(A) $(UNKNOWN)"}
    found = launch(pods_of(toy_container(env=env, args=("--b=$(B)", "$$(A)", "$(NO)"))))
    assert (found.env["B"], found.env["C"]) == ("12", "$(A) $(UNKNOWN)")
    assert found.argv[2:] == ("--b=12", "$(A)", "$(NO)")


def problems(container: Container, *images: LocalImage) -> list[str]:
    backend = ProcessBackend(toy_space(*images), Path("/nowhere"), limiter=Affinity(cpus=(0,)))
    return [str(problem) for problem in backend.check(pods_of(container))]


def test_an_image_nobody_knows_how_to_run_is_a_problem_of_the_manifests_line() -> None:
    (problem,) = problems(toy_container(), LocalImage(image="example/other:1", command=("x",)))
    assert "deployment.yaml:16: nothing says how image 'example/toy:1' of container 'toy' runs" in problem
    assert "local: {command: [python, server.py]}" in problem


def test_a_program_that_is_not_there_is_a_problem_of_the_local_section() -> None:
    (problem,) = problems(toy_container(), LocalImage(command=("no-such-program",), folder=SERVERS))
    assert "space.yaml:21: the program 'no-such-program' of container 'toy' is not found on PATH" in problem
    (problem,) = problems(toy_container(), LocalImage(command=("./toy.py",), folder=SERVERS))
    assert "'./toy.py'" in problem  # there, but not executable


def test_missing_folder_and_requirements_are_told_together(tmp_path: Path) -> None:
    found = problems(
        toy_container(), replace(TOY, folder=tmp_path / "gone", requirements=tmp_path / "requirements.txt")
    )
    assert len(found) == 2
    assert "gone of image 'example/toy:1' does not exist" in found[0]
    assert "requirements.txt of image 'example/toy:1' does not exist" in found[1]
