"""What servers of language models that speak OpenAI's protocol have in common."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

REQUEST: Mapping[str, Any] = MappingProxyType(
    {"model": "MODEL", "prompt": "Once upon a time", "max_tokens": 64, "temperature": 0}
)
"""Completions, which models without a chat template answer too."""
LATENCY_P99, TIMEOUT = "10s", "60s"
