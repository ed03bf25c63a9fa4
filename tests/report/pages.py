"""A page as a browser sees it: what it would load, the text that it would show, and what its charts hold."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

_LOADS = {"src", "href", "srcset", "data", "action", "poster", "background"}


class Page(HTMLParser):
    """What a browser would load, and the text that it would show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.policy = ""
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        """Within the page."""
        self._shown: list[str] = []
        self._hidden = ""
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name == "href" and value and value.startswith("#")]
        asked = [(name, value or "") for name, value in given.items() if name in _LOADS]
        self.loads += [f"{tag} {name}={value}" for name, value in asked if not value.startswith("#")]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""
        if tag in ("script", "style"):
            self._hidden = tag
            (self.scripts if tag == "script" else self.styles).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._hidden:
            self._hidden = ""

    def handle_data(self, data: str) -> None:
        if self._hidden:
            (self.scripts if self._hidden == "script" else self.styles)[-1] += data
        else:
            self._shown.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._shown).split())

    @property
    def figures(self) -> list[dict[str, Any]]:
        found = [script for script in self.scripts if script.startswith("[{")]
        figures: list[dict[str, Any]] = json.loads(found[0]) if found else []
        return figures


def loads_nothing(page: Page) -> None:
    assert page.loads == []
    assert page.policy.startswith("default-src 'none'")
    assert "http" not in page.policy
    assert not any("@import" in style or "url(" in style for style in page.styles)
