"""The toy server's workload in the nouns of the rooms, for tests that need no files read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tuner.backends.model import Deployment
from tuner.manifests.model import Container, PodSet, ReadinessProbe, Rendered
from tuner.space.model import LocalImage, LocalSpec, SearchSpace
from tuner.workload.model import RequestSource, WorkloadSpec

SERVERS = Path(__file__).parent
TOY = LocalImage(command=("python", "toy.py"), folder=SERVERS)


def toy_space(*images: LocalImage, overcommit: bool = False) -> SearchSpace:
    folder = SERVERS / "toy"
    return SearchSpace(
        name="toy",
        file=folder / "space.yaml",
        manifest=folder / "deployment.yaml",
        parameters=(),
        workload=WorkloadSpec(protocol="seldon", requests=(RequestSource(path=folder / "request.json"),)),
        objectives=(),
        local=LocalSpec(images=images or (TOY,), overcommit=overcommit),
    )


def toy_container(
    *,
    env: Mapping[str, str] | None = None,
    cpu: str = "400m",
    memory: str = "64Mi",
    name: str = "toy",
    command: tuple[str, ...] = (),
    args: tuple[str, ...] = ("--port", "9000"),
) -> Container:
    resources = {"cpu": cpu, "memory": memory}
    return Container(
        name=name,
        image="example/toy:1",
        command=command,
        args=args,
        env=env or {},
        ports=(("http", 9000),),
        probe=ReadinessProbe(http_path="/health/status", port=9000),
        requests=resources,
        limits=resources,
    )


def pods_of(*containers: Container, replicas: int = 1) -> PodSet:
    return PodSet(
        kind="Deployment", name="toy", replicas=replicas, containers=containers, serving=containers[0].name, port=9000
    )


def deployment_of(pods: PodSet, study: str = "toy", trial: int = 0) -> Deployment:
    return Deployment(study=study, trial=trial, rendered=Rendered(text="", objects=()), pods=pods)
