"""The cluster's certificates: one authority, and a certificate a component, as on a real cluster."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tests.cluster.places import API_PORT, Node, api_address, networks, state
from tests.cluster.say import run

_DAYS = "30"
_SERVER_NAMES = (
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,"
    "DNS:localhost,IP:127.0.0.1"
)


def make() -> None:
    """Keys and certificates of the control plane, and a kubeconfig for each that is a client."""
    folder = _folder()
    folder.mkdir(mode=0o700)
    authority = (
        "-days",
        _DAYS,
        "-subj",
        "/CN=tuner-cluster",
        "-keyout",
        f"{folder}/ca.key",
        "-out",
        f"{folder}/ca.crt",
    )
    run("openssl", "req", "-x509", *_NEW_KEY, *authority)
    key = f"{folder}/service-account.key"
    run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key)
    run("openssl", "pkey", "-in", key, "-pubout", "-out", f"{folder}/service-account.pub")
    served_at = f"IP:{networks().services[1]},IP:{api_address()}"
    sign("apiserver", "/CN=kube-apiserver", f"{_SERVER_NAMES},{served_at}")
    sign("etcd", "/CN=etcd", "DNS:localhost,IP:127.0.0.1")
    sign("etcd-client", "/CN=kube-apiserver-etcd-client")
    sign("apiserver-kubelet", "/O=system:masters/CN=kube-apiserver-kubelet-client")
    clients = {
        "admin": "/O=system:masters/CN=tuner-admin",
        "controller-manager": "/CN=system:kube-controller-manager",
        "scheduler": "/CN=system:kube-scheduler",
        "proxy": "/CN=system:kube-proxy",
    }
    for name, subject in clients.items():
        sign(name, subject)
        _kubeconfig(name)


def node(member: Node) -> None:
    """The node's certificate, with which its kubelet serves and is a client, and its kubeconfig."""
    sign(member.name, f"/O=system:nodes/CN=system:node:{member.name}", f"DNS:{member.name},IP:{member.address}")
    _kubeconfig(member.name)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def sign(name: str, subject: str, names: str | None = None) -> None:
    """A key and its certificate, `NAME.key` and `NAME.crt`; `names`: as of a server."""
    folder = _folder()
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    run("openssl", "req", *_NEW_KEY, "-subj", subject, "-keyout", f"{folder}/{name}.key", "-out", str(request))
    lines = ["basicConstraints=CA:FALSE", "keyUsage=digitalSignature", "extendedKeyUsage=clientAuth,serverAuth"]
    extensions.write_text("\n".join([*lines, *([f"subjectAltName={names}"] if names else [])]) + "\n")
    authority = ("-CA", f"{folder}/ca.crt", "-CAkey", f"{folder}/ca.key", "-CAcreateserial", "-days", _DAYS)
    signed = ("-extfile", str(extensions), "-out", f"{folder}/{name}.crt")
    run("openssl", "x509", "-req", "-in", str(request), *authority, *signed)
    request.unlink()
    extensions.unlink()


def _kubeconfig(name: str) -> None:
    """With the data inside, so that the one file is all a client needs. JSON is YAML."""
    folder = _folder()

    def data(file: str) -> str:
        return base64.b64encode((folder / file).read_bytes()).decode()

    cluster = {"server": f"https://{api_address()}:{API_PORT}", "certificate-authority-data": data("ca.crt")}
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


def _folder() -> Path:
    return state() / "pki"
