"""References to environment variables in a container's command, arguments and variables, as Kubernetes expands them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:\$|\((?P<name>[^()]*)\))")


def expand(text: str, env: Mapping[str, str]) -> str:
    """``$(NAME)`` becomes the variable's value, ``$$`` a dollar sign; an unknown name stays as it is."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else env.get(match["name"], match[0])

    return _REFERENCE.sub(value, text)


def expand_env(env: Mapping[str, str]) -> dict[str, str]:
    """A value may refer to variables defined before it."""
    expanded: dict[str, str] = {}
    for name, value in env.items():
        expanded[name] = expand(value, expanded)
    return expanded
