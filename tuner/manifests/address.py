"""The addresses that a knob can be set on, as a search space spells them.

``env/NAME``, ``args/--flag``, ``limits/RESOURCE`` and ``requests/RESOURCE`` belong to a container; ``replicas`` and
``annotations/KEY`` (of the workload object, where its operator reads that key: see the kinds) to the workload;
``pod-annotations/KEY`` to its pod template; ``path:/json/pointer`` to anything in the workload object and
``path:Kind/name:/json/pointer`` to anything in another document of the manifest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

FORMS = (
    "env/NAME, args/--flag, replicas, limits/RESOURCE, requests/RESOURCE, annotations/KEY, pod-annotations/KEY, "
    "path:/json/pointer or path:Kind/name:/json/pointer"
)


@dataclass(frozen=True, slots=True)
class Env:
    name: str


@dataclass(frozen=True, slots=True)
class Flag:
    """A command-line flag, dashes included: ``--workers``, ``-w``."""

    name: str


@dataclass(frozen=True, slots=True)
class Replicas:
    pass


@dataclass(frozen=True, slots=True)
class ContainerResource:
    section: Literal["limits", "requests"]
    name: str


@dataclass(frozen=True, slots=True)
class Annotation:
    key: str
    of_pod: bool = False


@dataclass(frozen=True, slots=True)
class Pointer:
    """A JSON pointer (RFC 6901), its tokens unescaped; `document` is (kind, name), None: the workload itself."""

    tokens: tuple[str, ...]
    document: tuple[str, str] | None = None


Address = Env | Flag | Replicas | ContainerResource | Annotation | Pointer
OfContainer = Env | Flag | ContainerResource

_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_FLAG = re.compile(r"--?[A-Za-z0-9][^\s=]*")
_QUALIFIED = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


def parse(text: str) -> Address:
    """Raises ValueError that says what is wrong and which forms there are."""
    if text.startswith("path:"):
        return _pointer(text.removeprefix("path:"))
    if text == "replicas":
        return Replicas()
    form, slash, rest = text.partition("/")
    if slash:
        if form == "env":
            return Env(_matching(_ENV_NAME, rest, "the name of an environment variable"))
        if form == "args":
            return Flag(_matching(_FLAG, rest, "a flag such as --workers or -w"))
        if form in ("limits", "requests"):
            section: Literal["limits", "requests"] = "limits" if form == "limits" else "requests"
            return ContainerResource(
                section, _matching(_QUALIFIED, rest, "the name of a resource such as cpu or nvidia.com/gpu")
            )
        if form in ("annotations", "pod-annotations"):
            key = _matching(_QUALIFIED, rest, "the key of an annotation such as seldon.io/no-engine")
            return Annotation(key, of_pod=form == "pod-annotations")
    raise ValueError(f"{text!r} is no address of a knob; write {FORMS}")


def _matching(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"{text!r} is not {what}")
    return text


def _pointer(text: str) -> Pointer:
    document = None
    if not text.startswith("/"):
        head, colon, text = text.partition(":/")
        kind, slash, name = head.partition("/")
        if not (colon and slash and kind and name):
            raise ValueError(f"'path:{head}' is no address; write path:/json/pointer or path:Kind/name:/json/pointer")
        document, text = (kind, name), "/" + text
    if re.search(r"~(?![01])", text):
        raise ValueError(f"'~' in {text!r}; in a JSON pointer write ~0 for ~ and ~1 for /")
    return Pointer(tuple(token.replace("~1", "/").replace("~0", "~") for token in text[1:].split("/")), document)
