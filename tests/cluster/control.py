"""The control plane: etcd, API server, controller manager, scheduler; and the proxy that makes Services work."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.cluster import daemons
from tests.cluster.places import API_ADDRESS, API_PORT, POD_NETWORK, SERVICE_NETWORK, state

_ETCD = "https://127.0.0.1:23790"


def up(programs: Path) -> None:
    """Start the control plane and wait until the API server answers."""
    pki = state() / "pki"
    daemons.start(
        "etcd",
        [
            f"{programs}/etcd",
            f"--data-dir={state()}/etcd",
            f"--listen-client-urls={_ETCD}",
            f"--advertise-client-urls={_ETCD}",
            "--listen-peer-urls=http://127.0.0.1:0",
            f"--cert-file={pki}/etcd.crt",
            f"--key-file={pki}/etcd.key",
            f"--trusted-ca-file={pki}/ca.crt",
            "--client-cert-auth",
            "--unsafe-no-fsync",  # a test cluster's state dies with it
            "--log-level=warn",
        ],
    )
    start_api_server(programs)
    common = ["--leader-elect=false", "--bind-address=127.0.0.1"]
    daemons.start(
        "kube-controller-manager",
        [
            f"{programs}/kube-controller-manager",
            *_identity("controller-manager"),
            f"--root-ca-file={pki}/ca.crt",
            f"--service-account-private-key-file={pki}/service-account.key",
            "--use-service-account-credentials",
            f"--cluster-cidr={POD_NETWORK}",
            "--allocate-node-cidrs=false",
            "--node-monitor-grace-period=20s",
            *common,
        ],
    )
    daemons.start("kube-scheduler", [f"{programs}/kube-scheduler", *_identity("scheduler"), *common])


def start_api_server(programs: Path) -> None:
    """By itself, so that a test can stop it and start it again."""
    pki = state() / "pki"
    daemons.start(
        "kube-apiserver",
        [
            f"{programs}/kube-apiserver",
            f"--bind-address={API_ADDRESS}",
            f"--advertise-address={API_ADDRESS}",
            f"--secure-port={API_PORT}",
            f"--etcd-servers={_ETCD}",
            f"--etcd-cafile={pki}/ca.crt",
            f"--etcd-certfile={pki}/apiserver.crt",
            f"--etcd-keyfile={pki}/apiserver.key",
            f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt",
            f"--kubelet-client-key={pki}/apiserver-kubelet.key",
            "--kubelet-preferred-address-types=InternalIP",  # else logs and exec look for the node's name in DNS
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={pki}/service-account.pub",
            f"--service-account-signing-key-file={pki}/service-account.key",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            "--authorization-mode=Node,RBAC",
            "--anonymous-auth=false",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=false",
            "--profiling=false",
        ],
    )
    daemons.wait(
        "the API server", lambda: kubectl(programs, "get", "--raw=/readyz").returncode == 0, 60, "kube-apiserver"
    )


def proxy(programs: Path) -> None:
    daemons.start(
        "kube-proxy",
        [
            f"{programs}/kube-proxy",
            f"--kubeconfig={state()}/pki/proxy.kubeconfig",
            "--proxy-mode=iptables",
            f"--cluster-cidr={POD_NETWORK}",
            "--hostname-override=node0",
            "--healthz-bind-address=127.0.0.1:0",
            "--metrics-bind-address=127.0.0.1:0",
            "--conntrack-max-per-core=0",  # leave the machine's own setting alone
            "--nodeport-addresses=10.213.0.0/24",
        ],
    )


def kubectl(programs: Path, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [f"{programs}/kubectl", f"--kubeconfig={state()}/pki/admin.kubeconfig", "--request-timeout=20s", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def _identity(name: str) -> list[str]:
    config = f"{state()}/pki/{name}.kubeconfig"
    return [f"--kubeconfig={config}", f"--authentication-kubeconfig={config}", f"--authorization-kubeconfig={config}"]
