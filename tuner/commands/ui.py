"""MLflow's own page, as a process beside this one that ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import httpx

from tuner.errors import EnvironmentFailure
from tuner.uri import masked

_STARTS_WITHIN_S = 120.0
_ASKED_EVERY_S = 0.2
_ENDS_WITHIN_S = 10.0
_HEALTH = "/health"
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - what a user may ask for; it is asked on loopback


def serve(tracking_uri: str, host: str, port: int, page: str, say: Callable[[str], None]) -> int:
    """Serve until it ends or is interrupted; returns its exit status. `say` hears the page's address when it answers.

    Raises EnvironmentFailure where it does not start.
    """
    arguments = ["ui", "--backend-store-uri", tracking_uri, "--host", host, "--port", str(port), "--workers", "1"]
    # a page for one person: without the runners of background jobs it starts sooner and is one process, not ten
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **os.environ}
    # a group of its own: Ctrl-C reaches it as a request to end, not in the middle of whatever it does
    server = subprocess.Popen([sys.executable, "-m", "mlflow", *arguments], env=environment, process_group=0)
    try:
        asked = f"[{host}]" if ":" in host else host
        _wait(server, f"http://{'127.0.0.1' if host in _EVERYWHERE else asked}:{port}{_HEALTH}", tracking_uri)
        say(f"http://{asked}:{port}{page}   (Ctrl-C ends it)")
        return server.wait()
    finally:
        _end(server)


def _wait(server: subprocess.Popen[bytes], url: str, tracking_uri: str) -> None:
    """Until it answers. Raises EnvironmentFailure when it has ended, or has not answered for too long."""
    end = time.monotonic() + _STARTS_WITHIN_S
    with httpx.Client(timeout=2.0, trust_env=False) as client:
        while True:
            if server.poll() is not None:
                what = f"MLflow's page of {masked(tracking_uri)} ended with status {server.returncode}"
                raise EnvironmentFailure(f"{what}; what it wrote stands above")
            try:
                if client.get(url).is_success:
                    return
            except httpx.TransportError:
                pass
            if time.monotonic() > end:
                what = f"MLflow's page of {masked(tracking_uri)} does not answer at {url}"
                raise EnvironmentFailure(f"{what} after {_STARTS_WITHIN_S:.0f} s; try another --port")
            time.sleep(_ASKED_EVERY_S)


def _end(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
