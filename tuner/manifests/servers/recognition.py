"""Which server a container runs: told by the program it starts, its image and what an operator is to start.

A word in some argument tells nothing: a router may be given a pool of that name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tuner.manifests.kinds.model import at
from tuner.manifests.servers.known import SERVERS
from tuner.manifests.servers.launch import Launch, Line, launch, repository, started
from tuner.manifests.servers.model import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    server: Server | None
    launch: Launch
    words: tuple[str, ...]
    """The server's own arguments; of a server that is not known, all that the container starts."""


def recognise(spec: Mapping[str, Any], *, known_as: str | None = None) -> Recognised:
    """The server of a container, given as plain dicts and lists.

    `known_as` is what its operator is told to start, where that stands elsewhere: Seldon's implementation, the legacy
    key of KServe's model format; `modelFormat` and `runtime` are read in `spec` itself.
    """
    start = launch(spec)
    for line in start.lines:
        for words in started(line):
            for server, length in _by_program(words):
                return Recognised(server=server, launch=start, words=words[length:] + _more_flags(server, start))
    everything = tuple(word for line in start.lines for word in line)
    found = _by_image(start) if not _serves_nothing(start.lines) else None
    if found is not None:
        everything = _given(found, start)
    return Recognised(server=found or _by_name(spec, known_as) or _by_variable(start), launch=start, words=everything)


def recognize(spec: Mapping[str, Any], *, known_as: str | None = None) -> Server | None:
    """As `recognise`, the server alone."""
    return recognise(spec, known_as=known_as).server


def _given(server: Server, start: Launch) -> Line:
    """The words that an image's entry point is given; behind an empty one where the container starts something else.

    An image may begin with a program's first word alone: ``serve MODEL`` follows ``vllm``.
    """
    last = start.lines[-1]
    if last[0]:
        return ("", *(word for line in start.lines for word in line))
    for program in server.programs:
        rest = tuple(program.split()[1:])
        if rest and last[1 : len(rest) + 1] == rest:
            return last[len(rest) + 1 :]
    return last[1:]


_IDLE = frozenset({"sleep", "tail", "curl", "wget", "cat", "echo", "ls", "true", "nvidia-smi", "git", "kubectl"})


def _serves_nothing(lines: tuple[Line, ...]) -> bool:
    return all(line[0].rpartition("/")[2] in _IDLE for line in lines)


def _more_flags(server: Server, start: Launch) -> Line:
    return tuple(word for name in server.more_flags for word in start.env.get(name, "").split())


def _by_program(words: Line) -> Iterator[tuple[Server, int]]:
    for server in SERVERS:
        for program in server.programs:
            pattern = program.split()
            if len(words) >= len(pattern) and all(map(fnmatchcase, words, pattern)):
                yield server, len(pattern)


def _by_image(start: Launch) -> Server | None:
    parts = repository(start.image)
    for server in SERVERS:
        wanted = [image for image in server.images if not image.startswith("!")]
        others = [image[1:] for image in server.images if image.startswith("!")]
        if any(_ends_with(parts, image) for image in wanted) and not any(_ends_with(parts, image) for image in others):
            return server
    return None


def _ends_with(parts: Sequence[str], image: str) -> bool:
    pattern = image.split("/")
    return len(parts) >= len(pattern) and all(map(fnmatchcase, parts[-len(pattern) :], pattern))


def _by_name(spec: Mapping[str, Any], known_as: str | None) -> Server | None:
    for name in (at(spec, ("runtime",)), known_as, at(spec, ("modelFormat", "name"))):
        for server in SERVERS:
            if name is not None and any(fnmatchcase(str(name), known) for known in server.known_as):
                return server
    return None


def _by_variable(start: Launch) -> Server | None:
    for server in SERVERS:
        for pattern in server.variables:
            if any(fnmatchcase(name, pattern) for name in start.variables):
                return server
    return None
