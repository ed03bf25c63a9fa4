"""MLflow's own page that shows a study: of a server that runs already, or of a process beside this one that ends with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution, version

import httpx

from tuner.errors import EnvironmentFailure, InputError
from tuner.trials.folder import StudyFolder
from tuner.uri import masked

_STARTS_WITHIN_S = 120.0
_ASKED_EVERY_S = 0.2
_ENDS_WITHIN_S = 10.0
_HEALTH = "/health"
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - what a user may ask for; it is asked on loopback
_DEFAULT_STORE = "sqlite:///mlflow.db"

Say = Callable[[str], None]


def store_of(folder: StudyFolder | None, tracking_uri: str | None) -> str:
    """The address of MLflow's store: as given, else the study's own, else the one in this folder.

    Raises InputError where there is none, or the study's own was not recorded with its credentials.
    """
    from tuner.record.uri import absolute, sqlite_file
    from tuner.targets import kept
    from tuner.trials.journal import read

    own = kept.tracking_uri(folder, read(folder.journal).start) if folder is not None and tracking_uri is None else None
    if own is not None and "***" in own:
        fix = "give the whole address with --tracking-uri"
        raise InputError.at(own, "its credentials were not recorded", fix)
    uri = absolute(tracking_uri or own or _DEFAULT_STORE)
    store = sqlite_file(uri)
    if store is not None and not store.is_file():
        fix = "run a study first, or change to the folder you ran it in"
        raise InputError.at(store, "no MLflow store is here", fix)
    return uri


def page_of(folder: StudyFolder | None, tracking_uri: str) -> str:
    """Path, below an MLflow server's address, of the page that compares a study's trials; None: the newest study's.

    Empty: the store holds no study. Raises InputError, StoreFailure.
    """
    if folder is None:
        from tuner.record.mlflow.recorder import newest_page

        return newest_page(tracking_uri)
    from tuner.record.mlflow.recorder import MlflowRecorder
    from tuner.targets.inputs import space_of
    from tuner.trials.journal import read

    start = read(folder.journal).start
    return MlflowRecorder(tracking_uri, folder, space_of(folder, start)).page(start)


def show(tracking_uri: str, host: str, port: int, page: str, say: Say, *, opens: bool) -> int:
    """Show a page of the store in a browser, if it `opens`, and `say` its address, once it answers; returns the status.

    A store that is a server is shown as it is; of any other MLflow is served until it ends or is interrupted. Raises
    EnvironmentFailure where it does not answer, the port is taken, or MLflow's page is not installed.
    """
    if tracking_uri.startswith(("http://", "https://")):
        base = tracking_uri.rstrip("/")
        _wait(None, base + _HEALTH, tracking_uri)
        _tell(masked(base) + page, say, opens=opens)
        return 0
    _must_have_page()
    _must_be_installed()
    _must_be_free(host, port)
    server = _started(tracking_uri, host, port)
    try:
        asked = f"[{host}]" if ":" in host else host
        local = "127.0.0.1" if host in _EVERYWHERE else asked
        _wait(server, f"http://{local}:{port}{_HEALTH}", tracking_uri)
        _tell(f"http://{local}:{port}{page}", say, opens=opens, ends="   (Ctrl-C ends it)")
        return server.wait()
    finally:
        _end(server)


def _started(tracking_uri: str, host: str, port: int) -> subprocess.Popen[bytes]:
    arguments = ["ui", "--host", host, "--port", str(port), "--workers", "1"]
    own = {
        # not among the arguments, which everyone on this machine sees: it may hold a password
        "MLFLOW_BACKEND_STORE_URI": tracking_uri,
        "MLFLOW_REGISTRY_STORE_URI": tracking_uri,
        # a page for one person: without the runners of background jobs it starts sooner and is one process, not ten
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": os.environ.get("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false"),
    }
    # a group of its own: Ctrl-C reaches it as a request to end, not in the middle of whatever it does
    command = [sys.executable, "-m", "mlflow", *arguments]
    return subprocess.Popen(command, env=os.environ | own, process_group=0)


def _tell(address: str, say: Say, *, opens: bool, ends: str = "") -> None:
    say(f"{address}{ends}")
    if opens:
        webbrowser.open(address)


def _must_be_installed() -> None:
    """The page is not in the small part of MLflow that recording needs."""
    try:
        distribution("mlflow")
    except PackageNotFoundError:
        fix = "install the tuner with its extra `ui`, or give the address of a server with --tracking-uri"
        raise EnvironmentFailure(f"MLflow's page is not installed here, only its client; {fix}") from None


def _must_be_free(host: str, port: int) -> None:
    """Another server there would answer in place of ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            what = f"{host} port {port} cannot be listened on ({error.strerror})"
            raise EnvironmentFailure(f"{what}; try another --port, such as {port % 65535 + 1}") from error


def _must_have_page() -> None:
    """The tuner records with mlflow-skinny, which has neither MLflow's page nor what serves it."""
    try:
        version("mlflow")
    except PackageNotFoundError:
        fix = "install it with `pip install 'serving-tuner[ui]'`, or open the store with an MLflow of your own"
        raise EnvironmentFailure(f"MLflow's page is not installed, only what writes its stores; {fix}") from None


def _wait(server: subprocess.Popen[bytes] | None, url: str, tracking_uri: str) -> None:
    """Until it answers. Raises EnvironmentFailure when `server` has ended, or it has not answered for too long."""
    end = time.monotonic() + _STARTS_WITHIN_S
    with httpx.Client(timeout=2.0, trust_env=server is None) as client:
        while True:
            if server is not None and server.poll() is not None:
                what = f"MLflow's page of {masked(tracking_uri)} ended with status {server.returncode}"
                raise EnvironmentFailure(f"{what}; what it wrote stands above")
            try:
                if not client.get(url).is_server_error:
                    return
            except httpx.TransportError:
                pass
            if time.monotonic() > end:
                what = f"MLflow's page of {masked(tracking_uri)} does not answer at {masked(url)}"
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
