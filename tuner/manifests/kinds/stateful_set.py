"""StatefulSet (apps/v1)."""

from __future__ import annotations

from tuner.manifests.kinds.pod_template import PodTemplate


class StatefulSetKind(PodTemplate):
    kind = "StatefulSet"
