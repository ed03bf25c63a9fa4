"""Which objects a configuration changed, and where in the API each belongs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.manifests.kinds.model import at
from tuner.yaml.splice import same

_BUILT_IN = frozenset(
    [
        *("", "apps", "autoscaling", "batch", "policy"),
        *(f"{name}.k8s.io" for name in ("networking", "rbac.authorization", "scheduling", "storage", "coordination")),
        *(f"{name}.k8s.io" for name in ("discovery", "resource", "node", "admissionregistration", "certificates")),
    ]
)
"""Groups whose lists kubectl and kustomize know the keys of. Of all others they replace lists whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An object as it stood, and as it was measured."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.before.get("kind"))

    @property
    def name(self) -> str:
        return str(at(self.before, ("metadata", "name")))

    @property
    def namespace(self) -> str | None:
        found = at(self.before, ("metadata", "namespace"))
        return None if found is None else str(found)

    @property
    def api_version(self) -> str:
        return str(self.before.get("apiVersion"))

    @property
    def is_built_in(self) -> bool:
        return self.group in _BUILT_IN

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def changes(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> tuple[Change, ...]:
    """Those of two renderings of one manifest, whose objects stand in the same order."""
    return tuple(
        Change(before=old, after=new) for old, new in zip(before, after, strict=True) if not same(dict(old), dict(new))
    )


def listed(found: Sequence[Change]) -> str:
    return ", ".join(map(str, found))


def identity(change: Change) -> Iterator[tuple[str, Any]]:
    """What a patch names its object by."""
    yield "apiVersion", change.api_version
    yield "kind", change.kind
    place = {} if change.namespace is None else {"namespace": change.namespace}
    yield "metadata", {"name": change.name, **place}
