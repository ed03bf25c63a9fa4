"""A copy of a study that was made for others: literal secrets are masked in it, and what was masked is written down."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tuner.errors import StoreFailure
from tuner.trials.folder import StudyFolder


def masked_digests(folder: StudyFolder) -> Mapping[str, str]:
    """Digests of the masked manifests by the numbers of their trials; empty: nothing is masked in them.

    Raises StoreFailure.
    """
    found = _said(folder).get("manifests", {})
    return found if isinstance(found, dict) else {}


def masked_names(folder: StudyFolder) -> tuple[str, ...]:
    """What the secrets that are missing in this copy are called. Raises StoreFailure."""
    found = _said(folder).get("names", [])
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _said(folder: StudyFolder) -> dict[str, object]:
    try:
        found = json.loads(folder.masked.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StoreFailure(f"{folder.masked}: cannot be read ({error}); unpack the copy again") from None
    if not isinstance(found, dict):
        raise StoreFailure(f"{folder.masked}: it says nothing of what was masked; unpack the copy again")
    return found
