"""The generator on this machine against the suite every generator passes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.generator import GeneratorConformance
from tests.load.servers import Server, answer
from tuner.load.model import Generator, Target
from tuner.load.process.local import LocalGenerator

PREDICTION = answer(b'{"data": {"names": ["t:0"], "ndarray": [[13]]}, "meta": {}}')


def reply(_number: int, request: bytes) -> bytes:
    return PREDICTION if request.startswith(b"POST /api/v1.0/predictions") else answer(b"{}", "404 Not Found")


class ProcessConformance(GeneratorConformance):
    """Of generators in processes here, whose numbers `generator` adds to `started`."""

    @pytest.fixture
    def urls(self) -> Iterator[tuple[str, ...]]:
        with Server(reply) as one, Server(reply) as other:
            yield one.url, other.url

    @pytest.fixture(autouse=True)
    def _started(self) -> None:
        self.started: list[int] = []

    def kill(self, generator: Generator) -> None:
        os.kill(self.started[-1], signal.SIGKILL)

    def left_behind(self) -> list[str]:
        return [str(pid) for pid in self.started if Path(f"/proc/{pid}").exists()]


class TestLocal(ProcessConformance):
    def generator(self, target: Target) -> LocalGenerator:
        generator = LocalGenerator(target)
        self.started.append(generator.pid)
        return generator
