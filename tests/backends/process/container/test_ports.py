"""Ports: what is replaced, what must stay, and that those given out are free and differ."""

from __future__ import annotations

import socket
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.backends.process.container.ports import give_out, substitute_args, substitute_env

PORTS = {9000: 21001, 5000: 21002}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "9000", "21001"),
        ("PREDICTIVE_UNIT_HTTP_SERVICE_PORT", "9000", "21001"),
        ("HTTP_PORT", "5000", "21002"),
        ("LISTEN", "0.0.0.0:9000", "127.0.0.1:21001"),
        ("BIND", "[::]:9000", "127.0.0.1:21001"),
        ("UPSTREAM", "http://localhost:9000/v2", "http://localhost:21001/v2"),
        ("ADDRESS", ":9000", ":21001"),
        ("HOST", "0.0.0.0", "127.0.0.1"),
        # not ports, or not ours
        ("GUNICORN_TIMEOUT", "9000", "9000"),
        ("IMPORT_LIMIT", "9000", "9000"),
        ("UPSTREAM", "http://other-service:9000", "http://other-service:9000"),
        ("PORT", "90001", "90001"),
        ("PORT", "9001", "9001"),
        ("TIME", "12:9000", "12:9000"),
        ("TRUSTED", "0.0.0.0/0", "0.0.0.0/0"),
        ("ADDRESS", "localhost:90001", "localhost:90001"),
    ],
)
def test_environment(name: str, value: str, expected: str) -> None:
    assert substitute_env(name, value, PORTS) == expected


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("--port", "9000"), ("--port", "21001")),
        (("--port=9000",), ("--port=21001",)),
        (("--rest_api_port=9000", "--grpc-port=5000"), ("--rest_api_port=21001", "--grpc-port=21002")),
        (("-p", "9000"), ("-p", "21001")),
        (("--bind", "0.0.0.0:9000"), ("--bind", "127.0.0.1:21001")),
        (("--host=0.0.0.0", "--port=9000"), ("--host=127.0.0.1", "--port=21001")),
        (("-m", "http.server", "9000"), ("-m", "http.server", "21001")),
        (("-c", "serve --port 9000 --x 9000"), ("-c", "serve --port 21001 --x 9000")),
        # not ports
        (("--timeout", "9000"), ("--timeout", "9000")),
        (("--timeout=9000",), ("--timeout=9000",)),
        (("--import", "9000"), ("--import", "9000")),
        (("--port=90000",), ("--port=90000",)),
    ],
)
def test_arguments(args: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert substitute_args(args, PORTS) == expected


@given(st.text(string.printable, max_size=40), st.text(string.ascii_uppercase + "_", min_size=1, max_size=12))
def test_text_without_a_port_number_or_address_stays(text: str, name: str) -> None:
    if "9000" not in text and "5000" not in text and "0.0.0.0" not in text and "[::]" not in text:
        assert substitute_env(name, text, PORTS) == text
        assert substitute_args((text, text), PORTS) == (text, text)


@given(st.text(string.printable, max_size=40))
def test_without_ports_only_addresses_change(text: str) -> None:
    assert substitute_args((text,), {}) == (text.replace("[::]:", "127.0.0.1:"),) or "0.0.0.0" in text


def test_ports_given_out_are_free_and_differ() -> None:
    taken = {9000}
    ports = give_out(range(50), taken)
    assert len(set(ports.values())) == 50
    assert set(ports.values()) | {9000} == taken
    with socket.socket() as server:
        server.bind(("127.0.0.1", ports[0]))
