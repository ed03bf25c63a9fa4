"""How the chosen server is asked: protocol, model, path, and a request to begin with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from tuner.manifests.servers.answers import http_port, is_grpc_alone, model_name
from tuner.manifests.servers.known import SAMPLE_REQUESTS
from tuner.manifests.survey.choice import Choice
from tuner.manifests.survey.line import plain
from tuner.workload.model import GRPC_PROTOCOLS

_ENGINE_GRPC_PORT = 5001
_NAMED = ("v2", "tensorflow", "v2-grpc")
"""Protocols whose requests name the model outside of the body."""

_BY_GRPC_TOO = ("seldon", "v2")
"""Protocols that have a sister over gRPC."""


GUESSED = "a guess of `tune init` (DIGEST)"
"""How a search space marks the request that was guessed."""


def guess_digest(request: bytes) -> str:
    """Of the guess; a request that was edited has another."""
    return hashlib.sha256(request).hexdigest()[:8]


class Traffic:
    """A guess, from what the object asks for and what its server is known to answer."""

    def __init__(self, choice: Choice) -> None:
        self.choice, self.server = choice, choice.found.server
        self.protocol = self._protocol()
        self.model = self._model()

    def _protocol(self) -> str:
        kind = self.choice.workload.kind
        asked = kind.protocol(self.choice.workload.obj, self.choice.place) if self.choice.place else None
        protocol = asked or (self.server.protocol if self.server else kind.usual_protocol)
        spec = kind.container(self.choice.workload.obj, self.choice.place) if self.choice.place else {}
        return f"{protocol}-grpc" if protocol in _BY_GRPC_TOO and is_grpc_alone(spec) else protocol

    def _model(self) -> str:
        workload, place = self.choice.workload, self.choice.place
        by_operator = workload.kind.model_name(workload.obj, place) if place else None
        told, usual = model_name(self.choice.found), self.server.model.usual if self.server else None
        return (told if told != usual else None) or by_operator or told or workload.name

    def section(self) -> Iterator[str]:
        """The lines of a search space's workload."""
        yield "workload:"
        yield f"  protocol: {self.protocol}  # seldon, v2, tensorflow, openai or http; a guess"
        mark = GUESSED.replace("DIGEST", guess_digest(self.request().encode()))
        yield f"  request: request.json  # the body to send; {mark}: replace it by one that your model answers"
        if self.protocol in _NAMED:
            yield f"  model: {plain(self.model)}  # its name in the request's path"
        elif (path := self._path()) is not None:
            yield f"  path: {plain(path)}  # a guess"
        if (front := self._front()) is not None:
            name, port = front
            yield f"  port: {port}  # of container {name}, which the Service sends to"
        elif self.protocol in GRPC_PROTOCOLS and any(place.injected for place in self.choice.workload.places()):
            yield f"  port: {_ENGINE_GRPC_PORT}  # the orchestrator's, on a cluster"
        if self.server and self.server.timeout:
            yield f"  timeout: {self.server.timeout}  # a request not answered within it counts as an error"
        yield "  # rate: 100/s  # latencies are compared at this rate; left out: derived from the baseline, then fixed"

    def request(self) -> str:
        """A body to begin with."""
        own = self.server.request if self.server and self.server.protocol == self.protocol else None
        body = dict(own or SAMPLE_REQUESTS.get(self.protocol.removesuffix("-grpc")) or _PROMPT)
        if "model" in body:
            body["model"] = self.model
        return json.dumps(body, indent=2) + "\n"

    def _front(self) -> tuple[str, int] | None:
        """Another container of the pod that clients' requests come to first, and its port."""
        chosen, *others = self.choice.containers or (None,)
        if chosen is None or chosen.targeted or self.protocol in GRPC_PROTOCOLS:
            return None
        for other in others:
            if other is not None and other.targeted:
                port = http_port(other.spec, other.found, targets=other.targets)
                return None if port is None else (other.place.name, port)
        return None

    def _path(self) -> str | None:
        workload, place = self.choice.workload, self.choice.place
        if place is not None and (own := workload.kind.path(workload.obj, place)) is not None:
            return own
        path = self.server.path if self.server and self.server.protocol == self.protocol else None
        if path is None and self.protocol == "http":
            path = "/predict"
        return path.replace("MODEL", self.model) if path else None


_PROMPT = {"model": "MODEL", "prompt": "Once upon a time", "max_tokens": 64, "temperature": 0}
"""For servers that answer OpenAI's requests, of which nothing more is known."""
