"""A headless Chromium, driven over its DevTools protocol: what scripts need to look at a page. Not for the tests' sake.

The browser is the system's ($CHROMIUM, or the first of the usual names on PATH); nothing is downloaded. Its profile is a
temporary folder, and it asks nobody but the pages it is given.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import websocket  # the Kubernetes client's own

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_STARTS_WITHIN_S = 120.0
_QUIET = (
    "--headless=new",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)


class NoBrowser(Exception):
    """None is installed, or it does not start."""


class Page:
    """One page of the browser."""

    def __init__(self, socket: websocket.WebSocket) -> None:
        self._socket = socket
        self._number = 0
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A command of the protocol, and its result. Raises RuntimeError with what the browser says against it."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error'].get('message', answer['error'])}")
                return dict(answer["result"])

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """In CSS pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def scheme(self, name: str) -> None:
        """`light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def go(self, address: str) -> None:
        self.call("Page.navigate", url=address)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, which may be a promise."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise RuntimeError(f"{script[:200]}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def wait(self, condition: str, within_s: float = 120.0) -> None:
        """Until a JavaScript expression is true. Raises TimeoutError with what the page says then."""
        end = time.monotonic() + within_s
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > end:
                said = self.run("document.body ? document.body.innerText.slice(0, 2000) : ''")
                raise TimeoutError(f"not so within {within_s:.0f} s: {condition}\nthe page says: {said}")
            time.sleep(0.2)

    def still(self, for_s: float = 1.0) -> None:
        """Until what it shows has not changed for so long."""
        last, since = None, time.monotonic()
        while time.monotonic() - since < for_s:
            now = self.run("document.body ? document.body.innerHTML.length + ':' + document.images.length : ''")
            if now != last:
                last, since = now, time.monotonic()
            time.sleep(0.2)

    def picture(self, *, whole: bool = False) -> bytes:
        """PNG of what is seen, or of the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])


@contextmanager
def browser() -> Iterator[Page]:
    """A page of a fresh browser, which ends with it. Raises NoBrowser."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise NoBrowser(f"no Chromium is on PATH (looked for {', '.join(NAMES)}); install it, or name it in CHROMIUM")
    # its sandbox needs rights of its own that root in a container has not
    options = [*_QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with tempfile.TemporaryDirectory(prefix="tuner-chromium-", ignore_cleanup_errors=True) as profile:
        command = [program, *options, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = _port(process, Path(profile) / "DevToolsActivePort")
            with urlopen(f"http://127.0.0.1:{port}/json", timeout=60) as listed:
                target = next(one for one in json.load(listed) if one["type"] == "page")
            socket = websocket.create_connection(target["webSocketDebuggerUrl"], timeout=300)
            try:
                yield Page(socket)
            finally:
                socket.close()
        finally:
            process.terminate()
            process.wait(30)


def _port(process: subprocess.Popen[bytes], told_in: Path) -> int:
    end = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        if told_in.exists() and (told := told_in.read_text().split()):
            return int(told[0])
        time.sleep(0.1)
    raise NoBrowser(f"{process.args} did not start within {_STARTS_WITHIN_S:.0f} s")
