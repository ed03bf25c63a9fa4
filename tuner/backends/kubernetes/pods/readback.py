"""Are the live pods what was rendered? And if they are not, who changed them?

Pure: compares a pod as the cluster has it with the pod template as it was rendered. Every value asked for must be there
(quantities compare as quantities); in what a configuration is made of (containers, env, resources) nothing may have
been added either, unless an operator makes the pods, whose additions are its job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tuner.backends.model import Difference
from tuner.manifests.kinds.model import at, mapping, mappings
from tuner.manifests.model import Container, PodSet
from tuner.units import quantity

Object = Mapping[str, Any]

_LIMIT_RANGER = "kubernetes.io/limit-ranger"
_QUANTITIES = frozenset({"limits", "requests"})


def differences(
    pods: PodSet,
    template: Object | None,
    live: Sequence[Object],
    workload: Object | None,
    suspects: Callable[[], Sequence[str]] = tuple,
) -> Iterator[Difference]:
    """`template`: the rendered pod template, None where an operator makes the pods; `live`: the pods, in order;
    `workload`: the object as the cluster has it now; `suspects`: asked only for pods that were changed as they were
    admitted, names what may have done it.
    """
    if len(live) != pods.replicas:
        yield Difference(what="replicas", asked=str(pods.replicas), found=str(len(live)))
    for index, pod in enumerate(live):
        found = _against_template(template, pod) if template is not None else _against_pods(pods, pod)
        for what, asked, value in found:
            who = _culprit(pod, template, workload, suspects)
            yield Difference(what=f"replica {index}: {what}", asked=asked, found=f"{value}{who}")


def images(live: Sequence[Object]) -> tuple[str, ...]:
    """``CONTAINER: IMAGE is DIGEST`` of what the nodes say they run, each once, in the order of the replicas."""
    return tuple(
        dict.fromkeys(
            f"{name}: {image} is {digest}" for pod in live for name, (image, digest) in _images_of(pod).items()
        )
    )


def uneven_images(live: Sequence[Object]) -> Iterator[str]:
    """A sentence for each container of which replicas run different images under one name."""
    digests: dict[tuple[str, str], set[str]] = {}
    for pod in live:
        for name, (image, digest) in _images_of(pod).items():
            digests.setdefault((name, image), set()).add(digest)
    for (name, image), found in digests.items():
        if len(found) > 1:
            yield (
                f"container {name}: its replicas run different images, all named {image} ({', '.join(sorted(found))}); "
                "name it by its digest in the manifest"
            )


def _images_of(pod: Object) -> dict[str, tuple[str, str]]:
    """By container, the image as the manifest names it, and its digest as the node does."""
    asked = {str(c.get("name")): str(c.get("image")) for _, c in mappings(pod, ("spec", "containers"))}
    return {
        name: (asked[name], str(status["imageID"]).rpartition("@")[2])
        for _, status in mappings(pod, ("status", "containerStatuses"))
        if status.get("imageID") and (name := str(status.get("name"))) in asked
    }


def _against_template(template: Object, pod: Object) -> Iterator[tuple[str, str, str]]:
    asked, live = mapping(template, ("spec",)), mapping(pod, ("spec",))
    for name in ("containers", "initContainers"):
        yield from _by_name(name.removesuffix("s"), asked.get(name) or [], live.get(name) or [])
    for key, value in asked.items():
        if key not in ("containers", "initContainers", "volumes", "serviceAccount", "tolerations"):
            yield from _missing(key, value, live.get(key))


def _against_pods(pods: PodSet, pod: Object) -> Iterator[tuple[str, str, str]]:
    """What an operator made of it: everything asked for must be there, under the container's own name."""
    live = {str(c.get("name")): c for _, c in mappings(pod, ("spec", "containers"))}
    for container in pods.containers:
        found = live.get(container.name)
        if found is None:
            yield f"container {container.name}", "there", "not there"
            continue
        yield from _asked_of(container, found)


def _asked_of(container: Container, live: Object) -> Iterator[tuple[str, str, str]]:
    where = f"container {container.name}"
    if container.image and live.get("image") != container.image:
        yield f"{where}: image", container.image, str(live.get("image"))
    for section, words in (("command", container.command), ("args", container.args)):
        if words and tuple(live.get(section) or ()) != words:
            yield f"{where}: {section}", " ".join(words), " ".join(live.get(section) or ()) or "not set"
    env = {str(entry.get("name")): entry.get("value", "") for _, entry in mappings(live, ("env",))}
    for name, value in container.env.items():
        if env.get(name) != value:
            yield f"{where}: env {name}", value, str(env.get(name, "not set"))
    for section, amounts in (("limits", container.limits), ("requests", container.requests)):
        yield from _missing(f"{where}: {section}", amounts, mapping(live, ("resources", section)), quantities=True)


def _by_name(what: str, asked: Sequence[Any], live: Sequence[Any]) -> Iterator[tuple[str, str, str]]:
    """Lists whose items have names, in any order. Nothing may have been added."""
    there = {str(item.get("name")): item for item in live if isinstance(item, Mapping)}
    wanted = {str(item.get("name")): item for item in asked if isinstance(item, Mapping)}
    for name, item in wanted.items():
        if name not in there:
            yield f"{what} {name}", "there", "not there"
        elif what == "env":
            yield from _missing(f"env {name}", _env_value(item), _env_value(there[name]))
        else:
            yield from _in_container(f"{what} {name}", item, there[name])
    for name in there.keys() - wanted.keys():
        value = there[name].get("value", "") if what == "env" else "added"
        yield f"{what} {name}", "not set" if what == "env" else "no such one", str(value)


def _in_container(where: str, asked: Object, live: Object) -> Iterator[tuple[str, str, str]]:
    for key, value in asked.items():
        if key in ("env", "resources", "volumeMounts"):
            continue  # the first two below; the service account's token is mounted besides
        yield from _missing(f"{where}: {key}", value, live.get(key))
    for what, value, there in _by_name("env", asked.get("env") or [], live.get("env") or []):
        yield f"{where}: {what}", value, there
    for section in ("limits", "requests"):
        wanted, found = mapping(asked, ("resources", section)), mapping(live, ("resources", section))
        if section == "requests":
            wanted = {**mapping(asked, ("resources", "limits")), **wanted}  # as the API server's defaults do
        yield from _missing(f"{where}: {section}", wanted, found, quantities=True)
        for name in sorted(found.keys() - wanted.keys()):
            yield f"{where}: {section}/{name}", "not set", str(found[name])


def _env_value(entry: Object) -> Any:
    return entry["valueFrom"] if entry.get("valueFrom") else str(entry.get("value") or "")


def _missing(what: str, asked: Any, found: Any, *, quantities: bool = False) -> Iterator[tuple[str, str, str]]:
    """What of `asked` is not so in `found`; what was only added passes."""
    if isinstance(asked, Mapping):
        inside = found if isinstance(found, Mapping) else {}
        for name, value in asked.items():
            if value is not None:
                yield from _missing(
                    f"{what}/{name}", value, inside.get(name), quantities=quantities or name in _QUANTITIES
                )
    elif isinstance(asked, list) and isinstance(found, list) and len(asked) == len(found):
        for index, (value, there) in enumerate(zip(asked, found, strict=True)):
            yield from _missing(f"{what}/{index}", value, there, quantities=quantities)
    elif not _same(asked, found, quantities=quantities):
        yield what, _shown(asked), _shown(found)


def _same(asked: Any, found: Any, *, quantities: bool) -> bool:
    if asked == found or (asked in (None, "", 0, False, [], {}) and found is None):
        return True
    return quantities and None not in (asked, found) and quantity(str(asked)) == quantity(str(found))


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value)


def _culprit(
    pod: Object, template: Object | None, workload: Object | None, suspects: Callable[[], Sequence[str]]
) -> str:
    """Who changed it, as far as the cluster tells."""
    ranger = at(pod, ("metadata", "annotations", _LIMIT_RANGER))
    if ranger:
        return f" (by {ranger})"
    live_template = at(workload, ("spec", "template"))
    if template is None or live_template is None:
        return ""
    if any(True for _ in _against_template(template, live_template)):
        managers = sorted(
            {
                str(entry.get("manager"))
                for _, entry in mappings(workload, ("metadata", "managedFields"))
                if entry.get("manager") not in ("tuner", "kube-controller-manager")
                and entry.get("subresource") != "status"
            }
        )
        what = mapping(workload, ()).get("kind") or "workload"
        return f" (the {what} was changed by {', '.join(managers) or 'admission'})"
    named = ", ".join(suspects())
    those = f"; those for pods: {named}" if named else ""
    return f" (changed when the pod was admitted: a mutating webhook or policy of the cluster{those})"
