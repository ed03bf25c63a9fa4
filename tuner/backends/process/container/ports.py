"""Ports: replicas of one pod share this machine, so every port number of the manifest becomes a free one for each."""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

LOOPBACK = "127.0.0.1"

SERVING_PORT_ENV = ("PORT", "UVICORN_PORT", "FLASK_RUN_PORT")
"""Variables by which common servers are told the port they serve on (PORT: gunicorn and most platforms)."""

NAMED_PORT_ENV: Mapping[str, int] = {
    "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": 9000,
    "PREDICTIVE_UNIT_GRPC_SERVICE_PORT": 5000,
    "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": 6000,
    "MLSERVER_HTTP_PORT": 8080,
    "MLSERVER_GRPC_PORT": 8081,
    "MLSERVER_METRICS_PORT": 8082,
}
"""Variables by which a server is told one of its ports, with the port it takes by default."""

LOOPBACK_ENV = ("HOST", "UVICORN_HOST", "FLASK_RUN_HOST", "MLSERVER_HOST")
"""Variables by which common servers are told the address to listen on."""

_PORT_NAME = re.compile(r"(?:^|_)(?:HTTP|GRPC|REST)?PORT(?:_|$)|LISTEN|BIND|ADDR", re.IGNORECASE)
_PORT_WORD = r"--?(?:[\w.-]*(?:[-_.]|http|grpc|rest|metrics))?port"  # not --import, --support
_PORT_FLAG = re.compile(rf"-p|-b|{_PORT_WORD}|--?[\w.-]*(?:listen|bind|addr)[\w.-]*", re.IGNORECASE)
_ANY_ADDRESS = re.compile(r"(?<![\d.])0\.0\.0\.0(?![\d./])|\[::\](?=:)")
_FLAG_WITH_PORT = rf"(?P<flag>(?:^|(?<=\s)){_PORT_WORD}[ =])"
_ADDRESS = r"(?P<address>(?:^|(?<=[\s=/,'\"@]))(?:localhost|127\.0\.0\.1|\[::1\]|\*)?:)"
_FIRST, _LAST, _TRIES = 10_000, 32_767, 200


def give_out(numbers: Sequence[int], taken: set[int]) -> dict[int, int]:
    """A free port for each number, all different and none in `taken`; adds them to it."""
    ports = {}
    for number in numbers:
        ports[number] = free_port(taken)
        taken.add(ports[number])
    return ports


def free_port(taken: Set[int]) -> int:
    """A port nothing listens on, outside the kernel's range for outgoing connections, and not in `taken`.

    A port the kernel itself would choose lies in that range: a connection of the load generator could take it between
    now and the server's start.
    """
    outgoing = _outgoing_range()
    for _ in range(_TRIES):
        port = random.randint(_FIRST, _LAST)  # noqa: S311  (chance spreads tuners apart, it keeps no secret)
        if port not in taken and port not in outgoing and _is_free(port):
            return port
    with socket.socket() as reservation:
        reservation.bind((LOOPBACK, 0))
        return int(reservation.getsockname()[1])


def substitute_env(name: str, value: str, ports: Mapping[int, int]) -> str:
    """An environment value with the ports of `ports` replaced, and every-interface addresses by loopback's.

    A bare number is a port only where the variable's name says so: ``TIMEOUT=9000`` stays.
    """
    if value.isdigit() and int(value) in ports and _PORT_NAME.search(name):
        return str(ports[int(value)])
    return _substitute(value, ports)


def substitute_args(args: tuple[str, ...], ports: Mapping[int, int]) -> tuple[str, ...]:
    """Arguments with the ports replaced: ``--port 9000``, ``--port=9000``, ``0.0.0.0:9000``, a positional ``9000``.

    A bare number after another flag stays: ``--timeout 9000``.
    """
    written = []
    for before, argument in zip(("", *args), args, strict=False):
        is_value_of_other_flag = before.startswith("-") and "=" not in before and not _PORT_FLAG.fullmatch(before)
        if argument.isdigit() and int(argument) in ports and not is_value_of_other_flag:
            written.append(str(ports[int(argument)]))
        else:
            written.append(_substitute(argument, ports))
    return tuple(written)


def _substitute(text: str, ports: Mapping[int, int]) -> str:
    text = _ANY_ADDRESS.sub(LOOPBACK, text)
    if not ports:
        return text
    number = "|".join(str(port) for port in ports)
    pattern = re.compile(rf"(?:{_FLAG_WITH_PORT}|{_ADDRESS})(?P<port>{number})(?![\w.:])", re.IGNORECASE)
    return pattern.sub(lambda m: f"{m['flag'] or m['address']}{ports[int(m['port'])]}", text)


def _is_free(port: int) -> bool:
    # bound on every interface, as servers do that offer no choice; nothing listens, so nothing is exposed
    with socket.socket() as reservation:
        try:
            reservation.bind(("", port))
        except OSError:
            return False
    return True


def _outgoing_range() -> range:
    try:
        low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    except (OSError, ValueError):
        return range(32_768, 61_000)
    return range(int(low), int(high) + 1)
