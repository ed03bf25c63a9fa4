"""How model servers are spoken to: one module a protocol, each encoding a body and checking an answer.

Pure functions of bytes: nothing here opens a socket or knows when it is called. A new protocol is a new module and
one line in `_PROTOCOLS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tuner.load.model import Protocol
from tuner.load.protocols.http import Http
from tuner.load.protocols.seldon import Seldon
from tuner.load.protocols.tensorflow import TensorFlow
from tuner.load.protocols.v2 import V2

_PROTOCOLS: Mapping[str, Callable[[Mapping[str, str]], Protocol]] = {
    "seldon": Seldon,
    "v2": V2,
    "tensorflow": TensorFlow,
    "http": Http,
}
NAMES = tuple(_PROTOCOLS)


def protocol(name: str, options: Mapping[str, str] | None = None) -> Protocol:
    """The protocol of that name.

    `options`: `model` (its name in the paths of v2 and tensorflow), `path` (instead of the protocol's usual one)
    and `method` (http only). They matter to `encode` alone. Raises ValueError for a name not in `NAMES`.
    """
    try:
        return _PROTOCOLS[name](options or {})
    except KeyError:
        raise ValueError(f"{name!r} is not a protocol; use one of {', '.join(NAMES)}") from None
