"""The page of the documentation that lists the known servers, made from what the code knows of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from tuner.manifests.servers.known import LIBRARIES, SERVERS
from tuner.manifests.servers.model import Hardware, Port, Server, ServerKnob
from tuner.space.domain import in_words

_EXAMPLE = Hardware(cores=4.0, memory_bytes=16 * (1 << 30), gpus=0)
_WITH_GPUS = replace(_EXAMPLE, gpus=2)


def with_servers(document: str) -> str:
    """The page with its tables made anew between their markers."""
    made = {"servers": _servers, "knobs": _knobs}
    return re.sub(
        r"(?<=<!-- )(servers|knobs)( -->\n).*?(?=<!-- end -->)",
        lambda match: f"{match[1]}{match[2]}\n{'\n'.join(made[match[1]]())}\n\n",
        document,
        flags=re.DOTALL,
    )


def _servers() -> Iterator[str]:
    yield "| server | recognised by | protocol | HTTP port | gRPC port | health | metrics | name of the model |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for server in SERVERS:
        cells = (
            server.name,
            _signs(server),
            f"{server.protocol}{f', `{server.path}`' if server.path else ''}",
            _port(server.http),
            _port(server.grpc),
            f"`{server.health}`" if server.health else "",
            _metrics(server),
            _model(server),
        )
        yield f"| {' | '.join(cells)} |"


def _knobs() -> Iterator[str]:
    for server in SERVERS:
        yield f"### {server.name}\n"
        yield f"Read in {server.source}.\n"
        if server.knobs:
            yield from _of(server.knobs)
            yield ""
    yield "### Libraries\n"
    yield "Whatever the server, where the manifest sets them:\n"
    yield from _of(LIBRARIES)


def _of(knobs: tuple[ServerKnob, ...]) -> Iterator[str]:
    hardware = _WITH_GPUS if any(knob.gpu for knob in knobs) else _EXAMPLE
    yield "| knob | set by | range | meaning | when |"
    yield "| --- | --- | --- | --- | --- |"
    for knob in knobs:
        domain = in_words(knob.over(hardware))
        targets = ", ".join(f"`{target}`" for target in knob.targets)
        yield f"| `{knob.name}` | {targets} | {domain} | {knob.meaning} | {_when(knob)} |"


def _when(knob: ServerKnob) -> str:
    """In words; empty: always."""
    words = []
    if knob.gpu is not None:
        words.append("with a GPU" if knob.gpu else "without a GPU")
    if knob.only_set:
        words.append("where it is set already")
    if knob.needs:
        words.append(f"with {' or '.join(f'`{sign}`' for sign in knob.needs)}")
    if knob.unless:
        words.append(f"without {', '.join(f'`{sign}`' for sign in knob.unless)}")
    if knob.when:
        words.append(f"while `{knob.when[0]}` is {', '.join(map(str, knob.when[1]))}")
    if not knob.proposed or knob.by_hand:
        words.append("as a comment")
    return "; ".join(words)


def _signs(server: Server) -> str:
    found = [
        ("starts", server.programs),
        ("image", server.images),
        ("named", server.known_as),
        ("set", server.variables),
    ]
    return "; ".join(f"{what} {', '.join(f'`{sign}`' for sign in signs)}" for what, signs in found if signs)


def _port(port: Port) -> str:
    ways = ", ".join(f"`{way}`" for way in (*port.flags, *port.variables))
    return ", ".join(part for part in (str(port.usual or ""), ways) if part)


def _metrics(server: Server) -> str:
    if server.metrics_path is None:
        return ""
    return ", ".join(part for part in (f"`{server.metrics_path}`", _port(server.metrics)) if part)


def _model(server: Server) -> str:
    named = server.model
    ways = [f"`{way}`" for way in named.flags]
    ways += ["the first argument"] if named.positional else []
    ways += [f"`{way}`" for way in named.variables]
    ways += [f"else `{named.usual}`"] if named.usual else []
    return ", ".join(ways)
