"""The exported manifest: what was deployed, and annotations that say what it is."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.manifests.documents import documents as documents_of
from tuner.manifests.model import Rendered
from tuner.manifests.workload import workloads
from tuner.yaml import tree
from tuner.yaml.splice import splice


def annotate(rendered: Rendered, annotations: Mapping[str, str]) -> str:
    """The text with `annotations` among its workload's metadata.annotations, and all else as it was.

    Of several workloads all are annotated: the whole text is what was measured. An annotation that is there already
    takes the new value.
    """
    documents = documents_of(rendered.text)
    changes = []
    for workload in workloads([tree.data(document.root) for document in documents]):
        obj = dict(workload.obj)
        metadata = dict(obj.get("metadata") or {})
        metadata["annotations"] = dict(metadata.get("annotations") or {}) | dict(annotations)
        obj["metadata"] = metadata
        changes.append((documents[workload.index], obj))
    return splice(rendered.text, changes)
