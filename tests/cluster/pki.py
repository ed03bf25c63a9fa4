"""The cluster's certificates: one authority, and a certificate a component, as on a real cluster."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

from tests.cluster.places import API_ADDRESS, API_PORT, SERVICE_ADDRESS, Node

_DAYS = "30"
_SERVER_NAMES = (
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,"
    f"DNS:localhost,IP:{SERVICE_ADDRESS},IP:{API_ADDRESS},IP:127.0.0.1"
)


def make(folder: Path, nodes: tuple[Node, ...]) -> None:
    """Keys and certificates of every component, and a kubeconfig for each that is a client."""
    folder.mkdir(parents=True, mode=0o700)
    _openssl(
        "req",
        "-x509",
        *_NEW_KEY,
        "-days",
        _DAYS,
        "-subj",
        "/CN=tuner-cluster",
        "-keyout",
        f"{folder}/ca.key",
        "-out",
        f"{folder}/ca.crt",
    )
    _openssl(
        "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", f"{folder}/service-account.key"
    )
    _openssl("pkey", "-in", f"{folder}/service-account.key", "-pubout", "-out", f"{folder}/service-account.pub")
    _sign(folder, "apiserver", "/CN=kube-apiserver", _SERVER_NAMES)
    _sign(folder, "etcd", "/CN=etcd", "DNS:localhost,IP:127.0.0.1")
    _sign(folder, "apiserver-kubelet", "/O=system:masters/CN=kube-apiserver-kubelet-client")
    clients = {
        "admin": "/O=system:masters/CN=tuner-admin",
        "controller-manager": "/CN=system:kube-controller-manager",
        "scheduler": "/CN=system:kube-scheduler",
        "proxy": "/CN=system:kube-proxy",
    }
    for name, subject in clients.items():
        _sign(folder, name, subject)
    for node in nodes:
        _sign(folder, node.name, f"/O=system:nodes/CN=system:node:{node.name}", f"DNS:{node.name},IP:{node.address}")
    for name in (*clients, *(node.name for node in nodes)):
        _kubeconfig(folder, name)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _sign(folder: Path, name: str, subject: str, names: str | None = None) -> None:
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    _openssl("req", *_NEW_KEY, "-subj", subject, "-keyout", f"{folder}/{name}.key", "-out", str(request))
    lines = ["basicConstraints=CA:FALSE", "keyUsage=digitalSignature", "extendedKeyUsage=clientAuth,serverAuth"]
    extensions.write_text("\n".join([*lines, *([f"subjectAltName={names}"] if names else [])]) + "\n")
    _openssl(
        "x509",
        "-req",
        "-in",
        str(request),
        "-CA",
        f"{folder}/ca.crt",
        "-CAkey",
        f"{folder}/ca.key",
        "-CAcreateserial",
        "-days",
        _DAYS,
        "-extfile",
        str(extensions),
        "-out",
        f"{folder}/{name}.crt",
    )
    request.unlink()
    extensions.unlink()


def _kubeconfig(folder: Path, name: str) -> None:
    """With the data inside, so that the one file is all a client needs. JSON is YAML."""

    def data(file: str) -> str:
        return base64.b64encode((folder / file).read_bytes()).decode()

    cluster = {"server": f"https://{API_ADDRESS}:{API_PORT}", "certificate-authority-data": data("ca.crt")}
    user = {"client-certificate-data": data(f"{name}.crt"), "client-key-data": data(f"{name}.key")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tuner",
        "clusters": [{"name": "tuner", "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "tuner", "context": {"cluster": "tuner", "user": name}}],
    }
    path = folder / f"{name}.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=1))


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
