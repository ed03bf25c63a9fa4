"""How model servers are spoken to: one module a protocol, each encoding a body and checking an answer.

Pure functions of bytes: nothing here opens a socket or knows when it is called. A new protocol is a new module and
one line in `_PROTOCOLS`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping

from tuner.errors import Mistake
from tuner.load.model import Protocol
from tuner.load.protocols.checked import Checked
from tuner.load.protocols.grpc_method import GrpcMethod
from tuner.load.protocols.grpc_seldon import GrpcSeldon
from tuner.load.protocols.grpc_v2 import GrpcV2
from tuner.load.protocols.http import Http, statuses
from tuner.load.protocols.openai import OpenAI
from tuner.load.protocols.seldon import Seldon
from tuner.load.protocols.tensorflow import TensorFlow
from tuner.load.protocols.v2 import V2

_PROTOCOLS: Mapping[str, Callable[[Mapping[str, str]], Protocol]] = {
    "seldon": Seldon,
    "v2": V2,
    "tensorflow": TensorFlow,
    "http": Http,
    "openai": OpenAI,
    "seldon-grpc": GrpcSeldon,
    "v2-grpc": GrpcV2,
    "grpc": GrpcMethod,
}
NAMES = tuple(_PROTOCOLS)


def expected_statuses(name: str, options: Mapping[str, str]) -> Container[int]:
    """The HTTP statuses that a correct answer of this protocol may have."""
    return statuses(options) if name == "http" else (200,)


def protocol(name: str, options: Mapping[str, str] | None = None) -> Protocol:
    """The protocol of that name.

    `options`: `model` (its name in the paths of v2 and tensorflow), `path` (instead of the protocol's usual one),
    `method` and `status` (http only; ``200,404`` are then the statuses of correct answers), `method` and `descriptors`
    (grpc only: `GrpcMethod`), `check` (conditions as `Checked` takes them). Raises Mistake for a name not in `NAMES`,
    ValueError for conditions that make no sense.
    """
    given = options or {}
    make = _PROTOCOLS.get(name)
    if make is None:
        raise Mistake(f"{name!r} is not a protocol", f"use one of {', '.join(NAMES)}")
    speaker = make(given)
    return Checked(speaker, given["check"]) if "check" in given else speaker
