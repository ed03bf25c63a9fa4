"""What a container asks for, in numbers: the ranges of its server's knobs follow from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tuner.manifests.kinds.model import mapping
from tuner.manifests.servers.model import Hardware
from tuner.units import quantity

_GPU = re.compile(
    r"(nvidia|amd)\.com/(gpu|mig-.*)|gpu\.intel\.com/.*|google\.com/tpu|habana\.ai/gaudi|aws\.amazon\.com/neuron.*"
)


def hardware(spec: Mapping[str, Any]) -> Hardware:
    """Of a container as plain dicts and lists; what is no quantity counts as not said."""
    asked = {**mapping(spec, ("resources", "requests")), **mapping(spec, ("resources", "limits"))}
    gpus = sum(int(_amount(value) or 0) for name, value in asked.items() if _GPU.fullmatch(str(name)))
    return Hardware(cores=_amount(asked.get("cpu")), memory_bytes=_amount(asked.get("memory")), gpus=gpus)


def _amount(value: Any) -> float | None:
    try:
        amount = float(quantity(value)) if isinstance(value, str | int | float) else 0.0
    except ValueError:
        return None
    return amount if amount > 0 else None
