"""A page that is followed: on this machine alone, anew where something changed, and not otherwise."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tuner.errors import InputError
from tuner.report.follow import Page, serving


class Changing:
    def __init__(self) -> None:
        self.version, self.made = "1", 0
        self.broken: Exception | None = None
        self.heard: list[str] = []

    def make(self) -> str:
        self.made += 1
        if self.broken is not None:
            raise self.broken
        return f"page {self.version}"

    @contextmanager
    def served(self) -> Iterator[int]:
        page = Page(self.make, lambda: self.version)
        with serving(page, 0, lambda error: self.heard.append(str(error))) as address:
            yield int(address.removeprefix("http://127.0.0.1:").rstrip("/"))


def ask(port: int, path: str = "/", **headers: str) -> tuple[int, str, str]:
    """Status, body and entity tag."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.getheader("ETag") or ""
    finally:
        connection.close()


def test_it_is_made_anew_only_where_something_changed() -> None:
    changing = Changing()
    with changing.served() as port:
        status, body, tag = ask(port)
        assert (status, body) == (200, "page 1")
        assert ask(port, If_None_Match=tag) == (304, "", tag)
        assert changing.made == 1
        changing.version = "2"
        status, body, newer = ask(port, If_None_Match=tag)
        assert (status, body) == (200, "page 2")
        assert newer != tag
        assert changing.made == 2


def test_there_is_one_page_and_it_is_for_this_machine() -> None:
    changing = Changing()
    with changing.served() as port:
        assert ask(port, "/etc/passwd")[0] == 404
        assert ask(port, Host="evil.example")[0] == 403
        assert ask(port, Host=f"localhost:{port}")[0] == 200


def test_a_page_that_cannot_be_made_is_told_and_asked_for_again() -> None:
    changing = Changing()
    with changing.served() as port:
        changing.broken = ValueError("the journal is damaged")
        assert ask(port)[:2] == (500, "the journal is damaged\n")
        assert changing.heard == ["the journal is damaged"]
        changing.broken = None
        assert ask(port)[:2] == (200, "page 1")


def test_a_port_that_is_taken_is_told() -> None:
    changing = Changing()
    page = Page(changing.make, lambda: "")
    with (
        changing.served() as port,
        pytest.raises(InputError, match=f"port {port} cannot be had"),
        serving(page, port, print),
    ):
        pass
