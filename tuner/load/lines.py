"""`Target` and `Stage` as lines of JSON, the language spoken with `python -m tuner.load --serve`."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tuner.load.model import Request, Stage, Target


def target_line(target: Target) -> str:
    requests = [
        {
            "method": request.method,
            "path": request.path,
            "headers": dict(request.headers),
            "body": base64.b64encode(request.body).decode(),
            "weight": request.weight,
        }
        for request in target.requests
    ]
    return json.dumps(
        {
            "urls": target.urls,
            "protocol": target.protocol,
            "requests": requests,
            "cpus": target.cpus,
            "options": dict(target.options),
        }
    )


def read_target(line: str | bytes) -> Target:
    """Raises ValueError for a line that is not a target."""
    value = _object(line)
    try:
        return Target(
            urls=tuple(value["urls"]),
            protocol=value["protocol"],
            requests=tuple(_request(request) for request in value["requests"]),
            cpus=tuple(value["cpus"]),
            options=value["options"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a target: {error!r}") from None


def stage_line(stage: Stage, out: Path) -> str:
    return json.dumps({**asdict(stage), "out": str(out)})


def read_stage(line: str | bytes) -> tuple[Stage, Path]:
    """The stage, and where its samples go. Raises ValueError for a line that is not a stage."""
    value = _object(line)
    try:
        out = Path(value.pop("out"))
        return Stage(**value), out
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a stage: {error!r}") from None


def _request(value: dict[str, Any]) -> Request:
    return Request(**{**value, "body": base64.b64decode(value["body"], validate=True)})


def _object(line: str | bytes) -> dict[str, Any]:
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError(f"not a JSON object: {line[:80]!r}")
    return value
