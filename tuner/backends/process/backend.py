"""The process backend: checks a deployment, starts it, and says what the machine offers."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tuner.backends.model import WHOLE, Deployment, Part
from tuner.backends.process import checks, enforcement, ledger, machine
from tuner.backends.process.container import venvs
from tuner.backends.process.container.launch import flags_of, image_of, map_ports, prepare, runs_here
from tuner.backends.process.container.usage import SAMPLED_EVERY_S
from tuner.backends.process.running import ProcessRunning
from tuner.backends.process.sandbox import cgroup
from tuner.backends.process.sandbox.find import find_limiter
from tuner.backends.process.sandbox.model import Limiter
from tuner.backends.process.workplace import Workplace
from tuner.errors import Problem
from tuner.manifests.companions import companion
from tuner.manifests.model import PodSet
from tuner.space.model import SearchSpace
from tuner.units import format_bytes

_GRACE_S = 0.5
"""From SIGTERM to SIGKILL: a server on trial serves nobody, and some never exit on SIGTERM."""


class ProcessBackend:
    """Runs pods as processes of this machine; implements `tuner.backends.model.Backend`."""

    name = "process"

    def __init__(
        self,
        space: SearchSpace | None,
        state_dir: Path | None = None,
        *,
        limiter: Limiter | None = None,
        grace_s: float = _GRACE_S,
        part: Part = WHOLE,
    ) -> None:
        """`space` None: good only to describe the machine and to clean up. `state_dir` holds a record of what runs
        (default: the user's state folder); `limiter` None: the best that works here. `part`: of the machine's CPUs and
        memory.
        """
        self._part = part
        self._given_space = space
        self._state_dir = state_dir if state_dir is not None else ledger.default_folder()
        self._machine = machine.look(part)
        self._limiter = limiter if limiter is not None else find_limiter(self._machine.server_cpus)
        self._grace_s = grace_s

    @property
    def _space(self) -> SearchSpace:
        if self._given_space is None:
            raise ValueError("this backend was made without a search space: it can only describe and clean up")
        return self._given_space

    def check(self, pods: PodSet) -> tuple[Problem, ...]:
        problems = list(checks.problems(pods, self._space))
        if (why := machine.too_few(self._part.number)) is not None:
            problems.append(Problem.at("--parallel", why, "ask for fewer, or use --backend kubernetes"))
        return tuple(problems)

    def infeasible(self, pods: PodSet) -> str | None:
        return None if self._space.local.overcommit else enforcement.insufficient(self._run(pods)[0], self._machine)

    def _run(self, pods: PodSet) -> tuple[PodSet, list[str]]:
        """The pods with the containers that are run here, and a sentence for each that is not."""
        here = tuple(one for one in pods.containers if runs_here(one, self._space.local, serving=pods.serving))
        left_out = [
            f"container {container.name}, {companion(container.image, container.name)}, is not started here"
            for container in pods.containers
            if container not in here
        ]
        return replace(pods, containers=here), left_out

    @contextmanager
    def deploy(self, deployment: Deployment) -> Iterator[ProcessRunning]:
        pods, left_out = self._run(deployment.pods)
        local, serving = self._space.local, pods.serving
        images = {one.name: image_of(one, local, serving=serving) for one in pods.containers}
        environments = {name: venvs.make(i.requirements) for name, i in images.items() if i.requirements is not None}
        overcommitted = enforcement.insufficient(pods, self._machine)
        lacking = enforcement.not_enforced(pods, images, self._machine, self._limiter, overcommitted)
        sentences = [*left_out, *lacking]
        with Workplace(replace(deployment, pods=pods), self._limiter, self._state_dir, self._grace_s) as place:
            started_at = time.monotonic()
            taken: set[int] = set()
            for replica in range(pods.replicas):
                pod_ports = map_ports(pods, taken)
                for index, container in enumerate(pods.containers):
                    image = images[container.name]
                    scratch = place.folder(replica, index)
                    launch = prepare(
                        pods,
                        container,
                        image,
                        folder=image.folder or self._space.folder,
                        venv=environments.get(container.name),
                        scratch=scratch,
                        pod_ports=pod_ports,
                        taken=taken,
                        flags=flags_of(self._space, container.name),
                    )
                    place.start(replica, container, launch, scratch)
            place.read_output()
            yield ProcessRunning(pods, place.containers, self._machine.server_cpus, tuple(sentences), started_at)

    def clean(self) -> tuple[str, ...]:
        sentences = ledger.clean(self._state_dir)
        for parent in sorted({directory.parent for directory in self._limiter.directories("any")}):
            cgroup.remove_stale_probes(parent)
            removed = cgroup.remove_abandoned(parent)
            sentences += tuple(f"removed the control group {group}, whose tuner process is gone" for group in removed)
        return sentences

    def generator_cpus(self) -> tuple[int, ...]:
        return self._machine.generator_cpus

    def describe(self) -> Mapping[str, str]:
        split = "shared by the load generator and the servers"
        if not self._machine.shared:
            split = (
                f"load generator on {_listed(self._machine.generator_cpus)}, servers on "
                f"{_listed(self._machine.server_cpus)}"
            )
        if not self._part.is_whole:
            each = len(self._machine.server_cpus)
            split = f"{self._part.number} trials beside each other, each with {each} for its servers and others for its load"
        return {
            "cpu": machine.cpu_model(),
            "cpus": f"{self._machine.cpus} of {os.cpu_count()} ({split})",
            "memory": format_bytes(self._machine.memory_bytes),
            "kernel": f"{platform.system()} {platform.release()}",
            "python": platform.python_version(),
            "limits": self._limiter.name,
            "memory_measured_as": f"working set, sampled every {SAMPLED_EVERY_S * 1000:.0f} ms",
        }


def _listed(cpus: tuple[int, ...]) -> str:
    return ("CPU " if len(cpus) == 1 else "CPUs ") + ", ".join(map(str, cpus))
