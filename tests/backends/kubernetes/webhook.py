"""A mutating admission webhook on this machine, where the API server of the test cluster reaches it."""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.places import machine_address


@contextmanager
def webhook(folder: Path, patch: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """An admission webhook on this machine, where the API server reaches it: its URL, and its CA bundle in base64."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            encoded = base64.b64encode(json.dumps(patch).encode()).decode()
            response = {"uid": asked["request"]["uid"], "allowed": True, "patchType": "JSONPatch", "patch": encoded}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({**asked, "response": response}).encode())

        def log_message(self, *_: object) -> None:
            pass

    key, certificate = folder / "key.pem", folder / "certificate.pem"
    machine = machine_address()
    names = f"subjectAltName=IP:{machine}"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=webhook", "-addext", names, "-days", "1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    try:
        server = http.server.ThreadingHTTPServer((machine, 0), Answers)
    except OSError as error:
        pytest.skip(f"the API server of this cluster does not reach this machine: {error}")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        ca = base64.b64encode(certificate.read_bytes()).decode()
        yield f"https://{machine}:{server.server_address[1]}/", ca
    finally:
        server.shutdown()
        server.server_close()
