"""Are the live pods what was rendered? And if they are not, who changed them?

Pure: compares a pod as the cluster has it with the pod template as it was rendered. Every value asked for must be there
(quantities compare as quantities); in what a configuration is made of (containers, env, resources) what was added is
told, too, unless an operator makes the pods, whose additions are its job. Which of it matters, `admitted` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuner.backends.model import Difference
from tuner.manifests.kinds.model import at, mapping, mappings
from tuner.manifests.model import Container, PodSet
from tuner.units import quantity

Object = Mapping[str, Any]

_LIMIT_RANGER = "kubernetes.io/limit-ranger"
_QUANTITIES = frozenset({"limits", "requests"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing of a pod that is not as it was asked for."""

    container: str = ""
    """Empty: of the pod itself."""
    what_it_is: str = "container"
    section: str = ""
    """``env``, ``limits``, ``image`` and the like; empty: the container itself."""
    name: str = ""
    """Of a variable or a resource; elsewhere the path below the section."""
    asked: str = "not set"
    found: str = "not set"
    added: bool = False
    """Nothing was asked for here."""
    words: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    """Of ``command`` and ``args``: all that was asked for, and all that is there."""

    @property
    def what(self) -> str:
        where = f"{self.what_it_is} {self.container}" if self.container else ""
        inside = f"env {self.name}" if self.section == "env" else "/".join(filter(None, (self.section, self.name)))
        return ": ".join(filter(None, (where, inside)))


def differences(
    pods: PodSet,
    template: Object | None,
    live: Sequence[Object],
    workload: Object | None,
    suspects: Callable[[], Sequence[str]] = tuple,
    accepted: Callable[[Change], bool] = lambda _: False,
) -> Iterator[Difference]:
    """`template`: the rendered pod template, None where an operator makes the pods; `live`: the pods, in order;
    `workload`: the object as the cluster has it now; `suspects`: asked only for pods that were changed as they were
    admitted, names what may have done it; `accepted`: whether a change is none that matters, unless somebody made it
    who had no part in admission.
    """
    if len(live) != pods.replicas:
        yield Difference(what="replicas", asked=str(pods.replicas), found=str(len(live)))
    stranger = _stranger(template, workload)
    for index, pod in enumerate(live):
        for found in changes(pods, template, pod):
            if stranger or not accepted(found):
                who = _culprit(pod, template, workload, suspects)
                yield Difference(what=f"replica {index}: {found.what}", asked=found.asked, found=f"{found.found}{who}")


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


def changes(pods: PodSet, template: Object | None, pod: Object) -> Iterator[Change]:
    """What of a pod is not as it was asked for; arguments as in `differences`."""
    return _against_template(template, pod) if template is not None else _against_pods(pods, pod)


def _against_template(template: Object, pod: Object) -> Iterator[Change]:
    asked, live = mapping(template, ("spec",)), mapping(pod, ("spec",))
    for name in ("containers", "initContainers"):
        yield from _containers(name.removesuffix("s"), asked.get(name) or [], live.get(name) or [])
    for key, value in asked.items():
        if key not in ("containers", "initContainers", "volumes", "serviceAccount", "tolerations"):
            yield from _missing(Change(section=key), value, live.get(key))
    for name in sorted(mapping(live, ("nodeSelector",)).keys() - mapping(asked, ("nodeSelector",)).keys()):
        yield Change(section="nodeSelector", name=name, found=str(live["nodeSelector"][name]), added=True)
    notes = mapping(template, ("metadata", "annotations"))
    yield from _missing(Change(section="annotations"), notes, mapping(pod, ("metadata", "annotations")))


def _against_pods(pods: PodSet, pod: Object) -> Iterator[Change]:
    """What an operator made of it: everything asked for must be there, under the container's own name."""
    live = {str(c.get("name")): c for _, c in mappings(pod, ("spec", "containers"))}
    for container in pods.containers:
        found = live.get(container.name)
        if found is None:
            yield Change(container=container.name, asked="there", found="not there")
            continue
        yield from _asked_of(container, found)


def _asked_of(container: Container, live: Object) -> Iterator[Change]:
    here = Change(container=container.name)
    if container.image and live.get("image") != container.image:
        yield replace(here, section="image", asked=container.image, found=str(live.get("image")))
    for section, words in (("command", container.command), ("args", container.args)):
        if words:
            yield from _words(replace(here, section=section), words, live.get(section))
    env = {str(entry.get("name")): entry.get("value", "") for _, entry in mappings(live, ("env",))}
    for name, value in container.env.items():
        if env.get(name) != value:
            yield replace(here, section="env", name=name, asked=value, found=str(env.get(name, "not set")))
    for section, amounts in (("limits", container.limits), ("requests", container.requests)):
        yield from _missing(replace(here, section=section), amounts, mapping(live, ("resources", section)))


def _containers(what: str, asked: Sequence[Any], live: Sequence[Any]) -> Iterator[Change]:
    there = {str(item.get("name")): item for item in live if isinstance(item, Mapping)}
    wanted = {str(item.get("name")): item for item in asked if isinstance(item, Mapping)}
    for name, item in wanted.items():
        here = Change(what_it_is=what, container=name)
        if name not in there:
            yield replace(here, asked="there", found="not there")
        else:
            yield from _in_container(here, item, there[name])
    for name in there.keys() - wanted.keys():
        yield Change(what_it_is=what, container=name, asked="no such one", found="added", added=True)


def _in_container(here: Change, asked: Object, live: Object) -> Iterator[Change]:
    for key, value in asked.items():
        if key in ("command", "args"):
            yield from _words(replace(here, section=key), value or (), live.get(key))
        elif key not in ("env", "resources", "volumeMounts"):  # a service account's token is mounted besides
            yield from _missing(replace(here, section=key), value, live.get(key))
    for key in ("command", "args"):
        if live.get(key) and not asked.get(key):
            yield replace(here, section=key, found=_joined(live[key]), words=((), tuple(map(str, live[key]))))
    yield from _env(replace(here, section="env"), asked.get("env") or [], live.get("env") or [])
    for section in ("limits", "requests"):
        wanted, found = mapping(asked, ("resources", section)), mapping(live, ("resources", section))
        if section == "requests":
            wanted = {**mapping(asked, ("resources", "limits")), **wanted}  # as the API server's defaults do
        yield from _missing(replace(here, section=section), wanted, found)
        for name in sorted(found.keys() - wanted.keys()):
            yield replace(here, section=section, name=name, found=str(found[name]), added=True)


def _env(here: Change, asked: Sequence[Any], live: Sequence[Any]) -> Iterator[Change]:
    """Of two entries of one name the later holds."""
    there = {str(item.get("name")): item for item in live if isinstance(item, Mapping)}
    wanted = {str(item.get("name")): item for item in asked if isinstance(item, Mapping)}
    for name, item in wanted.items():
        if name not in there:
            yield replace(here, name=name, asked="there", found="not there")
        elif not _same(_env_value(item), _env_value(there[name]), quantities=False):
            asked_for, found = _env_value(item), _env_value(there[name])
            yield replace(here, name=name, asked=_shown(asked_for), found=_shown(found))
    for name in there.keys() - wanted.keys():
        yield replace(here, name=name, found=_shown(_env_value(there[name])), added=True)


def _words(here: Change, asked: Sequence[Any], found: Any) -> Iterator[Change]:
    wanted, there = tuple(map(str, asked)), tuple(map(str, found if isinstance(found, list) else ()))
    if wanted != there:
        yield replace(here, asked=_joined(wanted), found=_joined(there) or "not set", words=(wanted, there))


def _joined(words: Sequence[Any]) -> str:
    return " ".join(map(str, words))


def _env_value(entry: Object) -> Any:
    return entry["valueFrom"] if entry.get("valueFrom") else str(entry.get("value") or "")


def _missing(here: Change, asked: Any, found: Any) -> Iterator[Change]:
    """What of `asked` is not so in `found`; what was only added passes."""
    if isinstance(asked, Mapping):
        inside = found if isinstance(found, Mapping) else {}
        for name, value in asked.items():
            if value is not None:
                yield from _missing(_below(here, name), value, inside.get(name))
    elif isinstance(asked, list) and isinstance(found, list) and len(asked) == len(found):
        for index, (value, there) in enumerate(zip(asked, found, strict=True)):
            yield from _missing(_below(here, index), value, there)
    elif not _same(asked, found, quantities=bool(_QUANTITIES & {here.section, *here.name.split("/")})):
        yield replace(here, asked=_shown(asked), found=_shown(found))


def _below(here: Change, name: Any) -> Change:
    return replace(here, name=f"{here.name}/{name}" if here.name else str(name))


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
        what = mapping(workload, ()).get("kind") or "workload"
        return f" (the {what} was changed by {_stranger(template, workload) or 'admission'})"
    named = ", ".join(suspects())
    those = f"; those for pods: {named}" if named else ""
    return f" (changed when the pod was admitted: a mutating webhook or policy of the cluster{those})"


def _stranger(template: Object | None, workload: Object | None) -> str:
    """Who changed the workload itself since it was applied; empty: nobody, or admission as it was."""
    live_template = at(workload, ("spec", "template"))
    if template is None or live_template is None or not any(True for _ in _against_template(template, live_template)):
        return ""
    managers = {
        str(entry.get("manager"))
        for _, entry in mappings(workload, ("metadata", "managedFields"))
        if entry.get("manager") not in ("tuner", "kube-controller-manager") and entry.get("subresource") != "status"
    }
    return ", ".join(sorted(managers))
