"""One configuration, deployed anew for each start as a trial is."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count

from tuner.backends.model import Deployment
from tuner.errors import EnvironmentFailure
from tuner.manifests.pods import pods as pods_of
from tuner.manifests.render import render
from tuner.space.model import Configuration
from tuner.targets.inputs import Inputs
from tuner.targets.model import TargetOptions
from tuner.trials.load_source import load_source
from tuner.trials.quiet import leave_servers_alone
from tuner.trials.serving import OnStage, Served, deployed


class Deployed:
    """One configuration, deployed by a backend as a trial is; implements `SystemUnderTest`."""

    def __init__(
        self,
        name: str,
        inputs: Inputs,
        configuration: Configuration,
        options: TargetOptions,
        notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.workload = inputs.space.workload
        self.slo = inputs.space.slo
        self._inputs = inputs
        self._options = options
        self._notice = notice
        self._rendered = render(inputs.space, inputs.manifest, configuration)
        self._configuration = configuration
        self._pods = pods_of(inputs.space, self._rendered)
        self._id = secrets.token_hex(4)
        self._starts = count()

    @contextmanager
    def serve(self, on_stage: OnStage) -> Iterator[Served]:
        """As in `SystemUnderTest`."""
        backend, number = self._inputs.backend, next(self._starts)
        if number == 0:
            self._prepare()
        deployment = Deployment(
            study=self._id, trial=number, rendered=self._rendered, pods=self._pods, study_name=self._inputs.space.name
        )
        with (
            load_source(
                backend,
                study=self._id,
                place=self._options.load,
                image=self._options.load_image or self._inputs.space.cluster.load_generator.image,
                cpus=self._options.load_cpus,
                study_name=self._inputs.space.name,
                notice=self._notice,
            ) as load,
            deployed(backend, deployment, self._inputs.traffic, load.generator, on_stage=on_stage) as served,
        ):
            yield served

    def describe(self) -> Mapping[str, str]:
        """As in `SystemUnderTest`."""
        pods = self._pods
        settings = " ".join(f"{name}={value}" for name, value in self._configuration.values.items())
        return {
            "manifest": str(self._inputs.manifest.file),
            "workload": f"{pods.kind} {pods.name}, replicas: {pods.replicas}",
            "images": ", ".join(dict.fromkeys(container.image for container in pods.containers)),
            **({"configuration": settings} if settings else {}),
            "manifest digest": self._rendered.digest,
            "backend": self._inputs.backend.name,
            **self._inputs.backend.describe(),
        }

    def _prepare(self) -> None:
        """Before the first start. Raises EnvironmentFailure where it can never run here."""
        backend = self._inputs.backend
        reason = backend.infeasible(self._pods)
        if reason is not None:
            raise EnvironmentFailure(f"{self.name} cannot run here: {reason}")
        for sentence in self._inputs.foreseen:
            self._notice(sentence)
        leave_servers_alone(backend.generator_cpus())
        for removed in backend.clean():
            self._notice(f"left by an earlier crash, now removed: {removed}")
