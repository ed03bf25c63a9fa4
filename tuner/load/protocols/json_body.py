"""JSON bodies, as all model protocols over REST have them."""

from __future__ import annotations

import json
from typing import Any

from tuner.printable import cut

HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


def parse_object(body: bytes) -> dict[str, Any]:
    """The body as a dict. Raises ValueError saying in words what it is instead."""
    try:
        value = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the body is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise ValueError(f"the body is a JSON {_kind(value)}, not an object")
    return value


def parse_answer(body: bytes) -> dict[str, Any]:
    """A server's answer as a dict. Raises ValueError like `parse_object`, and with what it says if that is an error."""
    message = parse_object(body)
    if message.get("error"):
        raise ValueError(f"the server says: {shown(message['error'])}")
    return message


def shown(value: object, limit: int = 200) -> str:
    """A value of a JSON body, short enough for a message."""
    return cut(json.dumps(value), limit)


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "array"
    return "null" if value is None else type(value).__name__.replace("str", "string")
