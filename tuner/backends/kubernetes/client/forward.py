"""Port-forwards: a loopback port here for a pod's port, through the API server. The last resort."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from tuner.backends.kubernetes.client.api import Api
from tuner.errors import EnvironmentFailure

_PIECE = 1 << 16


class PortForward:
    """Listens on loopback; each connection becomes a forward of its own to the pod."""

    def __init__(self, api: Api, pod: str, port: int) -> None:
        self._api, self._pod, self._port = api, pod, port
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._open: set[socket.socket] = set()
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, name=f"port-forward {pod}", daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in list(self._open):
            _hang_up(one)

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(here,), daemon=True).start()

    def _connect(self, here: socket.socket) -> None:
        try:
            there = self._api.forward(self._pod, self._port)
        except EnvironmentFailure:
            here.close()
            return
        self._open.update((here, there))
        back = threading.Thread(target=_pump, args=(there, here), daemon=True)
        back.start()
        _pump(here, there)
        back.join()
        for one in (here, there):
            self._open.discard(one)
            one.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
    for one in (source, sink):
        _hang_up(one)


def _hang_up(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
