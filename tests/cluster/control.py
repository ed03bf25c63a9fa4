"""The control plane: etcd, API server, controller manager, scheduler; and the proxy that makes Services work."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.cluster import daemons, network
from tests.cluster.places import API_PORT, Node, api_address, networks, state
from tests.cluster.say import CannotError

_ETCD = "https://127.0.0.1:23790"
_ETCD_PEER = "https://127.0.0.1:23800"


def up(programs: Path) -> None:
    """Start the control plane and wait until the API server answers."""
    keys = state() / "pki"
    _start(
        f"{programs}/etcd",
        f"--data-dir={state()}/etcd",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        f"--cert-file={keys}/etcd.crt",
        f"--key-file={keys}/etcd.key",
        f"--trusted-ca-file={keys}/ca.crt",
        "--client-cert-auth",
        f"--listen-peer-urls={_ETCD_PEER}",
        f"--initial-advertise-peer-urls={_ETCD_PEER}",
        f"--initial-cluster=default={_ETCD_PEER}",
        f"--peer-cert-file={keys}/etcd.crt",
        f"--peer-key-file={keys}/etcd.key",
        f"--peer-trusted-ca-file={keys}/ca.crt",
        "--peer-client-cert-auth",
        "--unsafe-no-fsync",  # a test cluster's state dies with it
        "--log-level=warn",
    )
    _start(
        f"{programs}/kube-apiserver",
        f"--bind-address={api_address()}",
        f"--advertise-address={api_address()}",
        f"--secure-port={API_PORT}",
        f"--etcd-servers={_ETCD}",
        f"--etcd-cafile={keys}/ca.crt",
        f"--etcd-certfile={keys}/etcd-client.crt",
        f"--etcd-keyfile={keys}/etcd-client.key",
        f"--client-ca-file={keys}/ca.crt",
        f"--tls-cert-file={keys}/apiserver.crt",
        f"--tls-private-key-file={keys}/apiserver.key",
        f"--kubelet-certificate-authority={keys}/ca.crt",
        f"--kubelet-client-certificate={keys}/apiserver-kubelet.crt",
        f"--kubelet-client-key={keys}/apiserver-kubelet.key",
        "--kubelet-preferred-address-types=InternalIP",  # else logs and exec look for the node's name in DNS
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={keys}/service-account.pub",
        f"--service-account-signing-key-file={keys}/service-account.key",
        f"--service-cluster-ip-range={networks().services}",
        "--authorization-mode=Node,RBAC",
        "--anonymous-auth=false",
        "--enable-admission-plugins=NodeRestriction",
        "--profiling=false",
        "--enable-priority-and-fairness=false",  # nobody here is to be protected from others, and it never rests
    )
    daemons.wait("the API server", lambda: answers(programs), 90, "kube-apiserver")
    _start(
        f"{programs}/kube-controller-manager",
        f"--kubeconfig={keys}/controller-manager.kubeconfig",
        f"--root-ca-file={keys}/ca.crt",
        f"--service-account-private-key-file={keys}/service-account.key",
        "--use-service-account-credentials",
        "--node-monitor-grace-period=20s",
        f"--flex-volume-plugin-dir={state()}/plugins",
        *_ALONE,
    )
    _start(f"{programs}/kube-scheduler", f"--kubeconfig={keys}/scheduler.kubeconfig", *_ALONE)
    _start(
        f"{programs}/kube-proxy",
        f"--kubeconfig={keys}/proxy.kubeconfig",
        "--proxy-mode=iptables",
        f"--cluster-cidr={networks().pods}",
        f"--hostname-override={Node(number=0).name}",
        "--healthz-bind-address=127.0.0.1:10256",
        "--metrics-bind-address=127.0.0.1:10249",
        f"--nodeport-addresses={networks().nodes}",
        "--iptables-min-sync-period=100ms",
        # leave the machine's own settings alone
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    )


# There is one of each, and nobody scrapes them.
_ALONE = ("--leader-elect=false", "--secure-port=0")


def _start(program: str, *arguments: str) -> None:
    daemons.start(Path(program).name, [*network.inside(), program, *arguments])


def wait(programs: Path) -> None:
    """Until the API server answers."""
    daemons.wait("the API server", lambda: answers(programs), 90)


def answers(programs: Path) -> bool:
    return kubectl(programs, "get", "--raw=/readyz").returncode == 0


def kubectl(programs: Path, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [f"{programs}/kubectl", f"--kubeconfig={kubeconfig()}", "--request-timeout=60s", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def obliged(programs: Path, *arguments: str, stdin: str | None = None, within_s: float = 0.0) -> None:
    """Of kubectl, asked again for that long. Raises CannotError where it fails."""
    deadline = time.monotonic() + within_s
    while (done := kubectl(programs, *arguments, stdin=stdin)).returncode:
        if time.monotonic() > deadline:
            raise CannotError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        time.sleep(0.1)


def kubeconfig() -> Path:
    return state() / "pki" / "admin.kubeconfig"
