"""A certificate authority made on the spot, and certificates it signs, by the openssl command."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("the openssl command makes the certificates, and it is not here")
        self.folder = folder
        self.certificate = folder / "ca.pem"
        authority = ("-subj", "/CN=authority of a test", "-days", "2", "-keyout", str(folder / "ca.key"))
        _run("req", "-x509", *_KEY, *authority, "-out", str(self.certificate))

    def context(self, names: str, *, days: int = 2) -> ssl.SSLContext:
        """What a server of these names (``DNS:a,IP:127.0.0.1``) speaks TLS with; `days` may be negative: expired."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(*self.sign(names, days=days))
        return made

    def sign(self, names: str, *, days: int = 2) -> tuple[Path, Path]:
        """The files of a certificate and of its key."""
        name = names.replace(":", "-").replace(",", "_") + str(days)
        key, request, signed = (self.folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"basicConstraints=CA:FALSE\nsubjectAltName={names}\n")
        _run("req", *_KEY, "-subj", "/CN=server of a test", "-keyout", str(key), "-out", str(request))
        by = ("-CA", str(self.certificate), "-CAkey", str(self.folder / "ca.key"), "-CAcreateserial")
        what = ("-in", str(request), "-out", str(signed), "-extfile", str(extensions), "-days", str(days))
        _run("x509", "-req", *by, *what)
        return signed, key


def _run(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)
